"""The settings of this app, with the defaults for a project that does not set them. Times are in seconds.

`JWT_ACCESS_KEYS` and `JWT_REFRESH_KEYS`, tuples of secrets of which the first signs, have no default.
"""

from django.conf import settings

from security.conf import Conf

PROJECT = settings.ROOT_URLCONF.partition(".")[0]

conf = Conf(
    JWT_ACCESS_KEYS=(),
    JWT_REFRESH_KEYS=(),
    JWT_ISSUER=PROJECT,
    JWT_AUDIENCE=f"{PROJECT}/jwt",
    # How long a stolen access token can be used where nothing is looked up; also how long the denylist remembers, so
    # no policy may go above it.
    JWT_ACCESS_LIFETIME=15 * 60,
    # Counted from its issue: a user who comes once a week stays logged in, a device that is no longer used does not.
    JWT_REFRESH_LIFETIME=7 * 24 * 60 * 60,
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
