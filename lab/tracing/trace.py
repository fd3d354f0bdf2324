"""What one request did, as the server saw it: on the wire, in SQL, in Redis, with keys and hashes.

A page's script sees neither `Set-Cookie` nor an HttpOnly cookie, so the server says what was there. A trace
describes what was there and does not hold it: of a cookie or a token its first six characters, its length and a
digest; of a statement its text without parameters; of a Redis command its name and its key.
"""

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from http.cookies import Morsel
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

KINDS = ("sql", "redis", "jwt", "hash")
# A part of a path that is longer than a UUID may be a secret, as in a reset link, and is masked.
SECRET = re.compile(r"[^/]{37,}")
# Headers that hold no secret. All others are left out of a request, and masked in an answer.
VISIBLE_REQUEST_HEADERS = ("Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Content-Type", "Accept")
VISIBLE_RESPONSE_HEADERS = (
    "Allow",
    "Cache-Control",
    "Clear-Site-Data",
    "Content-Length",
    "Content-Security-Policy",
    "Content-Type",
    "Cross-Origin-Opener-Policy",
    "Referrer-Policy",
    "Retry-After",
    "Vary",
    "WWW-Authenticate",
    "X-Content-Type-Options",
    "X-Frame-Options",
)
# The lab's own cookie, by which a browser's run is found. It is neither shown nor measured.
COOKIE = "__Host-lab"
# The most cookies that are described: a client that sends more must not fill the store.
MOST_COOKIES = 50
# Characters that are not known to be harmless: some would end the quoted string, or the header.
NOT_QUOTABLE = re.compile(r"[^\w ,.-]", re.ASCII)


@dataclass(frozen=True)
class Step:
    """One thing done on the way to an answer: `kind` is one of `KINDS`, the times are in milliseconds."""

    kind: str
    text: str
    at: float
    ms: float


@dataclass
class Recording:
    """The steps of one request, while it is answered."""

    began: float = field(default_factory=time.perf_counter)
    steps: list[Step] = field(default_factory=list)

    def add(self, kind: str, text: str, started: float) -> None:
        """Notes what began at `started` (of `perf_counter`) and ends now."""
        now = time.perf_counter()
        self.steps.append(Step(kind, text, _milliseconds(started - self.began), _milliseconds(now - started)))


CURRENT_RECORDING: ContextVar[Recording | None] = ContextVar("recording", default=None)
# The list to which the exchanges that this thread causes are added; `None` for no list.
COLLECTED: ContextVar["list[Exchange] | None"] = ContextVar("sink", default=None)
# Whether requests are recorded at all. To measure what tracing costs, the lab turns it off.
ENABLED: ContextVar[bool] = ContextVar("on", default=True)


def note(kind: str, text: str, started: float) -> None:
    """Adds a step to the request that is being answered, if one is."""
    if recording := CURRENT_RECORDING.get():
        recording.add(kind, text, started)


@dataclass
class Exchange:
    """One request and its answer. The time is in milliseconds.

    Sizes are bytes of HTTP/1.1, without what the lab adds (its cookie, `Server-Timing`) and what the server in front
    of Django adds (`Date`, `Connection`). A streamed body counts as 0.
    """

    method: str
    path: str
    status: int
    request_headers: dict[str, str]
    cookies_sent: list[dict[str, Any]]
    authorization: dict[str, Any] | None
    request_head: int
    request_body: int
    response_headers: dict[str, str]
    cookies_set: list[dict[str, Any]]
    response_keys: list[str]
    response_head: int
    response_body: int
    ms: float
    steps: list[Step]

    def count(self, kind: str) -> int:
        """How many steps of a kind there were."""
        return sum(step.kind == kind for step in self.steps)

    def texts(self, kind: str) -> list[str]:
        """The texts of the steps of a kind, in order."""
        return [step.text for step in self.steps if step.kind == kind]

    def as_json(self) -> dict[str, Any]:
        """What is kept and shown."""
        return asdict(self)


def exchange(request: HttpRequest, response: HttpResponseBase, recording: Recording) -> Exchange:
    """The record of one request, made when its answer is ready."""
    unseen = response.streaming or request.method == "HEAD"
    body = b"" if unseen else response.content  # type: ignore[attr-defined]
    sent = [(name, value) for name, value in request.COOKIES.items() if name != COOKIE]
    return Exchange(
        method=str(request.method),
        path=_mask_secrets(request.path),
        status=response.status_code,
        request_headers=_visible_headers(request),
        cookies_sent=[_describe_secret(name, value) for name, value in sent[:MOST_COOKIES]],
        authorization=_describe_authorization(request.headers.get("Authorization", "")),
        request_head=_request_head(request),
        request_body=_parse_length(request.META.get("CONTENT_LENGTH")),
        response_headers={name: _visible_value(name, value) for name, value in response.items()},
        cookies_set=[_describe_cookie(morsel) for morsel in response.cookies.values()],
        response_keys=_json_keys(response, body),
        response_head=_response_head(response),
        response_body=len(body),
        ms=_milliseconds(time.perf_counter() - recording.began),
        steps=list(recording.steps),
    )


def server_timing(recording: Recording) -> str:
    """The value of `Server-Timing` (W3C): what any browser's network tab shows beside the request."""
    parts = []
    for kind in KINDS:
        steps = [step for step in recording.steps if step.kind == kind]
        if steps:
            summary = NOT_QUOTABLE.sub("", _summarize(kind, steps))
            parts.append(f'{kind};desc="{summary}";dur={sum(step.ms for step in steps):.2f}')
    parts.append(f"total;dur={_milliseconds(time.perf_counter() - recording.began):.2f}")
    return ", ".join(parts)


def _summarize(kind: str, steps: list[Step]) -> str:
    if kind == "sql":
        return f"{len(steps)} quer{'y' if len(steps) == 1 else 'ies'}"
    counts = Counter(step.text.partition(" ")[0] for step in steps)
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def _visible_headers(request: HttpRequest) -> dict[str, str]:
    return {name: request.headers[name][:200] for name in VISIBLE_REQUEST_HEADERS if name in request.headers}


def _visible_value(name: str, value: str) -> str:
    if name == "Location":
        # The query can hold a secret.
        return _mask_secrets(value.partition("?")[0])
    return value[:1000] if name in VISIBLE_RESPONSE_HEADERS else f"[{len(value)} characters]"


def _mask_secrets(path: str) -> str:
    return SECRET.sub("[masked]", path)[:300]


def _describe_secret(name: str, value: str) -> dict[str, Any]:
    """A description that does not reveal the secret. The first six characters help to tell two secrets apart, and the
    digest shows whether they are the same."""
    digest = hashlib.sha256(value.encode(errors="replace")).hexdigest()[:12]
    # Six characters would be most of a short value.
    return {"name": name[:64], "length": len(value), "first": value[:6] if len(value) >= 20 else "", "digest": digest}


def _describe_authorization(header: str) -> dict[str, Any] | None:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return _describe_secret(scheme, value.strip())
    # Without a scheme, the first word may be the secret. Of a password, even a digest reveals too much.
    return {"name": "[other]", "length": len(header), "first": "", "digest": ""} if header else None


def _describe_cookie(morsel: "Morsel[str]") -> dict[str, Any]:
    attributes = morsel.OutputString().partition(";")[2].strip()
    return _describe_secret(morsel.key, morsel.value) | {"attributes": attributes, "cleared": not morsel.value}


def _request_head(request: HttpRequest) -> int:
    target = request.META.get("RAW_URI") or request.get_full_path()
    headers = {name: value for name, value in request.headers.items() if value}
    cookies = [part for part in headers.pop("Cookie", "").split("; ") if not part.startswith(f"{COOKIE}=")]
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return _head_size([*lines, f"Cookie: {'; '.join(cookies)}"] if any(cookies) else lines)


def _response_head(response: HttpResponseBase) -> int:
    cookies = [f"Set-Cookie: {morsel.OutputString()}" for morsel in response.cookies.values()]
    headers = [f"{name}: {value}" for name, value in response.items()]
    return _head_size([f"HTTP/1.1 {response.status_code} {response.reason_phrase}", *headers, *cookies])


def _head_size(lines: list[str]) -> int:
    # WSGI passes each byte as one character. Each line ends with CRLF, and one more CRLF ends the head.
    return sum(len(line) + 2 for line in lines) + 2


def _parse_length(text: Any) -> int:
    return int(text) if isinstance(text, str) and re.fullmatch(r"[0-9]{1,15}", text) else 0


def _json_keys(response: HttpResponseBase, body: bytes) -> list[str]:
    if response.get("Content-Type", "").startswith("application/json") and len(body) < 65536:
        try:
            parsed = json.loads(body)
        except ValueError:
            return []
        return [str(key)[:64] for key in parsed][:50] if isinstance(parsed, dict) else []
    return []


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


@contextmanager
def collecting() -> Iterator[list[Exchange]]:
    """Gives the list of the exchanges that this thread causes within the block, in this process."""
    exchanges: list[Exchange] = []
    token = COLLECTED.set(exchanges)
    try:
        yield exchanges
    finally:
        COLLECTED.reset(token)


@contextmanager
def off() -> Iterator[None]:
    """Records nothing within the block, not even as a part of the request that is being answered."""
    token, current = ENABLED.set(False), CURRENT_RECORDING.set(None)
    try:
        yield
    finally:
        CURRENT_RECORDING.reset(current)
        ENABLED.reset(token)
