"""Sessions in Redis, under the digest of their id, with two ends that the server keeps.

Needs a django-redis cache with a JSON serializer, named by `SESSION_CACHE_ALIAS`. Gives `SessionStore`;
set `SESSION_ENGINE = "sessions_demo.store"`. For WSGI: the async methods are still Django's. The contract:

- no such session, one past an end, or one that cannot be read: an empty session, and the cookie goes;
- the store is away: the store's own exception, so that the answer is a 503 and the cookie stays;
- a record may carry `_auth_absolute_end` and `_auth_idle_end`, in seconds since 1970, UTC.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, CreateError, UpdateError
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.core.cache import caches
from django.utils import timezone
from django.utils.crypto import get_random_string
from django_redis import get_redis_connection

from security.outages import OUTAGES
from sessions_demo.models import DeviceSession

# What a record says of its session, beside what Django does: the row in the registry, the version of its user's access,
# and both ends in seconds since 1970, UTC. The names begin as Django's own do: a view that keeps a "role" or a "device"
# of its own in a session must not change who the user is.
DEVICE, TOKEN_VERSION, ABSOLUTE_END, IDLE_END = "_auth_device", "_auth_ver", "_auth_absolute_end", "_auth_idle_end"
PREFIX = "session:"


class SessionStore(CacheStore):
    """Django's cache sessions, without the cookie's value in Redis and without a logout on every outage."""

    # What the store raised at the last command of this session, while it was away.
    outage: Exception | None = None

    @property
    def digest(self) -> str:
        """The name under which Redis knows this session; it opens nothing."""
        return digest(self._get_or_create_session_key())

    def load(self) -> dict[str, Any]:
        """The record. Stock code swallows the store's errors here, answers as anonymous and so logs everyone out."""
        try:
            with self._noting_outages():
                record = self._cache.get(PREFIX + self.digest)
            # Redis drops a record at its end too, but by its own clock and a second late.
            if isinstance(record, dict) and _seconds_left(record) > 0:
                return record
        except (ValueError, TypeError, RecursionError):
            pass  # another program wrote to Redis what is no record of ours; it is never unpickled
        self._session_key = None
        return {}

    def create(self) -> None:
        """A new id with an empty record. Raises `CreateError` when the id was taken: a broken generator."""
        self._session_key = self._get_new_session_key()
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Writes the record in one command.

        Raises `UpdateError` when the session was ended meanwhile: stock code reads, then writes, and
        so brings it back. Raises `CreateError` when `must_create` finds the id taken.
        """
        if self.session_key is None:
            return self.create()
        record = self._get_session(no_load=must_create)
        seconds = ceil(_seconds_left(record))
        with self._noting_outages():
            written = self._cache.set(PREFIX + self.digest, record, seconds, nx=must_create, xx=not must_create)
        if not written:
            raise CreateError if must_create else UpdateError
        return None

    def get_expiry_age(self, **kwargs: Any) -> int:
        """The cookie's `Max-Age`: what is left until the absolute end."""
        end = self.get(ABSOLUTE_END)
        return ceil(end - timezone.now().timestamp()) if end else settings.SESSION_COOKIE_AGE

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
            self._cache.touch(PREFIX + self.digest, ceil(_seconds_left(self._get_session())))

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


def _seconds_left(record: dict[str, Any]) -> float:
    ends = [record[name] for name in (ABSOLUTE_END, IDLE_END) if name in record]
    return min(map(float, ends)) - timezone.now().timestamp() if ends else settings.SESSION_COOKIE_AGE
