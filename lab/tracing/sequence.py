"""A recorded exchange as a sequence of arrows: who sent what to which server, in order.

Diagrams draw the arrows, transcripts read them out, and proofs look for them, so all three show the same.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings

from jwt_demo.conf import conf as jwt_conf

BROWSER, DJANGO, REDIS, SQL = PARTICIPANTS = ("Browser", "Django", "Redis", "SQL")
# An exchange as `Exchange.as_json()` gives it and as a recording keeps it.
Entry = dict[str, Any]

TABLE = re.compile(r'\b(?:FROM|INTO|UPDATE)\s+"?(\w+)"?')
INNERMOST = re.compile(r"\([^()]*\)")
# The end of a digest or an id tells a reader nothing.
DIGEST = re.compile(r"[0-9a-f]{8}(?:[0-9a-f-]{8,})")
KEY_LENGTH = 30


@dataclass(frozen=True)
class Arrow:
    """One line of a diagram. An arrow from Django to Django is a step within Django. `ms` is the time in milliseconds,
    there and back."""

    source: str
    target: str
    text: str
    detail: str = ""
    ms: float | None = None

    @property
    def is_note(self) -> bool:
        return self.source == self.target

    @property
    def words(self) -> str:
        """What happened, for a transcript."""
        more = [self.detail] if self.detail else []
        more += [f"{self.ms:.2f} ms"] if self.ms is not None else []
        return self.text + (f" ({', '.join(more)})" if more else "")


def arrows(entry: Entry) -> list[Arrow]:
    """All arrows of one exchange, from the request to the answer."""
    steps = [_step_arrow(step["kind"], step["text"], step["ms"]) for step in entry["steps"]]
    return [_request_arrow(entry), *steps, _response_arrow(entry)]


def with_arrows(entry: Entry) -> Entry:
    """The exchange with what a page's script needs to draw it."""
    return entry | {"lane": lane(entry), "arrows": [asdict(arrow) for arrow in arrows(entry)]}


def lane(entry: Entry) -> str:
    """The flow an exchange belongs to: "session", "token", or "" for neither."""
    path: str = entry["path"]
    return "session" if path.startswith("/session/") else "token" if path.startswith("/jwt/") else ""


def size(entry: Entry, side: str) -> int:
    """Bytes on the wire, of the "request" or of the "response"."""
    return int(entry[f"{side}_head"] + entry[f"{side}_body"])


def credential_size(entry: Entry) -> int:
    """Bytes of the headers that say who sends the request, with their names, as if each carried nothing else."""
    return sum(length for _, length in _credentials(entry))


def _request_arrow(entry: Entry) -> Arrow:
    what = " + ".join(f"{name}, {length} bytes" for name, length in _credentials(entry)) or "no session, no token"
    return Arrow(
        BROWSER, DJANGO, f"{entry['method']} {entry['path']}", f"{what} · {size(entry, 'request')} bytes in all"
    )


def _credentials(entry: Entry) -> list[tuple[str, int]]:
    # A browser sends every cookie to every address of the site. Only cookies that the address uses are named.
    token, bearer = lane(entry) == "token", entry["authorization"]
    found = [(f"Authorization: {bearer['name']}", f"Authorization: {bearer['name']} ", bearer)] if bearer else []
    used = jwt_conf.JWT_REFRESH_COOKIE_NAME if token else settings.SESSION_COOKIE_NAME
    if not token or "/auth/" in entry["path"]:
        sent = {cookie["name"]: cookie for cookie in entry["cookies_sent"]}
        found += [(f"cookie {used}", f"Cookie: {used}=", sent[used])] if used in sent else []
    return [(name, len(before) + int(value["length"])) for name, before, value in found]


def _response_arrow(entry: Entry) -> Arrow:
    parts = [f"{'clears' if cookie['cleared'] else 'Set-Cookie'} {cookie['name']}" for cookie in entry["cookies_set"]]
    if entry["response_keys"]:
        parts.append(f"{{{', '.join(entry['response_keys'][:6])}}}")
    parts.append(f"{size(entry, 'response')} bytes")
    return Arrow(DJANGO, BROWSER, str(entry["status"]), " · ".join(parts), entry["ms"])


def _step_arrow(kind: str, text: str, ms: float) -> Arrow:
    if kind == "sql":
        return Arrow(DJANGO, SQL, describe_statement(text), ms=ms)
    if kind == "redis":
        return Arrow(DJANGO, REDIS, describe_command(text), ms=ms)
    return Arrow(DJANGO, DJANGO, text, ms=ms)


def describe_statement(sql: str) -> str:
    """The verb and the table of a statement. What is in brackets, such as a subquery, is ignored."""
    while (flat := INNERMOST.sub("", sql)) != sql:
        sql = flat
    verb, table = sql.split(" ", 1)[0], TABLE.search(sql)
    return f"{verb} {table[1]}" if table else verb


def describe_command(text: str) -> str:
    """A Redis command and its key, without the version that Django puts before the key, and cut at the first digest."""
    name, _, key = text.partition(" ")
    key, digest = key.removeprefix(":1:"), DIGEST.search(key.removeprefix(":1:"))
    short = key[: digest.start() + 6] + "…" if digest else key
    return f"{name} {short if len(short) <= KEY_LENGTH else short[: KEY_LENGTH - 1] + '…'}".strip()
