"""The session records in Redis, for tests that read the store directly."""

import json
from typing import Any

from redis import Redis

from sessions_demo.record import short, whole


def read(data: bytes) -> dict[str, Any]:
    """The record that these bytes of the store contain."""
    return whole(json.loads(data))


def set_back(redis: Redis, pattern: str, field: str, seconds: float) -> None:
    """Moves a time in each of these records back."""
    keys = redis.keys(pattern)
    assert keys, pattern
    for key in keys:
        record = read(redis.get(key))
        record[field] -= seconds
        assert redis.set(key, json.dumps(short(record)), xx=True, keepttl=True)
