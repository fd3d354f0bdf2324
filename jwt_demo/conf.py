"""The settings of this app, with the defaults for a project that does not set them. Read as attributes.

What SimpleJWT has a setting for is a key of the project's `SIMPLE_JWT`, in SimpleJWT's units: `simple_jwt`. What it
lacks is a setting that begins with `JWT_`, in seconds where it is a time: `conf`. The keys have no default: they are in
the file that `JWT_KEY_FILE` names, or in `JWT_ACCESS_KEYS` and `JWT_REFRESH_KEYS`, of which the first signs.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from security.conf import Conf, setting

PROJECT = settings.ROOT_URLCONF.partition(".")[0]


class SimpleJWTConf(Conf):
    """The same for the keys of `SIMPLE_JWT`. SimpleJWT reads them once; here each is read when it is used."""

    def __getattr__(self, name: str) -> Any:
        if name not in self._defaults:
            raise AttributeError(f"No key {name} of SIMPLE_JWT is read here.")
        return in_simple_jwt().get(name, self._defaults[name])


def in_simple_jwt() -> dict[str, Any]:
    """What the project has written in `SIMPLE_JWT`. Raises `ImproperlyConfigured` for anything but a dict."""
    found = setting("SIMPLE_JWT", None) or {}
    if not isinstance(found, dict):
        example = 'SIMPLE_JWT = {"ACCESS_TOKEN_LIFETIME": timedelta(minutes=15)}'
        raise ImproperlyConfigured(f"SIMPLE_JWT must be a dict. Write for example {example} in your settings.")
    return found


# SimpleJWT itself, which is loaded before any check runs, breaks without a sentence.
in_simple_jwt()


simple_jwt = SimpleJWTConf(
    # How long a stolen access token can be used where nothing is looked up; also how long the denylist remembers, so
    # no policy may go above it.
    ACCESS_TOKEN_LIFETIME=timedelta(minutes=15),
    # Counted from its issue: a user who comes once a week stays logged in, a device that is no longer used does not.
    REFRESH_TOKEN_LIFETIME=timedelta(days=7),
    # An administrator sees in the list of users which accounts are in use.
    UPDATE_LAST_LOGIN=True,
    # Two projects that share a key by mistake still refuse each other's tokens.
    ISSUER=PROJECT,
    AUDIENCE=f"{PROJECT}/jwt",
    # Seconds that the clock of the machine that issued a token may be ahead of this one's. Machines that are set by NTP
    # differ by less than one; a token from further ahead comes from a broken clock, and would live too long.
    LEEWAY=30,
    AUTH_HEADER_TYPES=("Bearer",),
    AUTH_HEADER_NAME="HTTP_AUTHORIZATION",
    # The registered name (RFC 7519 section 4.1.2), which other libraries read without being told.
    USER_ID_CLAIM="sub",
    USER_ID_FIELD="pk",
)

conf = Conf(
    JWT_ACCESS_KEYS=(),
    JWT_REFRESH_KEYS=(),
    JWT_KEY_FILE="",
    # A service that verifies access tokens needs only the public key of a pair. Refresh tokens come back to the issuer
    # alone, where HMAC is as good, and faster.
    JWT_ACCESS_ALGORITHM="EdDSA",
    JWT_REFRESH_ALGORITHM="HS256",
    # Each process asks so often whether the file is another one. It is one `stat`.
    JWT_KEYS_REREAD=5,
    # How long a verifier may keep the published keys. For so long it also takes a key that has leaked.
    JWT_KEYS_MAX_AGE=300,
    # How long a new key is published before it signs. Time enough to carry the file to other machines, too.
    JWT_KEYS_PENDING=60 * 60,
    # When an administrator is reminded: a key that has been copied by somebody signs no longer than this.
    JWT_KEYS_REPLACED_AFTER=90 * 24 * 60 * 60,
    # REFRESH_TOKEN_LIFETIME, for a user who ticked "remember me".
    JWT_REFRESH_LIFETIME_REMEMBERED=30 * 24 * 60 * 60,
    # Counted from login: no user stays logged in for ever without proving the password.
    JWT_ABSOLUTE_LIFETIME=30 * 24 * 60 * 60,
    JWT_ABSOLUTE_LIFETIME_REMEMBERED=90 * 24 * 60 * 60,
    # A client asks again for a lost answer within this time, and two tabs ask within less. 0 is RFC 9700 to the letter.
    JWT_GRACE_PERIOD=10,
    # The check of access tokens where a view names none: see jwt_demo/revocation.py.
    JWT_REVOCATION="denylist",
    # The cache, in Redis, that holds the denylist and nothing else.
    JWT_DENYLIST_CACHE_ALIAS="denylist",
    # Longer than a housekeeping turn; after a longer outage the denylist is read from the database first. While the
    # store takes no writes, a ban is seen after this.
    JWT_DENYLIST_LEASE=3,
    # How long the registry remembers what has ended.
    JWT_ROWS_KEPT=30 * 24 * 60 * 60,
    JWT_REFRESH_COOKIE_NAME="__Host-refresh",
)


def access_lifetime() -> int:
    """`ACCESS_TOKEN_LIFETIME` in seconds."""
    return int(simple_jwt.ACCESS_TOKEN_LIFETIME.total_seconds())


def refresh_lifetime(remember: bool = False) -> int:
    """How long a refresh token lives from its issue, in seconds."""
    if remember:
        return int(conf.JWT_REFRESH_LIFETIME_REMEMBERED)
    return int(simple_jwt.REFRESH_TOKEN_LIFETIME.total_seconds())


def leeway() -> timedelta:
    """How far ahead of this clock an `iat` may be."""
    value = simple_jwt.LEEWAY
    return value if isinstance(value, timedelta) else timedelta(seconds=value)


def header_types() -> tuple[str, ...]:
    """What may stand before an access token in its header, the one to name in a challenge first."""
    types = simple_jwt.AUTH_HEADER_TYPES
    return (types,) if isinstance(types, str) else tuple(types)
