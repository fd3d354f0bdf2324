"""A user's access is revoked while the user's clients send requests and log in. Once the revocation has returned,
every credential issued before it is refused.

The running site has two processes; both databases are used. `SOAK=1` repeats it as often as `make soak` says.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Semaphore
from time import monotonic
from typing import Any

import pytest

from sessions_demo.store import digest
from tests import records
from tests.site.arena import PASSWORD, Arena
from tests.site.holder import AGENT, Holder
from tests.site.member import PATIENCE, Member, together

pytestmark = [pytest.mark.soak, pytest.mark.site]
# Rounds on each database. The revocation comes after none, one, … all of the callers, for a login by each flow.
ROUNDS = 5000 if os.environ.get("SOAK") else 16
CALLERS = 7
# The first path reads Redis only, the second also the user's row: for a token, the checks `denylist` and `version`.
PATHS = ("whoami", "profile")


@dataclass(frozen=True)
class Credential:
    """A client that is logged in, its flow, and the token_version of its login."""

    client: Any
    flow: str
    token_version: int


@dataclass(frozen=True)
class Call:
    """One request: its credential and path, the time at which it was sent, and the answer's status."""

    credential: Credential
    path: str
    sent: float
    status: int


class Target:
    """One user of a running site, and this user's credentials."""

    def __init__(self, arena: Arena) -> None:
        self.site, self.backstage, self.store = arena.site, arena.backstage, arena.store()
        [self.email] = arena.people("revoked", 1)
        self.held: list[Credential] = []
        self.answered = Semaphore(0)

    def by_session(self) -> Credential | None:
        member = Member(self.site)
        answer = member.log_in(self.email, PASSWORD)
        assert answer.status in (200, 401), answer
        # A revocation just before the answer of a login leaves the client a cookie without a session.
        record = self.store.get(f":1:session:{digest(member.session)}")
        return Credential(member, "session", records.read(record)["_auth_ver"]) if record else None

    def by_token(self) -> Credential | None:
        holder = Holder(self.site)
        answer = holder.log_in(self.email, PASSWORD)
        assert answer.status in (200, 401), answer
        return Credential(holder, "jwt", holder.claims["ver"]) if answer.status == 200 else None

    def call(self, credential: Credential, path: str) -> Call:
        sent = monotonic()
        answer = credential.client.send("GET", f"/{credential.flow}/api/{path}")
        assert answer.status in (200, 401), answer
        return Call(credential, path, sent, answer.status)

    def log_in_anew(self) -> None:
        """Gets a session and a token for the next round. The token is issued without a login, to save a hash."""
        self.answered = Semaphore(0)
        session = self.by_session()
        [[refresh, access]] = self.backstage.ask("families", self.email, 1, AGENT)
        holder = Holder(self.site, refresh, access)
        assert session
        self.held = [session, Credential(holder, "jwt", holder.claims["ver"])]

    def keep_calling(self, number: int) -> list[Call]:
        """Sends two requests. Four callers cover both credentials, and for each of them both paths as the first."""
        credential, calls = self.held[number % 2], []
        for turn in range(2):
            calls.append(self.call(credential, PATHS[(number // 2 + turn) % 2]))
            self.answered.release()
        return calls

    def revoke(self, after: int) -> tuple[int, float]:
        """Revokes after `after` answers; returns the new token_version and the time after the revocation."""
        for _ in range(after):
            assert self.answered.acquire(timeout=PATIENCE)
        return self.backstage.ask("revoke_all", self.email), monotonic()


def test_nothing_issued_before_a_revocation_is_let_in_after_it(arena: Arena) -> None:
    seen: Counter[str] = Counter()
    target = Target(arena)
    for number in range(ROUNDS):
        target.log_in_anew()
        callers: list[Callable[[], Any]] = [partial(target.keep_calling, caller) for caller in range(CALLERS)]
        log_in = target.by_token if number % 2 else target.by_session
        # In some rounds all callers have had an answer before the revocation, in some none has.
        *made, new, (token_version, returned) = together(
            *callers, log_in, partial(target.revoke, number % (CALLERS + 1))
        )
        for call in (call for calls in made for call in calls):
            late = call.sent > returned
            assert not (late and call.status == 200), (call, token_version)
            seen[f"{call.credential.flow} {call.path} {call.status}{' late' * late}"] += 1
        assert_out(target, target.held + ([new] if new and new.token_version < token_version else []))
        seen["logins that lost" if new is None or new.token_version < token_version else "logins that came after"] += 1
    assert_it_was_a_race(seen)


def assert_out(target: Target, credentials: list[Credential]) -> None:
    for credential in credentials:
        statuses = [target.call(credential, path).status for path in PATHS]
        assert statuses == [401, 401], credential


def assert_it_was_a_race(seen: Counter[str]) -> None:
    """Each flow accepted requests at each path before the revocation, and some logins lost against it."""
    for flow in ("session", "jwt"):
        for path in PATHS:
            assert seen[f"{flow} {path} 200"], seen
    assert seen["logins that lost"], seen
