"""The settings of this app as attributes, with the defaults for a project that does not set them.

`simple_jwt` has the keys of the project's `SIMPLE_JWT`, in SimpleJWT's units. `conf` has the settings that SimpleJWT
lacks. Their names begin with `JWT_`, and times are in seconds. The signing keys have no default. They are in the file
that `JWT_KEY_FILE` names, or in `JWT_ACCESS_KEYS` and `JWT_REFRESH_KEYS`, where the first key of each signs.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from security.conf import Conf, setting

PROJECT = settings.ROOT_URLCONF.partition(".")[0]


class SimpleJWTConf(Conf):
    """The keys of `SIMPLE_JWT`. SimpleJWT reads them once, but here each is read when it is used."""

    def __getattr__(self, name: str) -> Any:
        if name not in self._defaults:
            raise AttributeError(f"No key {name} of SIMPLE_JWT is read here.")
        return in_simple_jwt().get(name, self._defaults[name])


def in_simple_jwt() -> dict[str, Any]:
    """The project's `SIMPLE_JWT`, without defaults. Raises `ImproperlyConfigured` for anything but a dict."""
    found = setting("SIMPLE_JWT", None) or {}
    if not isinstance(found, dict):
        example = 'SIMPLE_JWT = {"ACCESS_TOKEN_LIFETIME": timedelta(minutes=15)}'
        raise ImproperlyConfigured(f"SIMPLE_JWT must be a dict. Write for example {example} in your settings.")
    return found


# Called on import: SimpleJWT is loaded before any check runs, and fails without saying why.
in_simple_jwt()


simple_jwt = SimpleJWTConf(
    # How long a stolen access token can be used by a view that asks no store. The denylist remembers for as long, so no
    # policy may have a longer lifetime.
    ACCESS_TOKEN_LIFETIME=timedelta(minutes=15),
    # Counted from its issue. A user who comes every few days stays logged in until JWT_ABSOLUTE_LIFETIME has passed. A
    # device that is not used is logged out.
    REFRESH_TOKEN_LIFETIME=timedelta(days=7),
    # Shows administrators in the list of users which accounts are in use.
    UPDATE_LAST_LOGIN=True,
    # Two projects that share a key by mistake refuse each other's tokens by these claims.
    ISSUER=PROJECT,
    AUDIENCE=f"{PROJECT}/jwt",
    # Seconds by which the clock that issued a token may be ahead of this one. Machines with NTP differ by less than
    # one. A token from further ahead comes from a broken clock, and would live too long.
    LEEWAY=30,
    AUTH_HEADER_TYPES=("Bearer",),
    AUTH_HEADER_NAME="HTTP_AUTHORIZATION",
    # The registered name (RFC 7519 section 4.1.2), which other libraries read by default.
    USER_ID_CLAIM="sub",
    USER_ID_FIELD="pk",
)

conf = Conf(
    JWT_ACCESS_KEYS=(),
    JWT_REFRESH_KEYS=(),
    JWT_KEY_FILE="",
    # A service that verifies access tokens needs only the public key of a pair. Only the issuer verifies refresh
    # tokens, and HMAC is as good for that, and faster.
    JWT_ACCESS_ALGORITHM="EdDSA",
    JWT_REFRESH_ALGORITHM="HS256",
    # How often each process looks whether the file has changed. It costs one `stat`.
    JWT_KEYS_REREAD=5,
    # How long a verifier may keep the published keys. For as long it still accepts a key that has leaked.
    JWT_KEYS_MAX_AGE=300,
    # How long a new key is published before it signs. In this time the file can also be copied to other machines.
    JWT_KEYS_PENDING=60 * 60,
    # The age at which an administrator is reminded to replace a key. It limits how long a stolen key can sign.
    JWT_KEYS_REPLACED_AFTER=90 * 24 * 60 * 60,
    # Replaces REFRESH_TOKEN_LIFETIME for a user who ticked "remember me".
    JWT_REFRESH_LIFETIME_REMEMBERED=30 * 24 * 60 * 60,
    # Counted from the login: no user stays logged in for ever without proving the password.
    JWT_ABSOLUTE_LIFETIME=30 * 24 * 60 * 60,
    JWT_ABSOLUTE_LIFETIME_REMEMBERED=90 * 24 * 60 * 60,
    # Within this time, a second tab or a client that lost an answer gets the same refresh token. 0 follows RFC 9700.
    JWT_GRACE_PERIOD=10,
    # The check of access tokens where a view names none: see jwt_demo/revocation.py.
    JWT_REVOCATION="denylist",
    # The cache, in Redis, that holds the denylist. Its entries must never be evicted.
    JWT_DENYLIST_CACHE_ALIAS="denylist",
    # Must be longer than the time between two turns of housekeeping. When it has run out, the denylist is read from the
    # database first. While Redis takes no writes, a ban takes effect after this time at the latest.
    JWT_DENYLIST_LEASE=3,
    # How long the rows of families stay after these have ended.
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
    """How far an `iat` may be ahead of this clock."""
    value = simple_jwt.LEEWAY
    return value if isinstance(value, timedelta) else timedelta(seconds=value)


def header_types() -> tuple[str, ...]:
    """The words that may stand before an access token in its header. Challenges use the first."""
    types = simple_jwt.AUTH_HEADER_TYPES
    return (types,) if isinstance(types, str) else tuple(types)
