"""The small client programs that a reader may copy, and what each flow costs them in code and bytes.

The programs are files under `static/lab/clients/`. This module repeats their requests, to send them for a throwaway
user and count the bytes. Tests compare the two.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from lab.claims.sandbox import FLOWS, Answer, Browser, Person, Sandbox

# The suffix of the file, its language, and what it needs to run.
LANGUAGES = (
    ("sh", "curl", "bash and curl 7.82"),
    ("py", "Python", "Python 3.8"),
    ("mjs", "JavaScript", "a page, or Node 20"),
)
COMMENT = re.compile(r"\s*(#|//|\"\"\")")
NATIVE_HEADERS = {"Origin": None, "Sec-Fetch-Site": None}


@dataclass(frozen=True)
class Program:
    """One client program: its flow, its language and its source text."""

    flow: str
    suffix: str
    language: str
    needs: str
    text: str

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.flow}.{self.suffix}"

    @property
    def path(self) -> str:
        """The path of its file among the static files."""
        return f"lab/clients/{self.name}"

    @property
    def code(self) -> list[str]:
        """Its lines without blank lines and comments."""
        return [line for line in self.text.splitlines() if line.strip() and not COMMENT.match(line)]

    def count_lines(self, pattern: str, without: str = "^$") -> int:
        """How many lines of code match `pattern` and do not match `without`."""
        return sum(bool(re.search(pattern, line)) and not re.search(without, line) for line in self.code)


def program(flow: str, suffix: str) -> Program:
    """The client for this flow and language. `KeyError` for an unknown language, `OSError` for an unknown flow."""
    language, needs = {end: (name, wanted) for end, name, wanted in LANGUAGES}[suffix]
    empty = Program(flow, suffix, language, needs, "")
    return replace(empty, text=(settings.BASE_DIR / "static" / empty.path).read_text())


def programs() -> list[Program]:
    """All client programs, ordered by language."""
    return [program(flow, suffix) for suffix, _, _ in LANGUAGES for flow in FLOWS]


def send_requests(sandbox: Sandbox, flow: str, transport: str = "body") -> list[Answer]:
    """Sends the requests of this flow's client programs, in order, from a client that is not a browser."""
    person, client = sandbox.person(), sandbox.browser("curl/8")
    return by_session(client, person) if flow == "session" else by_token(client, person, transport)


def by_session(client: Browser, person: Person) -> list[Answer]:
    """The session client: a cookie jar and a CSRF token."""
    # Over HTTPS, Django's CSRF check refuses a request that has neither Origin nor Referer.
    headers = NATIVE_HEADERS | {"Referer": str(client.http.base_url)}
    login = {"email": person.email, "password": person.password}
    return [
        client.get("/session/api/", headers=headers),
        client.post("/session/auth/login", login, headers=headers),
        client.get("/session/api/whoami", headers=headers),
        client.get("/session/api/profile", headers=headers),
        client.post("/session/auth/logout", headers=headers),
    ]


def by_token(client: Browser, person: Person, transport: str) -> list[Answer]:
    """The token client. The refresh token travels in the body, or in a cookie as in a web page."""
    headers: dict[str, Any] = {} if transport == "cookie" else NATIVE_HEADERS
    login = {"email": person.email, "password": person.password, "transport": transport}
    answers = [client.keep(client.post("/jwt/auth/login", login, headers=headers))]
    answers += [client.get(f"/jwt/api/{name}", headers=headers) for name in ("whoami", "profile")]
    for name in ("refresh", "logout"):
        held = answers[0] if name == "refresh" else answers[-1]
        body = {"refreshToken": held.json["refreshToken"]} if transport == "body" else {}
        answers.append(client.keep(client.post(f"/jwt/auth/{name}", body, headers=headers | {"Authorization": None})))
    return answers


def bytes_sent(answers: list[Answer]) -> int:
    """Bytes of all requests, heads and bodies together."""
    return sum(answer.exchange.request_head + answer.exchange.request_body for answer in answers)


def bytes_received(answers: list[Answer]) -> int:
    """Bytes of all answers, heads and bodies together."""
    return sum(answer.exchange.response_head + answer.exchange.response_body for answer in answers)
