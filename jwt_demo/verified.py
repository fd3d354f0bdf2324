"""A cache of the claims of verified access tokens, because a client sends the same token with each request.

It only saves the verification of the signature. The caller checks the clock, the settings and the revocation each time.
Only valid tokens are kept, so a client without a valid token cannot fill the memory.
"""

import hashlib
from collections.abc import Mapping
from threading import Lock
from typing import Any

from jwt_demo.keys import Key

# How many tokens a process keeps, and how many bytes each may have. Together a few megabytes.
MOST, LONGEST = 2000, 1000


class VerifiedTokens:
    """The claims of the latest `MOST` tokens, by the digest of the token, each with the key that verified it."""

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
        """A copy of the claims, or `None`, also when the key has left its ring: its tokens are not valid any more."""
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
    # Not the token itself: a dump of the memory of this process would contain two thousand logins.
    if isinstance(token, str) and token.isascii():
        token = token.encode()
    return hashlib.sha256(token).digest() if isinstance(token, bytes) and len(token) <= LONGEST else None
