"""Reads the record of one session in Redis: its key, its value, and its time to live.

The lab shows the record on a page. Every field that could help to take over the login, and every unknown field, is
masked.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django_redis import get_redis_connection

from lab.experiments import jws
from sessions_demo import store
from sessions_demo.record import (
    ABSOLUTE_END,
    DEVICE,
    IDLE_END,
    REAUTHENTICATED,
    REMEMBER,
    ROLE,
    SEEN,
    TOKEN_VERSION,
    USER_ID,
    whole,
)

# Fields that help no attacker who sees the page. `_auth_user_hash`, and every field not named here, is masked.
READABLE_FIELDS = {
    USER_ID,
    ROLE,
    TOKEN_VERSION,
    DEVICE,
    REMEMBER,
    SEEN,
    REAUTHENTICATED,
    ABSOLUTE_END,
    IDLE_END,
    "_auth_user_backend",
}


@dataclass(frozen=True)
class SessionRecord:
    """One session: its cookie, without the secret part, and its record. `ttl` is in seconds, `size` in bytes."""

    cookie_length: int
    cookie_begins: str
    digest: str
    key: str
    ttl: int
    size: int
    value: dict[str, Any]

    @property
    def text(self) -> str:
        """The value as indented JSON."""
        return jws.format_json(self.value)


def read_record(session_id: str) -> SessionRecord | None:
    """The record of this session, `None` if there is none."""
    data = read_bytes(session_id)
    if not data:
        return None
    value = {name: seen if name in READABLE_FIELDS else _mask(seen) for name, seen in whole(json.loads(data)).items()}
    digest = hashlib.sha256(session_id.encode()).hexdigest()
    ttl = int(_connection().ttl(_redis_key(session_id)))
    return SessionRecord(len(session_id), session_id[:6], digest, _redis_key(session_id), ttl, len(data), value)


def read_bytes(session_id: str) -> bytes:
    """The bytes of the record as Redis stores them; empty if there is no record."""
    return _connection().get(_redis_key(session_id)) or b""


def _redis_key(session_id: str) -> str:
    return str(caches[settings.SESSION_CACHE_ALIAS].make_key(store.PREFIX + store.digest(session_id)))


def _connection() -> Any:
    return get_redis_connection(settings.SESSION_CACHE_ALIAS)


def _mask(value: Any) -> str:
    return f"•••••• ({len(str(value))} characters, masked)"
