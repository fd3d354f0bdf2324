"""Dana's logins on the home page. In each lane a throwaway person, called Dana, logs in, opens two pages and logs out.
Then a copy of the cookie and a copy of the access token are tried. Each step gets the numbers of its own requests."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lab.claims.sandbox import Answer, Browser, Sandbox, open_sandbox
from lab.experiments.jws import read_claims
from lab.tracing.curl import curl_command
from lab.tracing.sequence import Entry, credential_size, size, with_arrows

# The beginning of a flow's addresses, by the name of its lane.
FLOWS = {"session": "session", "token": "jwt"}
# This address verifies the signature and looks up nothing, like a service that has only the key.
SIGNATURE_ONLY = "/lab/whoami/expiry"
VERDICTS = {200: "allowed", 401: "refused", 403: "known, but not allowed"}
VERBS = {"sign": "× signed", "verify": "× verified", "EVAL": "EVAL (throttle)"}
# A description of each step, by its number on the home page.
Facts = dict[str, list[str]]


@dataclass(frozen=True)
class Lane:
    """The requests of one lane, in order. Only the token lane has `bare`, where a service checks the signature only.
    `left` is how many seconds the access token had left then."""

    name: str
    login: Entry
    profile: Entry
    staff: Entry
    logout: Entry
    copy: Entry
    bare: Entry | None = None
    left: int = 0

    @property
    def entries(self) -> list[Entry]:
        """All of them."""
        found = (self.login, self.profile, self.staff, self.logout, self.copy, self.bare)
        return [entry for entry in found if entry]


def play() -> dict[str, Any]:
    """Plays both lanes now: what the home page shows of them. Leaves nothing behind."""
    with open_sandbox() as sandbox:
        session, token = (_play_lane(sandbox, name) for name in FLOWS)
    entries = [*session.entries, *token.entries]
    return {
        "session": _facts(session),
        "token": _facts(token),
        "differences": _differences(session, token),
        "exchanges": entries,
        "listed": [(entry, curl_command(entry)) for entry in entries],
    }


def _play_lane(sandbox: Sandbox, lane: str) -> Lane:
    def said(caption: str, answer: Answer) -> Entry:
        return with_arrows(answer.exchange.as_json()) | {"caption": caption, "lane": lane}

    flow, dana = FLOWS[lane], sandbox.browser()
    login = said("Dana logs in.", dana.log_in(sandbox.person(), flow))
    profile = said("Dana opens the profile.", dana.get(f"/{flow}/api/profile"))
    staff = said("Dana asks for the staff page.", dana.get(f"/{flow}/api/staff"))
    copy = _copy_credentials(sandbox, dana)
    logout = said("Dana logs out.", dana.post(f"/{flow}/auth/logout"))
    tried = said("A copy, made before, is tried.", copy.get(f"/{flow}/api/whoami"))
    if not copy.access:
        return Lane(lane, login, profile, staff, logout, tried)
    bearer = {"Authorization": f"Bearer {copy.access}"}
    bare = said("It is tried where only the signature is checked.", copy.get(SIGNATURE_ONLY, headers=bearer))
    left = int(read_claims(copy.access)["exp"] - time.time())
    return Lane(lane, login, profile, staff, logout, tried, bare, left)


def _copy_credentials(sandbox: Sandbox, original: Browser) -> Browser:
    copy = sandbox.browser()
    copy.http.cookies.update(original.http.cookies)
    copy.access = original.access
    return copy


# ── Each step ──


def _facts(lane: Lane) -> Facts:
    checked, made = _halves(lane.login)
    calls = {"Profile": lane.profile, "Staff page": lane.staff}
    return {
        "1": [f"{size(lane.login, 'request')} bytes sent", *_costs(checked)],
        "2": _costs(made),
        "3": [*_handed_over(lane), f"{size(lane.login, 'response')} bytes answered"],
        "4": [f"{name}: {credential_size(call)} bytes" for name, call in calls.items()],
        "5": [f"{name}: {_looked_up(call)}" for name, call in calls.items()],
        "6": [f"{name}: {_verdict(call)}" for name, call in calls.items()],
        "7": _costs(lane.logout["steps"]),
        "8": list(_after_the_end(lane)),
    }


def _halves(login: Entry) -> tuple[list[Any], list[Any]]:
    """The steps until the password is checked and the throttle told, and those that make the record or the token."""
    steps = login["steps"]
    hashed = max((at for at, step in enumerate(steps) if step["kind"] == "hash"), default=-1)
    throttle = ("redis", "EVAL")
    rest = (at for at in range(hashed + 1, len(steps)) if (steps[at]["kind"], _verb(steps[at])) != throttle)
    cut = next(rest, len(steps))
    return steps[:cut], steps[cut:]


def _handed_over(lane: Lane) -> Iterator[str]:
    if token := lane.profile["authorization"]:
        yield f"Access token: {token['length']} characters"
    for cookie in lane.login["cookies_set"]:
        if "HttpOnly" in cookie["attributes"]:
            yield f"Cookie {cookie['name']}: {cookie['length']} characters"


def _looked_up(call: Entry) -> str:
    own = [step for step in call["steps"] if step["kind"] in ("redis", "jwt")]
    # A process remembers for a while which tokens it has verified.
    known = call["authorization"] and not any(step["kind"] == "jwt" for step in own)
    return "; ".join(["verified before"] * bool(known) + _costs(own))


def _after_the_end(lane: Lane) -> Iterator[str]:
    yield f"Here: {_verdict(lane.copy)}"
    if lane.bare:
        lasting = f" for {_left(lane)}" if lane.bare["status"] == 200 else ""
        yield f"Service with the key only: {_verdict(lane.bare)}{lasting}"


def _left(lane: Lane) -> str:
    return f"{lane.left // 60} min {lane.left % 60} s more"


def _verdict(entry: Entry) -> str:
    return f"{entry['status']}, {VERDICTS.get(entry['status'], 'unexpected')}"


def _costs(steps: list[Any]) -> list[str]:
    """What the steps were, by kind in the order they happened, each with its time."""
    kinds = dict.fromkeys(step["kind"] for step in steps)
    return [_cost(kind, [step for step in steps if step["kind"] == kind]) for kind in kinds] or ["nothing"]


def _cost(kind: str, steps: list[Any]) -> str:
    spent = f"{sum(step['ms'] for step in steps):.2f}\N{NO-BREAK SPACE}ms"
    if kind in ("sql", "hash"):
        return f"{len(steps)} {'SQL' if kind == 'sql' else 'password hash'}, {spent}"
    verbs = Counter(_verb(step) for step in steps)
    said = " + ".join(f"{number} {VERBS.get(verb, verb)}" for verb, number in verbs.items())
    return f"{said}{' in Redis' * (kind == 'redis')}, {spent}"


def _verb(step: Any) -> str:
    verb: str = step["text"].partition(" ")[0]
    return verb


# ── How the lanes differ ──


def _differences(session: Lane, token: Lane) -> list[tuple[str, list[str], list[str]]]:
    written, signed = _count(session.login, "redis", "SET"), _count(token.login, "jwt", "sign")
    looked, asked = (len([s for s in lane.profile["steps"] if s["kind"] == "redis"]) for lane in (session, token))
    verified = _count(token.profile, "jwt", "verify")
    return [
        ("Login", [f"{_plural(written, 'record')} written to Redis"], [f"{_plural(signed, 'token')} signed"]),
        (
            "Request",
            [f"{credential_size(session.profile)} bytes", f"{_plural(looked, 'look-up')} in Redis"],
            [
                f"{credential_size(token.profile)} bytes",
                f"{_plural(verified, 'signature')} verified",
                f"{_plural(asked, 'look-up')} in Redis",
            ],
        ),
        ("A copy after logout", list(_after_the_end(session)), list(_after_the_end(token))),
    ]


def _count(entry: Entry, kind: str, verb: str) -> int:
    # The same command with the same key is counted once: a login writes its record twice.
    return len({step["text"] for step in entry["steps"] if step["kind"] == kind and _verb(step) == verb})


def _plural(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"
