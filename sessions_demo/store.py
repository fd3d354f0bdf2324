"""Sessions in Redis, under the digest of their id.

Needs a django-redis cache with a JSON serializer, named by `SESSION_CACHE_ALIAS`. Gives `SessionStore`;
set `SESSION_ENGINE = "sessions_demo.store"`. The contract:

- no such session, or one that cannot be read: an empty session, and the browser's cookie goes;
- the store is away: the store's own exception, so that the answer is a 503 and the cookie stays.
"""

import hashlib
from typing import Any

from django.contrib.sessions.backends.base import VALID_KEY_CHARS, CreateError, UpdateError
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.utils.crypto import get_random_string


class SessionStore(CacheStore):
    """Django's cache sessions, without the cookie's value in Redis and without a logout on every outage."""

    cache_key_prefix = "session:"

    def _key(self, session_key: str) -> str:
        # Whoever reads Redis must not find cookie values that work. The id is 165 random bits, so a
        # plain digest cannot be searched.
        return self.cache_key_prefix + hashlib.sha256(session_key.encode()).hexdigest()

    @property
    def cache_key(self) -> str:
        return self._key(self._get_or_create_session_key())

    def load(self) -> dict[str, Any]:
        """The record. Stock code swallows the store's errors here, answers as anonymous and so logs everyone out."""
        try:
            record = self._cache.get(self.cache_key)
        except (ValueError, RecursionError):
            record = None  # somebody wrote to Redis what is not JSON; it is never unpickled
        if isinstance(record, dict):
            return record
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
        written = self._cache.set(self.cache_key, record, self.get_expiry_age(), nx=must_create, xx=not must_create)
        if not written:
            raise CreateError if must_create else UpdateError
        return None

    def _get_new_session_key(self) -> str:
        # Stock code asks the store whether the id is free; writing with NX tells, in one command.
        return get_random_string(32, VALID_KEY_CHARS)

    def exists(self, session_key: str) -> bool:
        return bool(session_key) and self._key(session_key) in self._cache

    def delete(self, session_key: str | None = None) -> None:
        """Ends the session `session_key`, this one without an argument."""
        session_key = session_key or self.session_key
        if session_key is not None:
            self._cache.delete(self._key(session_key))
