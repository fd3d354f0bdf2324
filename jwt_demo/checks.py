"""Django checks of this app's configuration. Each error says what to write, and where."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.checks import Error, register
from django.core.exceptions import ImproperlyConfigured

from jwt_demo import keys, revocation
from jwt_demo.conf import conf, in_simple_jwt, simple_jwt
from jwt_demo.models import Policy
from jwt_demo.revocation import CHECKS
from jwt_demo.simplejwt import KEYS
from security.checks import (
    HOW_TO_MAKE,
    has_middleware,
    in_redis,
    misspelt,
    nearest,
    wrong_values,
)
from security.outages import OUTAGES

LIFETIMES = ("ACCESS_TOKEN_LIFETIME", "REFRESH_TOKEN_LIFETIME")
# Former settings of this app, and the keys of `SIMPLE_JWT` that replace them.
MOVED = {
    "JWT_ACCESS_LIFETIME": "ACCESS_TOKEN_LIFETIME",
    "JWT_REFRESH_LIFETIME": "REFRESH_TOKEN_LIFETIME",
    "JWT_ISSUER": "ISSUER",
    "JWT_AUDIENCE": "AUDIENCE",
}


@register("jwt")
def configuration(app_configs: Any, **kwargs: Any) -> list[Error]:
    """All of the checks below."""
    if wrong := [*wrong_values(conf, "jwt.E014", may_be_0=("JWT_GRACE_PERIOD", "JWT_ROWS_KEPT"))]:
        return wrong
    found = [*_keys(), *_shared(), *_algorithms(), *_pending(), *_cookie(), *_revocation(), *_eviction(), *_gate()]
    return [*found, *_simple_jwt(), *_unknown_keys(), *_misplaced(), *_lifetimes()]


def _keys() -> Iterator[Error]:
    for kind, name in keys.SETTINGS.items():
        try:
            keys.ring(kind)
        except (ImproperlyConfigured, ValueError) as error:
            yield Error(
                f"{_place(name)} has no {kind} keys that can be used. {error} An attacker who guesses a key can sign a "
                "token for every user.",
                hint=f"Run manage.py rotate_keys, which makes the file that JWT_KEY_FILE names; or write {name} as a "
                f"list of keys. {HOW_TO_MAKE}",
                id="jwt.E001",
            )


def _place(name: str) -> str:
    return name if getattr(conf, name) or not conf.JWT_KEY_FILE else "JWT_KEY_FILE"


def _shared() -> Iterator[Error]:
    found = [keys.material(settings.SECRET_KEY)]
    for kind in keys.SETTINGS:
        with suppress(ImproperlyConfigured, ValueError):  # `_keys` reports it
            found += [keys.material(dated.secret) for dated in keys.ring(kind).dated]
    if len(set(found)) < len(found):
        yield Error(
            "SECRET_KEY, JWT_ACCESS_KEYS and JWT_REFRESH_KEYS share a key, wherever they are written: one kind of "
            "token would do for the other.",
            hint=f"Write another key in one of them. {HOW_TO_MAKE}",
            id="jwt.E002",
        )


def _algorithms() -> Iterator[Error]:
    for kind, allowed in keys.ALGORITHMS.items():
        name = f"JWT_{kind.upper()}_ALGORITHM"
        if getattr(conf, name) not in allowed:
            because = "" if kind == "access" else " A lost answer is repeated byte for byte, and ES256 cannot do that."
            sentence = f"{name} must be one of {', '.join(allowed)}.{because}"
            yield Error(sentence, hint=f'Write for example {name} = "{allowed[0]}".', id="jwt.E015")


def _pending() -> Iterator[Error]:
    late = conf.JWT_KEYS_REREAD + conf.JWT_KEYS_MAX_AGE
    if late >= conf.JWT_KEYS_PENDING:
        yield Error(
            f"JWT_KEYS_PENDING must be longer than JWT_KEYS_REREAD and JWT_KEYS_MAX_AGE together, which are {late} s: "
            "otherwise a key would sign before every verifier has it.",
            hint="Write for example JWT_KEYS_PENDING = 60 * 60.",
            id="jwt.E016",
        )


def _cookie() -> Iterator[Error]:
    if not conf.JWT_REFRESH_COOKIE_NAME.startswith("__Host-"):
        yield Error(
            "JWT_REFRESH_COOKIE_NAME must begin with __Host-: otherwise a sibling subdomain can set this cookie.",
            hint='Write for example JWT_REFRESH_COOKIE_NAME = "__Host-refresh".',
            id="jwt.E003",
        )


def _revocation() -> Iterator[Error]:
    if conf.JWT_REVOCATION not in CHECKS:
        sentence = f"JWT_REVOCATION must be one of {', '.join(CHECKS)}: no other check of access tokens is there."
        yield Error(sentence, hint='Write for example JWT_REVOCATION = "denylist".', id="jwt.E005")


def _eviction() -> Iterator[Error]:
    alias = conf.JWT_DENYLIST_CACHE_ALIAS
    if not in_redis(alias):
        yield Error(
            f'CACHES["{alias}"] must be a django_redis.cache.RedisCache: what was revoked is kept there.',
            hint=f'Write for example CACHES["{alias}"] = {{"BACKEND": "django_redis.cache.RedisCache", "LOCATION": '
            '"redis://localhost:6379/2"}, or the name of another cache in JWT_DENYLIST_CACHE_ALIAS.',
            id="jwt.E007",
        )
        return
    policy = ""
    with suppress(*OUTAGES):  # without the store, the other errors must still be reported
        policy = revocation.evicts()
    if policy:
        server = " It is the server that REDIS_URL names." if hasattr(settings, "REDIS_URL") else ""
        yield Error(
            f'The store of CACHES["{alias}"] has maxmemory-policy {policy}: when it is full it forgets who was logged '
            "out.",
            hint=f"Write maxmemory-policy noeviction in the configuration of that server.{server}",
            id="jwt.E006",
        )


def _gate() -> Iterator[Error]:
    if not has_middleware("security.origin.OriginGate"):
        yield Error(
            "MIDDLEWARE must name security.origin.OriginGate: another site could otherwise log a browser in or out.",
            hint='Write "security.origin.OriginGate" in MIDDLEWARE, after security.cookies.ExactCookiesMiddleware.',
            id="jwt.E010",
        )


def _simple_jwt() -> Iterator[Error]:
    for name, key in KEYS.items():
        if name in in_simple_jwt() and not key.takes(in_simple_jwt()[name]):
            yield Error(f'SIMPLE_JWT["{name}"] cannot be this. {key.says}', hint=key.write, id=key.check)


def _unknown_keys() -> Iterator[Error]:
    for name in map(str, in_simple_jwt()):
        if name not in KEYS:
            sentence = f'SIMPLE_JWT["{name}"] would have no effect: there is no key of that name.'
            yield Error(sentence, hint=_instead_of(name), id="jwt.E012")


def _instead_of(name: str) -> str:
    bare = name.removeprefix("JWT_")
    if near := nearest(bare, KEYS):
        return f'Write "{near}" in its place.'
    if near := nearest(f"JWT_{bare}", conf._defaults):
        return f"{near} is a setting of its own, beside SIMPLE_JWT. Write it there."
    return "Leave it out."


def _misplaced() -> Iterator[Error]:
    # Only keys that are read here: a project's own code for PyJWT may have a JWT_ALGORITHM. Only the lifetimes also
    # with spelling mistakes: other libraries have settings with names like the other keys.
    named = [key for key in simple_jwt._defaults if key in LIFETIMES or hasattr(settings, f"JWT_{key}")]
    keys = {f"JWT_{key}": key for key in named} | MOVED
    places = {name: f'Its place is SIMPLE_JWT["{key}"]. {KEYS[key].write}' for name, key in keys.items()}
    yield from misspelt(conf, "jwt.E013", places)


def _lifetimes() -> Iterator[Error]:
    if not all(KEYS[name].takes(getattr(simple_jwt, name)) for name in LIFETIMES):
        return  # `_simple_jwt` reports it
    try:
        for remember in (False, True):
            Policy.default(remember)
    except ValueError as error:
        yield Error(
            f"The lifetimes in SIMPLE_JWT and JWT_… do not fit together: {error}.",
            hint='Write for example "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15) and "REFRESH_TOKEN_LIFETIME": '
            "timedelta(days=7) in SIMPLE_JWT, and JWT_ABSOLUTE_LIFETIME = 30 * 24 * 60 * 60.",
            id="jwt.E004",
        )
