"""Tokens made by hand, as an attacker makes them: any header, any claims, any signature."""

import base64
import hmac
import json
from functools import cache
from pathlib import Path
from typing import Any

WORDS = Path(__file__).parent.parent / "texts" / "common-secrets.txt"


def opened(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token, which anyone can read without a key."""
    header, claims = (json.loads(decoded(part)) for part in token.split(".")[:2])
    return header, claims


def decoded(part: str) -> bytes:
    """The bytes of one part of a token."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def encoded(data: bytes) -> str:
    """One part of a token: base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """The first two parts of a token: what a signature is made over."""
    return ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))


def with_hmac(header: dict[str, Any], claims: dict[str, Any], key: bytes) -> str:
    """A token whose signature is HMAC with SHA-256 under `key`."""
    signed = unsigned(header, claims)
    return f"{signed}.{encoded(hmac.digest(key, signed.encode(), 'sha256'))}"


@cache
def words() -> tuple[str, ...]:
    """Secrets that people have typed, or left as an example had them."""
    return tuple(WORDS.read_text().splitlines())


def guess(token: str) -> str | None:
    """The word whose HMAC fits this token, `None` when none does. It asks no server."""
    signed, _, signature = token.rpartition(".")
    wanted = decoded(signature)
    return next((word for word in words() if hmac.digest(word.encode(), signed.encode(), "sha256") == wanted), None)
