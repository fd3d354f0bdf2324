"""Turns DATABASE_URL and REDIS_URL into Django's settings.

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

# Seconds. A store that hangs delays a request no longer than this.
DATABASE_WAIT = 5
STORE_WAIT = 1
# The database's own limit on a statement and on waiting for a lock, in seconds. It is shorter, because an error of the
# database says more than no answer.
STATEMENT_WAIT = 4

# The databases of one Redis server. Flushing the sessions logs all users out. The throttle and the denylist may be
# flushed: the denylist is written again from the database.
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
        # Opening the file again takes longer than all the statements of a request.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        # Without mode=rw, if the file has been moved away, a request would create an empty database beside the old
        # write-ahead log, and the next checkpoint would lose the data that is only in the log.
        "NAME": f"file:{quote(str(Path(path).resolve()))}?mode=rw",
        "OPTIONS": {
            "timeout": DATABASE_WAIT,
            # DEFERRED takes the write lock at the first write. If another transaction has written since, that fails.
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
        # Django needs an alias of this name. It is the cache of the throttle.
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
            # The default is pickle: an attacker who can write to Redis could run code here.
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": STORE_WAIT,
            "SOCKET_TIMEOUT": STORE_WAIT,
            "CONNECTION_POOL_CLASS": "security.pool.GuardedPool",
            # One immediate retry on a new connection. It reaches a store that was restarted, or the new server after
            # the old one has become a replica. By default redis-py retries three times and sleeps in between, for
            # seconds, in the visitor's request. After STORE_WAIT without an answer there is no retry, or a request
            # would wait twice.
            "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 1, (ConnectionError, ReadOnlyError))},
        },
    }


def sqlite_path(settings: dict[str, Any]) -> Path | None:
    """The path of the file of a SQLite database; `None` for any other database."""
    name = str(settings["NAME"])
    if not name.startswith("file:/"):
        return None
    return Path(unquote(name.removeprefix("file:").removesuffix("?mode=rw")))
