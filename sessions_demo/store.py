"""Sessions in Redis. Each record is kept under the digest of its session id, and holds the times at which it ends.

Needs a django-redis cache with a JSON serializer, named by `SESSION_CACHE_ALIAS`. Gives `SessionStore`;
set `SESSION_ENGINE = "sessions_demo.store"`. For WSGI and ASGI. The contract:

- A session that does not exist, has ended or cannot be read is an empty session.
- While Redis is away, its exception is raised. The answer is then a 503, and the browser keeps its cookie.
- An attacker who can only read Redis finds no cookie there. One who can write to Redis can make sessions.
- A record may hold `_auth_absolute_end`, `_auth_idle_end` and, after `set_expiry()`, `_auth_expiry_end`, in seconds
  since 1970, UTC. The earliest of them ends the session.

`set_expiry.py` and `async_methods.py` hold the rest of Django's interface.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, CreateError, SessionBase, UpdateError
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.core.cache import caches
from django.utils.crypto import get_random_string
from django.utils.functional import cached_property
from django_redis import get_redis_connection
from django_redis.client import DefaultClient

from security.outages import OUTAGES
from security.pool import fetch
from sessions_demo.async_methods import AsyncMethods
from sessions_demo.models import DeviceSession
from sessions_demo.record import ABSOLUTE_END, DEVICE, IDLE_END, TOKEN_VERSION, short, whole
from sessions_demo.set_expiry import EXPIRY_END, ExpiryMethods

PREFIX = "session:"
# What `whole` and a serializer raise for a value that is not a record.
UNREADABLE = (ValueError, TypeError, OverflowError, RecursionError)


class SessionStore(AsyncMethods, ExpiryMethods, CacheStore):
    """Django's cache sessions, but Redis does not hold the cookie's value, and an outage logs no user out."""

    # The exception that Redis raised at the last failed command of this session.
    outage: Exception | None = None
    # The id of the session's user, set when `lifecycle.renew` finds in the database that the session has ended.
    forgotten_user: str | None = None
    # Whether `lifecycle.renew` was already called in this request.
    renewed = False

    def __init__(self, session_key: str | None = None) -> None:
        # Not the constructor of Django's cache sessions: it looks up the cache even if no view reads the session.
        SessionBase.__init__(self, session_key)

    @cached_property
    def _cache(self) -> Any:
        return caches[settings.SESSION_CACHE_ALIAS]

    @property
    def digest(self) -> str:
        """SHA-256 of the session id, in hexadecimal. It cannot be used as a cookie."""
        return digest(self._get_or_create_session_key())

    @property
    def cache_key(self) -> str:
        """The key of the record in the cache."""
        return PREFIX + self.digest

    def load(self) -> dict[str, Any]:
        """Returns the record, `{}` without one. Raises the error of Redis; Django's method would log the user out."""
        try:
            record = whole(_read(self._cache, self.cache_key))
            # Redis deletes a record at its end too, but by its own clock and up to a second later.
            if _seconds_left(record) > 0:
                return record
        except OUTAGES as error:
            self.outage = error
            raise
        except UNREADABLE:
            pass  # there is no record, or another program wrote this value to Redis
        self._session_key = None
        return {}

    def create(self) -> None:
        """Makes a new id, and a record with the data in memory. Raises `CreateError` if the id is taken."""
        self._session_key = self._get_new_session_key()
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Writes the record in one command. The time given to `set_expiry()` counts from now.

        Raises `UpdateError` if another request has ended the session. Django's method reads first and then writes, so
        it can bring an ended session back. Raises `CreateError` if `must_create` is set and the id is taken, and
        `TypeError` if JSON cannot represent a value. A session whose end has passed is deleted.
        """
        if self.session_key is None:
            return self.create()
        self._get_session(no_load=must_create)
        self.note_expiry_end()
        self.write(must_create)
        return None

    def write(self, must_create: bool = False) -> bool:
        """As `save`, but the time given to `set_expiry()` does not start again. Returns whether the session is live."""
        record = self._get_session(no_load=must_create)
        _refuse_what_json_cannot_keep(record)
        if (seconds := ceil(_seconds_left(record))) <= 0:
            self.delete()
            return False
        with self._noting_outages():
            written = self._cache.set(self.cache_key, short(record), seconds, nx=must_create, xx=not must_create)
        if not written:
            raise CreateError if must_create else UpdateError
        return True

    def flush(self) -> None:
        """Ends the session. Raises the error of Redis while it is away; the session then stays as it was."""
        self.delete()
        self.clear()
        self._session_key = None

    def forget(self) -> None:
        """Makes this an empty session for the rest of the request. The record in Redis stays."""
        self.clear()
        self._session_key, self.modified = None, False

    def touch(self) -> None:
        """A write that changes nothing, to see whether Redis takes writes when the database cannot be asked.

        Raises the error of Redis if it is away, is a replica, or cannot write to its disk. A full Redis takes it.
        """
        with self._noting_outages():
            self._cache.touch(self.cache_key, ceil(_seconds_left(self._get_session())))

    def cycle_key(self, token_version: int | None = None) -> None:
        """Gives the session a new id and ends the old one. The next save writes the same data under the new id.

        For a logged-in session, the row in the registry gets the new digest and, if given, `token_version`. If another
        request has ended the session or changed its id, the session is empty afterwards.
        """
        if DEVICE not in self:
            return super().cycle_key()
        fresh, rows = SessionStore(), DeviceSession.objects.filter(pk=self[DEVICE])
        fresh.create()
        before, after = {}, {}
        if token_version is not None:
            before, after = {"token_version": self[TOKEN_VERSION]}, {"token_version": token_version}
        if not rows.change_digest(self.digest, fresh.digest, **after):
            fresh.delete()
            self.flush()
            return None
        try:
            self.delete()
        except OUTAGES:
            # The old id still works. The row must name it, or the session could not be ended.
            rows.update(digest=self.digest, **before)
            raise
        self._session_key, self.modified = fresh.session_key, True
        return None

    def _get_new_session_key(self) -> str:
        # Django's method asks Redis whether the id is free. Here the write with NX finds that out.
        return get_random_string(32, VALID_KEY_CHARS)

    def exists(self, session_key: str) -> bool:
        """Whether the session `session_key` exists."""
        return bool(session_key) and bool(existing([digest(session_key)]))

    def delete(self, session_key: str | None = None) -> None:
        """Ends the session `session_key`; without an argument, this session."""
        session_key = session_key or self.session_key
        if session_key is not None:
            with self._noting_outages():
                delete([digest(session_key)])

    @contextmanager
    def _noting_outages(self) -> Iterator[None]:
        try:
            yield
        except OUTAGES as error:
            self.outage = error
            raise


def digest(session_key: str) -> str:
    """SHA-256 of a session id, so that Redis holds no cookies. The id's 165 random bits cannot be guessed from it."""
    return hashlib.sha256(session_key.encode()).hexdigest()


def delete(digests: Iterable[str]) -> None:
    """Ends these sessions, in one command."""
    caches[settings.SESSION_CACHE_ALIAS].delete_many([PREFIX + name for name in digests])


def existing(digests: Iterable[str]) -> set[str]:
    """Returns those of `digests` whose session exists, in one command."""
    names, cache = list(digests), caches[settings.SESSION_CACHE_ALIAS]
    if not names:
        return set()
    # Not get_many: it raises an error for all if one record cannot be read.
    found = get_redis_connection(settings.SESSION_CACHE_ALIAS).mget([cache.make_key(PREFIX + name) for name in names])
    return {name for name, record in zip(names, found, strict=True) if record is not None}


def _read(cache: Any, key: str) -> Any:
    client = cache.client
    if type(client).get is not DefaultClient.get:
        return cache.get(key)  # the project's own client class may read in another way
    found = fetch(client.get_client(write=False), "GET", client.make_key(key))
    return None if found is None else client.decode(found)


def _refuse_what_json_cannot_keep(record: dict[str, Any]) -> None:
    for name, value in record.items():
        # django-redis silently converts some types: a view would store a `datetime` and read back a `str`.
        try:
            json.dumps({name: value})
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(
                f'request.session["{name}"] cannot be kept: {error}. A session is kept as JSON. Store text, numbers, '
                "lists and dicts (value.isoformat(), str(value), list(value), the pk of an object), and make the value "
                "of them again where you read it."
            ) from error


def _seconds_left(record: dict[str, Any]) -> float:
    ends = [float(record[name]) for name in (ABSOLUTE_END, IDLE_END, EXPIRY_END) if name in record]
    return min(ends) - time.time() if ends else settings.SESSION_COOKIE_AGE
