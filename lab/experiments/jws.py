"""Tokens as text: read whatever they are, and made by hand under any key or none.

Reading is lenient and asks for no key, so nothing here says whether a token is good:
`lab.experiments.verification` does.
"""

import base64
import hmac
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

# Characters a person may send in to be read; what is verified is held to the server's own limit.
LONGEST = 16 * 1024
NAMES = ("header", "payload", "signature")
DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
MOMENTS = {
    "iat": "issued",
    "nbf": "not before",
    "exp": "expires",
    "auth_time": "password last proved",
}
SPANS = ((365 * 86400, "year"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))

# jwt.io's example, as it stood there for years; the signature travelled on without its payload.
DOE = '{"sub":"1234567890","name":"John Doe","iat":1516239022}'
DOE_SECRET = "your-256-bit-secret"  # noqa: S105  # published, and worth nothing
SAMPLE_HEADER = '{"alg":"HS256","typ":"JWT"}'
SAMPLE_PAYLOAD = '{"userId":"42","role":"admin","iat":1711843200,"exp":1711929600}'
SAMPLE_SIGNATURE = "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"


@dataclass(frozen=True)
class Moment:
    """A claim that is a time: its name, what it means, when that was in UTC, and how far from now."""

    claim: str
    meaning: str
    at: datetime
    relative: str


@dataclass
class Reading:
    """What a text says when it is taken for a token. `odd` are sentences; a part that is no JSON is `None`."""

    segments: list[str]
    header: Any = None
    payload: Any = None
    moments: list[Moment] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)

    @property
    def token(self) -> str:
        """The text without what was put around it."""
        return ".".join(self.segments)

    @property
    def parts(self) -> list[tuple[str, str]]:
        """Each segment with its name."""
        names = [*NAMES, *["more"] * len(self.segments)]
        return list(zip(names, self.segments, strict=False))


def read(text: str, now: datetime | None = None) -> Reading:
    """Reads `text`, `Bearer` and blanks and all. Never raises, and believes nothing it reads."""
    odd: list[str] = []
    text = _bare(text, odd)
    reading = Reading(text.split(".") if text else [], odd=odd)
    if text and len(reading.segments) != 3:
        odd.append(_count(len(reading.segments)))
    for name, segment in reading.parts[:2]:
        setattr(reading, name, _parsed(name, segment, odd))
    if len(reading.segments) > 2:
        _bytes("signature", reading.segments[2], odd)
    if isinstance(reading.payload, dict):
        reading.moments = _moments(reading.payload, now or datetime.now(UTC), odd)
    return reading


def _bare(text: str, odd: list[str]) -> str:
    text = text.strip()
    if scheme := re.match(r"(?i)(authorization:\s*)?bearer\s+", text):
        odd.append("“Bearer” stood in front of it: that belongs to the header, not to the token.")
        text = text[scheme.end() :]
    if re.search(r"\s", text):
        odd.append("There were blanks or line breaks inside; a strict reader refuses them.")
        text = re.sub(r"\s+", "", text)
    if len(text) > 1 and text[0] in "\"'" and text[0] == text[-1]:
        odd.append("It stood in quotation marks.")
        text = text[1:-1]
    return text


def _count(number: int) -> str:
    known = {
        2: "Two segments: the signature is missing altogether.",
        5: "Five segments: that is the form of an encrypted token (JWE), which nobody reads without its key.",
    }
    return known.get(number, f"{number} segment{'s' * (number != 1)}, where a signed token has three.")


def _bytes(name: str, segment: str, odd: list[str]) -> bytes | None:
    """What a segment decodes to, with a remark for each thing a strict decoder would refuse."""
    if not segment:
        odd.append(f"The {name} is empty." + (" Nobody signed this token." if name == "signature" else ""))
        return b""
    plain = segment.rstrip("=").replace("+", "-").replace("/", "_")
    if segment.endswith("="):
        odd.append(f"The {name} is padded with “=”; base64url in a token has no padding.")
    if re.search(r"[+/]", segment):
        odd.append(f"The {name} uses the “+” and “/” of ordinary base64.")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", plain) or len(plain) % 4 == 1:
        odd.append(f"The {name} is no base64url.")
        return None
    data = bytes_of(plain)
    if b64(data) != plain:
        odd.append(f"The last character of the {name} has bits that decode to nothing: another spelling of it.")
    return data


def _parsed(name: str, segment: str, odd: list[str]) -> Any:
    data = _bytes(name, segment, odd)
    if not data:
        return None

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            odd.append(f"A name stands twice in the {name}; readers differ in which one they believe.")
        return dict(pairs)

    try:
        value = json.loads(data, object_pairs_hook=once)
    except (ValueError, RecursionError):
        odd.append(f"The {name} is no JSON.")
        return None
    if not isinstance(value, dict):
        odd.append(f"The {name} is JSON, but no object.")
    return value


def _moments(payload: dict[str, Any], now: datetime, odd: list[str]) -> list[Moment]:
    found = []
    for claim, meaning in MOMENTS.items():
        if claim not in payload:
            continue
        value = payload[claim]
        if type(value) not in (int, float) or not 0 <= value < 2**37:
            odd.append(f"{claim} is no time: it should be the seconds since 1970, as a number.")
        else:
            found.append(Moment(claim, meaning, datetime.fromtimestamp(value, UTC), _relative(value, now)))
    if "exp" not in payload:
        odd.append("There is no exp: this token would never expire.")
    return found


def _relative(value: float, now: datetime) -> str:
    seconds = int(value - now.timestamp())
    for size, name in SPANS:
        if number := abs(seconds) // size:
            words = f"{number:,} {name}{'s' * (number != 1)}"
            return f"in {words}" if seconds > 0 else f"{words} ago"
    return "now"


def shown(value: Any) -> str:
    """JSON to look at; escaped where its text could not be sent."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False)
        text.encode()
    except (UnicodeEncodeError, RecursionError):
        try:
            return json.dumps(value)
        except RecursionError:
            return "(nested too deeply to be shown)"
    return text


def b64(data: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def bytes_of(segment: str) -> bytes:
    """What a segment of a well-formed token decodes to. Raises `ValueError` for another."""
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def claims(token: str) -> dict[str, Any]:
    """The payload of a token, as anybody can read it; empty when it is none."""
    payload = read(token).payload
    return payload if isinstance(payload, dict) else {}


def signature(signed: str, secret: bytes, algorithm: str = "HS256") -> str:
    """The HMAC over `header.payload`."""
    return b64(hmac.digest(secret, signed.encode(), DIGESTS[algorithm]))


def made(header: str, payload: str, secret: bytes, algorithm: str = "HS256") -> str:
    """A token of exactly these two texts. An `algorithm` that is no HMAC leaves the signature empty."""
    signed = f"{b64(header.encode())}.{b64(payload.encode())}"
    return f"{signed}.{signature(signed, secret, algorithm) if algorithm in DIGESTS else ''}"


def resigned(token: str, secret: bytes, **changes: Any) -> str:
    """The same header and payload, but for `changes` in the payload, under another secret."""
    reading = read(token)
    return made(json.dumps(reading.header), json.dumps(reading.payload | changes), secret)


def sample() -> str:
    """The token that is copied from page to page."""
    return f"{b64(SAMPLE_HEADER.encode())}.{b64(SAMPLE_PAYLOAD.encode())}.{SAMPLE_SIGNATURE}"
