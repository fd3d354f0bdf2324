"""Tokens as text: reads any text as a token, and builds tokens under any key or none.

Reading is lenient and uses no key, so it never says whether a token is valid. `lab.experiments.verification` does.
"""

import base64
import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import get_algorithm_by_name

from jwt_demo.keys import Key

# The most characters that a visitor may send to be read. Verification applies the server's own, smaller limit.
MAX_LENGTH = 16 * 1024
SEGMENT_NAMES = ("header", "payload", "signature")
DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
TIME_CLAIMS = {
    "iat": "issued",
    "nbf": "not before",
    "exp": "expires",
    "auth_time": "password last proved",
}
UNITS = ((365 * 86400, "year"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))

# The example that jwt.io showed for years. Copies of its signature circulate under another payload.
JOHN_DOE_PAYLOAD = '{"sub":"1234567890","name":"John Doe","iat":1516239022}'
JOHN_DOE_SECRET = "your-256-bit-secret"  # noqa: S105  # published; it protects nothing
SAMPLE_HEADER = '{"alg":"HS256","typ":"JWT"}'
SAMPLE_PAYLOAD = '{"userId":"42","role":"admin","iat":1711843200,"exp":1711929600}'
SAMPLE_SIGNATURE = "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"


@dataclass(frozen=True)
class TimeClaim:
    """A claim that is a time: its name, its meaning, the moment in UTC, and the distance from now in words."""

    claim: str
    meaning: str
    at: datetime
    relative: str


@dataclass
class DecodedToken:
    """What a text says when it is read as a token. `remarks` are sentences. A part that is not JSON is `None`."""

    segments: list[str]
    header: Any = None
    payload: Any = None
    times: list[TimeClaim] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def token(self) -> str:
        """The text without `Bearer`, blanks and quotation marks."""
        return ".".join(self.segments)

    @property
    def parts(self) -> list[tuple[str, str]]:
        """Each segment with its name."""
        names = [*SEGMENT_NAMES, *["more"] * len(self.segments)]
        return list(zip(names, self.segments, strict=False))


def decode(text: str, now: datetime | None = None) -> DecodedToken:
    """Reads `text` as a token, with or without `Bearer` and blanks. Never raises, and verifies nothing."""
    remarks: list[str] = []
    text = _strip_surroundings(text, remarks)
    decoded = DecodedToken(text.split(".") if text else [], remarks=remarks)
    if text and len(decoded.segments) != 3:
        remarks.append(_describe_segment_count(len(decoded.segments)))
    for name, segment in decoded.parts[:2]:
        setattr(decoded, name, _parse_segment(name, segment, remarks))
    if len(decoded.segments) > 2:
        _decode_segment("signature", decoded.segments[2], remarks)
    if isinstance(decoded.payload, dict):
        decoded.times = _read_times(decoded.payload, now or datetime.now(UTC), remarks)
    return decoded


def _strip_surroundings(text: str, remarks: list[str]) -> str:
    text = text.strip()
    if scheme := re.match(r"(?i)(authorization:\s*)?bearer\s+", text):
        remarks.append("“Bearer” stood in front of it: that belongs to the header, not to the token.")
        text = text[scheme.end() :]
    if re.search(r"\s", text):
        remarks.append("There were blanks or line breaks inside; a strict reader refuses them.")
        text = re.sub(r"\s+", "", text)
    if len(text) > 1 and text[0] in "\"'" and text[0] == text[-1]:
        remarks.append("It stood in quotation marks.")
        text = text[1:-1]
    return text


def _describe_segment_count(number: int) -> str:
    known = {
        2: "Two segments: the signature is missing altogether.",
        5: "Five segments: that is the form of an encrypted token (JWE), which cannot be read without its key.",
    }
    return known.get(number, f"{number} segment{'s' * (number != 1)}, where a signed token has three.")


def _decode_segment(name: str, segment: str, remarks: list[str]) -> bytes | None:
    """Decodes a segment, and adds a remark for everything that a strict decoder would refuse."""
    if not segment:
        remarks.append(f"The {name} is empty." + (" This token is not signed." if name == "signature" else ""))
        return b""
    plain = segment.rstrip("=").replace("+", "-").replace("/", "_")
    if segment.endswith("="):
        remarks.append(f"The {name} is padded with “=”; base64url in a token has no padding.")
    if re.search(r"[+/]", segment):
        remarks.append(f"The {name} uses the “+” and “/” of ordinary base64.")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", plain) or len(plain) % 4 == 1:
        remarks.append(f"The {name} is not base64url.")
        return None
    data = base64url_decode(plain)
    if base64url_encode(data) != plain:
        remarks.append(f"The last character of the {name} has unused bits set: another spelling of the same bytes.")
    return data


def _parse_segment(name: str, segment: str, remarks: list[str]) -> Any:
    data = _decode_segment(name, segment, remarks)
    if not data:
        return None

    def note_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            remarks.append(f"A name appears twice in the {name}; readers differ in which value they use.")
        return dict(pairs)

    try:
        value = json.loads(data, object_pairs_hook=note_duplicates)
    except (ValueError, RecursionError):
        remarks.append(f"The {name} is not JSON.")
        return None
    if not isinstance(value, dict):
        remarks.append(f"The {name} is JSON, but not an object.")
    return value


def _read_times(payload: dict[str, Any], now: datetime, remarks: list[str]) -> list[TimeClaim]:
    found = []
    for claim, meaning in TIME_CLAIMS.items():
        if claim not in payload:
            continue
        value = payload[claim]
        if type(value) not in (int, float) or not 0 <= value < 2**37:
            remarks.append(f"{claim} is not a time: it should be a number of seconds since 1970.")
        else:
            found.append(TimeClaim(claim, meaning, datetime.fromtimestamp(value, UTC), _distance_from_now(value, now)))
    if "exp" not in payload:
        remarks.append("There is no exp: this token would never expire.")
    return found


def _distance_from_now(value: float, now: datetime) -> str:
    seconds = int(value - now.timestamp())
    for size, name in UNITS:
        if number := abs(seconds) // size:
            words = f"{number:,} {name}{'s' * (number != 1)}"
            return f"in {words}" if seconds > 0 else f"{words} ago"
    return "now"


def format_json(value: Any) -> str:
    """JSON with indentation. Escaped if it contains lone surrogates, which cannot be encoded as UTF-8."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False)
        text.encode()
    except (UnicodeEncodeError, RecursionError):
        try:
            return json.dumps(value)
        except RecursionError:
            return "(nested too deeply to be shown)"
    return text


def base64url_encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def base64url_decode(segment: str) -> bytes:
    """Decodes a segment of a well-formed token. Raises `ValueError` for another text."""
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def read_claims(token: str) -> dict[str, Any]:
    """The payload of a token, read without a key. Empty if the text is not a token."""
    payload = decode(token).payload
    return payload if isinstance(payload, dict) else {}


def compute_signature(signed: str, secret: bytes, algorithm: str = "HS256") -> str:
    """The HMAC of `header.payload`, as base64url."""
    return base64url_encode(hmac.digest(secret, signed.encode(), DIGESTS[algorithm]))


def build_token(header: str, payload: str, secret: bytes, algorithm: str = "HS256") -> str:
    """A token of exactly these two texts. The signature is empty unless `algorithm` is an HMAC or EdDSA."""
    signed = f"{base64url_encode(header.encode())}.{base64url_encode(payload.encode())}"
    if algorithm == "EdDSA":
        # A private key must have 32 bytes, and `secret` may have any length.
        private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(secret).digest())
        return f"{signed}.{base64url_encode(private.sign(signed.encode()))}"
    return f"{signed}.{compute_signature(signed, secret, algorithm) if algorithm in DIGESTS else ''}"


def resign(token: str, key: Key, **changes: Any) -> str:
    """The token with `changes` made to its payload, signed with this key."""
    decoded = decode(token)
    parts = [json.dumps(decoded.header), json.dumps(decoded.payload | changes)]
    signed = ".".join(base64url_encode(part.encode()) for part in parts)
    algorithm = get_algorithm_by_name(key.algorithm)
    return f"{signed}.{base64url_encode(algorithm.sign(signed.encode(), algorithm.prepare_key(key.signing)))}"


def as_bytes(key: Key) -> bytes:
    """What a verifier holds, as bytes: the secret of HS256, or the public key of a pair as PEM."""
    if isinstance(key.verifying, bytes):
        return key.verifying
    return bytes(key.verifying.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def sample_token() -> str:
    """The sample token that many tutorials copy."""
    return f"{base64url_encode(SAMPLE_HEADER.encode())}.{base64url_encode(SAMPLE_PAYLOAD.encode())}.{SAMPLE_SIGNATURE}"
