"""Where the data lives: the one place that turns DATABASE_URL and REDIS_URL into Django's settings.

Needs django-redis and dj-database-url. Gives `DATABASES["default"]` and `CACHES`.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import ConnectionError, ReadOnlyError
from redis.retry import Retry

# Seconds. A store that is hung, not dead, holds a request no longer than this.
DATABASE_WAIT = 5
STORE_WAIT = 1
# The database's own limits on a statement and on waiting for a lock come before that: its answer says more than none.
STATEMENT_WAIT = 4

# One server. To flush the sessions logs all users out. The throttle may be flushed, and so may the denylist, which
# is written again from the database.
SESSIONS, THROTTLE, DENYLIST, TRACE = 0, 1, 1, 2


def database(url: str) -> dict[str, Any]:
    """`DATABASES["default"]` for a `sqlite:///…` or `postgres://…` address."""
    try:
        parsed: dict[str, Any] = dict(dj_database_url.parse(url))
    except (dj_database_url.ParseError, dj_database_url.UnknownSchemeError, ValueError) as error:
        raise ImproperlyConfigured(f"DATABASE_URL is not a database address: {error}") from error
    if parsed["ENGINE"] == "django.db.backends.sqlite3":
        return parsed | _sqlite(parsed["NAME"])
    if parsed["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured("DATABASE_URL must begin with sqlite:/// or postgres://.")
    options = {"connect_timeout": DATABASE_WAIT, "statement_wait": STATEMENT_WAIT} | parsed.get("OPTIONS", {})
    engine = {"ENGINE": "security.postgresql"}
    return parsed | engine | {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "OPTIONS": options}


def _sqlite(path: str) -> dict[str, Any]:
    return {
        "ENGINE": "security.sqlite",
        # To open it anew takes longer than all that a request asks of it.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        # Without mode=rw a request that finds the file moved away would begin an empty database
        # beside the old write-ahead log, and the next checkpoint would lose what the log still held.
        "NAME": f"file:{quote(str(Path(path).resolve()))}?mode=rw",
        "OPTIONS": {
            "timeout": DATABASE_WAIT,
            # DEFERRED takes the write lock at the first write, when waiting for it can only fail.
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
        "TEST": {"NAME": ":memory:"},
    }


def caches(url: str) -> dict[str, Any]:
    """`CACHES` for a `redis://…`, `rediss://…` or `unix://…` address without a database number."""
    try:
        parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise ImproperlyConfigured(f"REDIS_URL is not a store's address: {error}") from error
    return {
        # Django wants an alias of this name; what is kept in it is the throttle.
        "default": cache(url, THROTTLE),
        "sessions": cache(url, SESSIONS),
        "denylist": cache(url, DENYLIST),
    }


def cache(url: str, number: int) -> dict[str, Any]:
    """One entry of `CACHES`: the database `number` of this server."""
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": f"{url}{'&' if '?' in url else '?'}db={number}",
        "OPTIONS": {
            # The default is pickle: an attacker who can write to Redis would run code here.
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": STORE_WAIT,
            "SOCKET_TIMEOUT": STORE_WAIT,
            "CONNECTION_POOL_CLASS": "security.pool.GuardedPool",
            # One immediate second try, on a new connection, finds a store that was restarted, or the one to which its
            # name has moved from a server that is now a replica. redis-py's own default sleeps between three, for
            # seconds, in the visitor's request. A store that was silent for STORE_WAIT is not asked again: a request
            # would wait twice.
            "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 1, (ConnectionError, ReadOnlyError))},
        },
    }


def sqlite_path(settings: dict[str, Any]) -> Path | None:
    """The file of a SQLite database, `None` for any other."""
    name = str(settings["NAME"])
    if not name.startswith("file:/"):
        return None
    return Path(unquote(name.removeprefix("file:").removesuffix("?mode=rw")))
