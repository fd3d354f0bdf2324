"""Creates tokens as an attacker does, with any header, any claims and any signature."""

import base64
import hmac
import json
from functools import cache
from pathlib import Path
from typing import Any

WORDS = Path(__file__).parent.parent / "texts" / "common-secrets.txt"


def opened(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims of a token. No key is needed to read them."""
    header, claims = (json.loads(decoded(part)) for part in token.split(".")[:2])
    return header, claims


def decoded(part: str) -> bytes:
    """The bytes of one part of a token."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def encoded(data: bytes) -> str:
    """One part of a token: the bytes in base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """The first two parts of a token, which are the input of the signature."""
    return ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))


def with_hmac(header: dict[str, Any], claims: dict[str, Any], key: bytes) -> str:
    """A token whose signature is an HMAC-SHA-256 with `key`."""
    signed = unsigned(header, claims)
    return f"{signed}.{encoded(hmac.digest(key, signed.encode(), 'sha256'))}"


@cache
def words() -> tuple[str, ...]:
    """Common secrets: words that people choose, and placeholders from examples."""
    return tuple(WORDS.read_text().splitlines())


def guess(token: str) -> str | None:
    """The word that this token is signed with, `None` if it is none of them. This needs no request to a server."""
    signed, _, signature = token.rpartition(".")
    wanted = decoded(signature)
    return next((word for word in words() if hmac.digest(word.encode(), signed.encode(), "sha256") == wanted), None)
