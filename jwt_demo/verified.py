"""The claims of access tokens that were verified a moment ago: a client sends the same token with each request.

The signature is the one thing that is not computed again. The caller looks at the clock, the settings and the
revocations each time. Only good tokens are kept, so that a client without one cannot fill the memory.
"""

import hashlib
from collections.abc import Mapping
from threading import Lock
from typing import Any

from jwt_demo.keys import Key

# Tokens a process remembers, and the bytes of the longest of them. Together some megabytes.
MOST, LONGEST = 2000, 1000


class VerifiedTokens:
    """Claims by the digest of their token, each with the key that verified it: the latest `MOST` of them."""

    def __init__(self) -> None:
        self._entries: dict[bytes, tuple[Key, dict[str, Any]]] = {}
        self._writing = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, token: Any) -> bool:
        return _digest(token) in self._entries

    def add(self, token: Any, key: Key, claims: dict[str, Any]) -> None:
        """Keeps a copy of these claims, which are texts and numbers."""
        if (digest := _digest(token)) is None:
            return
        with self._writing:
            self._entries[digest] = key, claims.copy()
            while len(self._entries) > MOST:
                del self._entries[next(iter(self._entries))]

    def get(self, token: Any, ring: Mapping[str, Key]) -> dict[str, Any] | None:
        """A copy of the claims, if the same key still verifies. A key that left its ring ends what it had signed."""
        digest = _digest(token)
        if digest is None or (entry := self._entries.get(digest)) is None:
            return None
        key, claims = entry
        if ring.get(key.kid) is key:
            return claims.copy()
        with self._writing:
            self._entries.pop(digest, None)
        return None


def _digest(token: Any) -> bytes | None:
    # Not the token itself: the memory of a process that crashed would hold two thousand logins.
    if isinstance(token, str) and token.isascii():
        token = token.encode()
    return hashlib.sha256(token).digest() if isinstance(token, bytes) and len(token) <= LONGEST else None
