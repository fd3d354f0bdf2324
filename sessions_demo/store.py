"""Sessions in Redis, under the digest of their id, with two ends that the server keeps.

Needs a django-redis cache with a JSON serializer, named by `SESSION_CACHE_ALIAS`. Gives `SessionStore`;
set `SESSION_ENGINE = "sessions_demo.store"`. For WSGI and ASGI. The contract:

- no such session, one past an end, or one that cannot be read: an empty session;
- the store is away: the store's own exception, so that the answer is a 503 and the cookie stays;
- a record may carry `_auth_absolute_end`, `_auth_idle_end` and, after `set_expiry()`, `_auth_expiry_end`, in seconds
  since 1970, UTC. The earliest of them ends the session.
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
# What `whole` and a serializer raise for what is no record.
UNREADABLE = (ValueError, TypeError, OverflowError, RecursionError)


class SessionStore(AsyncMethods, ExpiryMethods, CacheStore):
    """Django's cache sessions, without the cookie's value in Redis and without a logout on every outage."""

    # What the store raised at the last command of this session, while it was away.
    outage: Exception | None = None
    # The user of a session that this request found to be over by its rows.
    forgotten_user: str | None = None
    # Whether the session's use was noted in this request, if it was to be.
    renewed = False

    def __init__(self, session_key: str | None = None) -> None:
        # Past Django's cache sessions, which look up the cache for each request, also where no view reads the session.
        SessionBase.__init__(self, session_key)

    @cached_property
    def _cache(self) -> Any:
        return caches[settings.SESSION_CACHE_ALIAS]

    @property
    def digest(self) -> str:
        """The name under which Redis knows this session; it opens nothing."""
        return digest(self._get_or_create_session_key())

    @property
    def cache_key(self) -> str:
        """The name of the record in the cache."""
        return PREFIX + self.digest

    def load(self) -> dict[str, Any]:
        """The record. Stock code swallows the store's errors here, answers as anonymous and so logs everyone out."""
        try:
            record = whole(_read(self._cache, self.cache_key))
            # Redis drops a record at its end too, but by its own clock and a second late.
            if _seconds_left(record) > 0:
                return record
        except OUTAGES as error:
            self.outage = error
            raise
        except UNREADABLE:
            pass  # another program wrote to Redis what is no record of ours; it is never unpickled
        self._session_key = None
        return {}

    def create(self) -> None:
        """A new id with an empty record. Raises `CreateError` when the id was taken: a broken generator."""
        self._session_key = self._get_new_session_key()
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Writes the record in one command. What `set_expiry()` was given counts from now.

        Raises `UpdateError` when the session was ended meanwhile: stock code reads, then writes, and
        so brings it back. Raises `CreateError` when `must_create` finds the id taken, and `TypeError` when the session
        holds what JSON cannot keep. A session whose end has passed is deleted.
        """
        if self.session_key is None:
            return self.create()
        self._get_session(no_load=must_create)
        self.note_expiry_end()
        self.write(must_create)
        return None

    def write(self, must_create: bool = False) -> bool:
        """Likewise, with the ends as they are: for what is no activity. Returns whether the session still lives."""
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
        """Ends the session. When the store is away it stays as it was: a logout that failed is none."""
        self.delete()
        self.clear()
        self._session_key = None

    def forget(self) -> None:
        """Goes on as an empty session in this request. The record stays as it is."""
        self.clear()
        self._session_key, self.modified = None, False

    def touch(self) -> None:
        """Sets the record's end to where it is. Raises the store's error when it is away or takes no writes."""
        with self._noting_outages():
            self._cache.touch(self.cache_key, ceil(_seconds_left(self._get_session())))

    def cycle_key(self, token_version: int | None = None) -> None:
        """Goes on under a new id, with the same record; the old id is dead.

        A session of a user takes its row in the registry along. The record and the row are then at `token_version`, if
        one is given. The session is empty afterwards if it was ended, or given another id, meanwhile.
        """
        if DEVICE not in self:
            return super().cycle_key()
        fresh, rows = SessionStore(), DeviceSession.objects.filter(pk=self[DEVICE])
        fresh.create()
        before = {} if token_version is None else {"token_version": self[TOKEN_VERSION]}
        if not rows.change_digest(self.digest, fresh.digest, **(before and {"token_version": token_version})):
            fresh.delete()
            self.flush()
            return None
        try:
            self.delete()
        except OUTAGES:
            # The old id still lives, so the row must go on naming it, or it could not be ended.
            rows.update(digest=self.digest, **before)
            raise
        self._session_key, self.modified = fresh.session_key, True
        return None

    def _get_new_session_key(self) -> str:
        # Stock code asks the store whether the id is free. The write with NX finds that out, in one command.
        return get_random_string(32, VALID_KEY_CHARS)

    def exists(self, session_key: str) -> bool:
        """Whether there is such a session."""
        return bool(session_key) and bool(existing([digest(session_key)]))

    def delete(self, session_key: str | None = None) -> None:
        """Ends the session `session_key`, this one without an argument."""
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
    """What Redis knows an id by: a thief of its data must not find cookies. 165 random bits cannot be searched."""
    return hashlib.sha256(session_key.encode()).hexdigest()


def delete(digests: Iterable[str]) -> None:
    """Ends these sessions, in one command."""
    caches[settings.SESSION_CACHE_ALIAS].delete_many([PREFIX + name for name in digests])


def existing(digests: Iterable[str]) -> set[str]:
    """Which of these sessions there are, in one command."""
    names, cache = list(digests), caches[settings.SESSION_CACHE_ALIAS]
    if not names:
        return set()
    # Not get_many: one record that cannot be read would hide all the others.
    found = get_redis_connection(settings.SESSION_CACHE_ALIAS).mget([cache.make_key(PREFIX + name) for name in names])
    return {name for name, record in zip(names, found, strict=True) if record is not None}


def _read(cache: Any, key: str) -> Any:
    client = cache.client
    if type(client).get is not DefaultClient.get:
        return cache.get(key)  # a project's own client, which may read in its own way
    found = fetch(client.get_client(write=False), "GET", client.make_key(key))
    return None if found is None else client.decode(found)


def _refuse_what_json_cannot_keep(record: dict[str, Any]) -> None:
    for name, value in record.items():
        # django-redis would silently make text of some: a view would read back a `str` where it stored a `datetime`.
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
