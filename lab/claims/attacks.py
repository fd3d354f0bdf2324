"""Asks the attack range to try attacks. The range is another process on this machine, which starts a real Chromium. The
site starts no browser and imports nothing of the range.

Needs httpx. Gives `list_cases`; `run`, which makes the range try cases now; `trying_each_once`, within which no case is
tried twice; `proves_by_attack`, the decorator of a proof that asks the range; and `succeeds` and `fails`, which make
evidence of the result of a case.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from typing import Any

import httpx

from lab.claims.evidence import Evidence, NotRunning, Proof, holds, limit, proves

HOST = "range.localhost"
HIGHEST_PORT = 65535
# Seconds. A server on this machine accepts a connection at once, and the range has its list of cases ready.
CONNECT_SECONDS_MAX, LIST_SECONDS_MAX = 1, 3
# Seconds and cases of one request. Up to three other runs may have to finish in Chromium before it.
RUN_SECONDS_MAX, RUN_CASES_MAX = 120, 4
HOW_TO_START = "make run starts it with the site, and make prove starts it for the proofs."
# The ids of the claims whose proofs ask the range.
BY_ATTACK: set[str] = set()


@dataclass(frozen=True)
class Listed:
    """A case that the range can try. `tried` describes it in a sentence. `variant` is `weak` for an attack on weak
    code, `ours` for one on the project's own code, `without` for one on that code with a defence taken away, and
    `legitimate` for a permitted use of that code. `expected` says whether the try should succeed. `limit` marks an
    attack on the project's own code that is known to succeed."""

    id: str
    variant: str
    tried: str
    expected: bool
    limit: bool


@dataclass(frozen=True)
class Tried(Listed):
    """The result of a case, decided by what the range's servers saw. `seen` is a sentence, `detail` is for programs."""

    succeeded: bool
    seen: str
    detail: dict[str, Any]


@dataclass
class Answers:
    """The results of the cases that were tried, by id, and the version of the Chromium in which they were tried."""

    cases: dict[str, Tried] = field(default_factory=dict)
    chromium: str = ""


_kept: ContextVar[Answers | None] = ContextVar("kept", default=None)


def port() -> int:
    """The port of the range: RANGE_PORT, or ten above that of the site. Raises `NotRunning` for an impossible port."""
    text = os.environ.get("RANGE_PORT") or str(int(os.environ.get("PORT") or 8000) + 10)
    # The highest port is not allowed, because the range also uses the port after its own.
    if not (text.isdecimal() and 0 < int(text) < HIGHEST_PORT):
        raise NotRunning(f"RANGE_PORT must be a number from 1 to {HIGHEST_PORT - 1}, not {text!r}.")
    return int(text)


def address() -> str:
    """The address of the range for a browser on this machine. Raises `NotRunning` for an impossible port."""
    return f"http://{HOST}:{port()}/"


def list_cases() -> list[Listed]:
    """Every case that the range can try. Raises `NotRunning` when the range does not answer, with a sentence that says
    what to do."""
    return [Listed(**_known_fields(Listed, case)) for case in _ask("GET", "/api/cases", LIST_SECONDS_MAX)["cases"]]


def run(*ids: str) -> dict[str, Tried]:
    """Makes the range try these cases now, one after another. Returns the result of each by its id.

    Raises `NotRunning` when the range cannot try anything, and `LookupError` for an unknown case.
    """
    kept = _kept.get()
    answers = Answers() if kept is None else kept
    missing = [name for name in ids if name not in answers.cases]
    for start in range(0, len(missing), RUN_CASES_MAX):
        content = _ask("POST", "/api/run", RUN_SECONDS_MAX, {"cases": missing[start : start + RUN_CASES_MAX]})
        answers.cases |= {case["id"]: Tried(**_known_fields(Tried, case)) for case in content["cases"]}
        answers.chromium = content.get("chromium") or answers.chromium
    return {name: answers.cases[name] for name in ids}


@contextmanager
def trying_each_once() -> Iterator[Answers]:
    """Within this block, a case that several proofs ask for is tried only once. Gives all results so far.

    Many claims are about the same few cases, and each try takes about a second in a browser.
    """
    answers = Answers()
    token = _kept.set(answers)
    try:
        yield answers
    finally:
        _kept.reset(token)


def _ask(method: str, path: str, seconds_max: float, body: Any = None) -> dict[str, Any]:
    number = port()
    timeout = httpx.Timeout(seconds_max, connect=CONNECT_SECONDS_MAX)
    # By number, because Python does not resolve *.localhost. A proxy from the environment could not reach this machine.
    url, headers = f"http://127.0.0.1:{number}{path}", {"Host": f"{HOST}:{number}"}
    try:
        answer = httpx.request(method, url, headers=headers, json=body, timeout=timeout, trust_env=False)
        content = answer.json()
    except httpx.ConnectError:
        raise NotRunning(f"Nothing answers on port {number}. {HOW_TO_START}") from None
    except httpx.TransportError:
        raise NotRunning(f"It did not answer within {seconds_max} s on port {number}. Try again.") from None
    except ValueError:
        raise NotRunning(f"What answers on port {number} is another server. Choose another RANGE_PORT.") from None
    return _checked(answer.status_code, content, number)


def _checked(status: int, content: Any, number: int) -> dict[str, Any]:
    if status == httpx.codes.SERVICE_UNAVAILABLE and isinstance(content, dict):
        raise NotRunning(str(content.get("error", "It cannot try anything now.")))
    if status == httpx.codes.BAD_REQUEST:
        raise LookupError(content)
    if status != httpx.codes.OK or not isinstance(content, dict) or "cases" not in content:
        raise NotRunning(f"What answers on port {number} is another server. Choose another RANGE_PORT.")
    return content


def _known_fields(kind: type[Listed], case: dict[str, Any]) -> dict[str, Any]:
    return {known.name: case[known.name] for known in fields(kind)}


def proves_by_attack(*ids: str) -> Callable[[Proof], Proof]:
    """Registers the decorated function as `proves` does, and notes that the proof of these claims asks the range."""
    BY_ATTACK.update(ids)
    return proves(*ids)


def succeeds(case: Tried, ends_the_claim: bool = False) -> Evidence:
    """Evidence that the try succeeded: for the claim, or with `ends_the_claim` a limit of it."""
    return (limit if ends_the_claim else holds)(case.tried, case.seen, case.succeeded)


def fails(case: Tried, ends_the_claim: bool = False) -> Evidence:
    """Evidence that the try failed: for the claim, or with `ends_the_claim` a limit of it."""
    return (limit if ends_the_claim else holds)(case.tried, case.seen, not case.succeeded)
