"""Every key of `SIMPLE_JWT`: what it does here, which values are taken, and what to write instead of the others.

The checks and docs/settings.md follow from this table. A key that would have no effect is refused. Otherwise a project
could rely on a protection or a lifetime that does not exist.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.contrib.auth import get_user_model
from rest_framework_simplejwt.settings import DEFAULTS

LONGEST_LEEWAY = 60  # seconds. A token that was dated by a broken clock lives longer by as much.
TEXT = 255
WORD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 section 5.6.2
# Claims that have another meaning in our tokens, or in RFC 7519.
TAKEN = {"token_type", "iss", "aud", "iat", "exp", "nbf", "jti", "sid", "role", "ver", "auth_time", "gen"}


class Verdict(StrEnum):
    """How a key of `SIMPLE_JWT` is treated."""

    HONOURED = "honoured"
    REFUSED = "refused"
    # The key belongs to a part of SimpleJWT that is not used here. Only SimpleJWT's own default is accepted.
    WITHOUT_MEANING = "without meaning here"


@dataclass(frozen=True)
class Key:
    """One key. `says` is what it does or why it cannot be set, and `write` is what to write instead."""

    verdict: Verdict
    says: str
    write: str
    takes: Callable[[Any], bool]
    check: str


def _honoured(says: str, write: str, takes: Callable[[Any], bool]) -> Key:
    return Key(Verdict.HONOURED, says, f"Write for example {write}.", takes, "jwt.E011")


def _refused(says: str, write: str, *harmless: Any, check: str = "jwt.E012") -> Key:
    return Key(Verdict.REFUSED, says, write, lambda value: value in harmless, check)


def _without_meaning(name: str, says: str, write: str) -> Key:
    harmless = [DEFAULTS[name]] if name in DEFAULTS else []
    return Key(Verdict.WITHOUT_MEANING, says, write, lambda value: value in harmless, "jwt.E012")


def _lifetime(value: Any) -> bool:
    return isinstance(value, timedelta) and value >= timedelta(seconds=1)


def _text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= TEXT and value.isprintable()


def _leeway(value: Any) -> bool:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    return type(value) in (int, float) and 0 <= value <= LONGEST_LEEWAY


def _header_types(value: Any) -> bool:
    types = [value] if isinstance(value, str) else value
    words = isinstance(types, (list, tuple)) and all(isinstance(one, str) and WORD.fullmatch(one) for one in types)
    return bool(types) and words


def _header_name(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"HTTP_[A-Z0-9_]+", value)) and value != "HTTP_COOKIE"


def _names_the_primary_key(value: Any) -> bool:
    return value in ("pk", get_user_model()._meta.pk.name)


SERIALIZERS = (
    "TOKEN_OBTAIN_SERIALIZER",
    "TOKEN_REFRESH_SERIALIZER",
    "TOKEN_VERIFY_SERIALIZER",
    "TOKEN_BLACKLIST_SERIALIZER",
    "SLIDING_TOKEN_OBTAIN_SERIALIZER",
    "SLIDING_TOKEN_REFRESH_SERIALIZER",
)
SLIDING = ("SLIDING_TOKEN_LIFETIME", "SLIDING_TOKEN_REFRESH_LIFETIME", "SLIDING_TOKEN_REFRESH_EXP_CLAIM")
KEYS = {
    "ACCESS_TOKEN_LIFETIME": _honoured(
        "How long an access token lives: a timedelta of at least one second.",
        '"ACCESS_TOKEN_LIFETIME": timedelta(minutes=15)',
        _lifetime,
    ),
    "REFRESH_TOKEN_LIFETIME": _honoured(
        "How long a refresh token lives from its issue: a timedelta, not below `ACCESS_TOKEN_LIFETIME`.",
        '"REFRESH_TOKEN_LIFETIME": timedelta(days=7)',
        _lifetime,
    ),
    "UPDATE_LAST_LOGIN": _honoured(
        "Whether a login sets the user's `last_login`: True or False.",
        '"UPDATE_LAST_LOGIN": True',
        lambda value: isinstance(value, bool),
    ),
    "ISSUER": _honoured(
        f"The claim `iss` of every token, issued and required: a text of at most {TEXT} characters.",
        '"ISSUER": "https://login.example.org"',
        _text,
    ),
    "AUDIENCE": _honoured(
        f"The claim `aud` of every token, issued and required: one text of at most {TEXT} characters.",
        '"AUDIENCE": "https://login.example.org/jwt/"',
        _text,
    ),
    "LEEWAY": _honoured(
        f"How far ahead of this server's clock the `iat` of a token may be: seconds or a timedelta, at most "
        f"{LONGEST_LEEWAY} s. A token still ends at its `exp`, to the second.",
        '"LEEWAY": 30',
        _leeway,
    ),
    "AUTH_HEADER_TYPES": _honoured(
        "The words that may stand before an access token, in any case. Challenges use the first. The pages of "
        "`jwt_demo` send `Bearer`.",
        '"AUTH_HEADER_TYPES": ("Bearer",)',
        _header_types,
    ),
    "AUTH_HEADER_NAME": _honoured(
        "The header that brings an access token, as WSGI names it, not `HTTP_COOKIE`. The pages of `jwt_demo` send "
        "`Authorization`.",
        '"AUTH_HEADER_NAME": "HTTP_AUTHORIZATION"',
        _header_name,
    ),
    "USER_ID_FIELD": _honoured(
        "The primary key: `pk` or the name of its field. No other field: access is revoked by the primary key.",
        '"USER_ID_FIELD": "pk"',
        _names_the_primary_key,
    ),
    "USER_ID_CLAIM": _honoured(
        "The claim that names the user, in both tokens. It is not a name of another claim. A change ends every login.",
        '"USER_ID_CLAIM": "sub"',
        lambda value: _text(value) and value not in TAKEN,
    ),
    "ROTATE_REFRESH_TOKENS": _refused(
        "Each refresh token works once. If it always worked, a stolen copy would not be noticed.",
        "Write True, or leave it out.",
        True,
    ),
    "BLACKLIST_AFTER_ROTATION": _refused(
        "A refresh token that was used is always blacklisted: otherwise its copy would work too.",
        "Write True, or leave it out.",
        True,
    ),
    "ALGORITHM": _refused(
        "The algorithm follows from the key.",
        "Leave it out, and write `JWT_ACCESS_ALGORITHM` and `JWT_REFRESH_ALGORITHM` for the next keys.",
    ),
    "SIGNING_KEY": _refused(
        "Each kind of token has its own keys. SimpleJWT's one key would sign both kinds.",
        "Write None, and the name of their file in `JWT_KEY_FILE`.",
        None,
    ),
    "VERIFYING_KEY": _refused(
        "A token is verified by the keys of its kind.",
        "Leave it out, and write `JWT_KEY_FILE`: a key in that file verifies until its tokens have expired.",
        None,
        "",
    ),
    "JWK_URL": _refused(
        "No key is fetched: a server that answers at that address could sign tokens.",
        "Write None, and the name of their file in `JWT_KEY_FILE`.",
        None,
    ),
    "JSON_ENCODER": _refused("The claims are texts and numbers.", "Write None, or leave it out.", None),
    "TOKEN_TYPE_CLAIM": _refused(
        "Tokens that lack `token_type` are refused.",
        'Write "token_type", or leave it out.',
        "token_type",
        check="jwt.E008",
    ),
    "JTI_CLAIM": _refused(
        "Tokens that lack `jti` are refused.", 'Write "jti", or leave it out.', "jti", check="jwt.E008"
    ),
    "CHECK_USER_IS_ACTIVE": _refused("A user who is not active has no access.", "Write True, or leave it out.", True),
    "CHECK_REVOKE_TOKEN": _refused(
        "A new password ends access by the claim `ver`; a digest of the password's hash would not be safe in a token.",
        "Write False, or leave it out.",
        False,
    ),
    "REVOKE_TOKEN_CLAIM": _without_meaning(
        "REVOKE_TOKEN_CLAIM", "No hash of the password is in a token.", "Leave it out: the claim `ver` does its work."
    ),
    "USER_AUTHENTICATION_RULE": _without_meaning(
        "USER_AUTHENTICATION_RULE",
        "Active users that the default manager of their model finds may log in and refresh.",
        "Leave it out, and set `is_active` of a user to False, or leave the user out of that manager.",
    ),
    "AUTH_TOKEN_CLASSES": _without_meaning(
        "AUTH_TOKEN_CLASSES",
        "`JWTAuthentication` takes jwt_demo.tokens.AccessToken and no other kind.",
        "Leave it out, and write the other kind in an authentication class of its own.",
    ),
    "TOKEN_USER_CLASS": _without_meaning(
        "TOKEN_USER_CLASS",
        "`request.user` is a security.authentication.TokenUser.",
        "Leave it out, and override `get_user` in a subclass of jwt_demo.authentication.JWTAuthentication.",
    ),
    **{
        name: _without_meaning(
            name,
            "There are no sliding tokens: a thief of one could renew it as its user does.",
            "Leave it out, and write `ACCESS_TOKEN_LIFETIME` and `REFRESH_TOKEN_LIFETIME`.",
        )
        for name in SLIDING
    },
    **{
        name: _without_meaning(
            name,
            "The endpoints are those of jwt_demo/urls.py, and SimpleJWT's views are not used.",
            "Leave it out, and write what should differ in a subclass of a view of jwt_demo/views.py.",
        )
        for name in SERIALIZERS
    },
    # In SimpleJWT after 5.5.
    "ON_LOGIN_SUCCESS": _without_meaning(
        "ON_LOGIN_SUCCESS",
        "SimpleJWT's serializers would call it, and they are not used.",
        "Leave it out, and write what should follow in a subclass of the login view of jwt_demo/views.py.",
    ),
    "ON_LOGIN_FAILED": _without_meaning(
        "ON_LOGIN_FAILED",
        "SimpleJWT's serializers would call it, and they are not used.",
        "Leave it out, and write a receiver of django.contrib.auth.signals.user_login_failed.",
    ),
    # Names that SimpleJWT has removed. SimpleJWT does not start with them either.
    "AUTH_HEADER_TYPE": _refused("It is called AUTH_HEADER_TYPES.", 'Write "AUTH_HEADER_TYPES": ("Bearer",).'),
    "AUTH_TOKEN_CLASS": _refused(
        "`JWTAuthentication` takes jwt_demo.tokens.AccessToken and no other kind.",
        "Leave it out, and write the other kind in an authentication class of its own.",
    ),
    "SECRET_KEY": _refused(
        "Each kind of token has keys of its own.",
        "Leave it out, and write the name of their file in `JWT_KEY_FILE`.",
    ),
    "TOKEN_BACKEND_CLASS": _refused(
        "Tokens are signed by jwt_demo.tokens.Backend.",
        "Leave it out, and write the name of their file in `JWT_KEY_FILE`.",
    ),
}
