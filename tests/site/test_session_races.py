"""Two requests at once: the end of a session, or a revocation, wins against every request that is still running.

The running site has two processes. `SOAK=1` repeats each race as often as `make soak` says.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from accounts.models import User
from security.revocation import OWN_TIME, carry_out_pending, revoke_access
from sessions_demo.store import digest
from tests import records
from tests.conftest import Clock
from tests.sampling import sampled
from tests.site.arena import PASSWORD, Arena
from tests.site.member import Answer, Member, together

pytestmark = [pytest.mark.soak, pytest.mark.site]
SOAK = bool(os.environ.get("SOAK"))
NEW_PASSWORD = "correct horse alice"


# ── Two requests of one session, one of which ends it ──────────────────────────────────────────

# Rounds for each way to end a session: a few by default, with `SOAK=1` a thousand for each use.
ROUNDS = 334 if SOAK else 6


def read(member: Member) -> Answer:
    return member.send("GET", "/session/api/profile")


def reauthenticate(member: Member) -> Answer:
    return member.send("POST", "/session/auth/reauthenticate", {"password": PASSWORD})


def log_out(member: Member, elsewhere: Member) -> Answer:
    return member.send("POST", "/session/auth/logout")


def log_out_everywhere(member: Member, elsewhere: Member) -> Answer:
    return member.send("POST", "/session/auth/logout-everywhere")


def end_from_elsewhere(member: Member, elsewhere: Member) -> Answer:
    return elsewhere.send("DELETE", f"/session/api/devices/{member.device}")


def make_due(arena: Arena, member: Member) -> None:
    """Makes the next request of this session save the session, because its time of use is due to be noted."""
    records.set_back(arena.store(), arena.key(member.session), "_auth_seen", 3600)


@dataclass(frozen=True)
class Use:
    """A request, whether it notes the session's use, and after how many of its commands the session is ended."""

    send: Callable[[Member], Answer]
    due: bool
    after: tuple[int, ...]


USES = {
    "read": Use(read, False, (0, 1)),
    "renew": Use(read, True, (0, 1, 2)),
    # The third command takes the counted attempt back, as the password was right; the new id comes next.
    "reauthenticate": Use(reauthenticate, False, (2, 3, 4, 5, 6)),
}


# By default, each use and each ending once.
PAIRS = [("read", log_out), ("renew", end_from_elsewhere), ("reauthenticate", log_out_everywhere)]
ENDINGS = (log_out, log_out_everywhere, end_from_elsewhere)


@pytest.mark.parametrize(("name", "ending"), sampled(((use, ending) for use in USES for ending in ENDINGS), PAIRS))
def test_a_session_that_is_ended_while_it_is_used_stays_ended(
    arena: Arena, name: str, ending: Callable[..., Answer]
) -> None:
    use, records = USES[name], arena.store().dbsize()
    emails = arena.people(f"{name}-{ending.__name__}-".replace("_", "-"), ROUNDS)
    outcomes = Counter(
        race(arena, email, use, ending, use.after[number % len(use.after)]) for number, email in enumerate(emails)
    )
    assert not arena.backstage.ask("live").keys() & set(emails), outcomes
    assert arena.store().dbsize() == records, outcomes


def race(arena: Arena, email: str, use: Use, ending: Callable[..., Answer], after: int) -> str:
    """One round. The ending is sent after the store has received `after` commands of the other request."""
    member, elsewhere = arena.member(email), Member(arena.site)
    if ending is end_from_elsewhere:
        elsewhere = arena.member(email)
    if use.due:
        make_due(arena, member)
    with arena.store().monitor() as monitor:
        used, ended = together(lambda: use.send(member), lambda: when(monitor, after, ending, member, elsewhere))
    assert used.status in (200, 401), used
    new = Member(arena.site, used.session or "")
    if told_that_it_failed := ended.status == 401:
        # The request to log out everywhere came with an id that reauthentication had replaced, so the 401 is right.
        assert (ending, use.send, new.whoami()) == (log_out_everywhere, reauthenticate, 200)
        ended = log_out_everywhere(new, elsewhere)
    assert ended.status == 200, ended
    assert {member.whoami(), new.whoami()} == {401}, (after, used, ended)
    assert not arena.store().exists(arena.key(member.session), arena.key(new.session))
    elsewhere.post("/session/auth/logout")
    print(after, used.status, new.session and "new", ended.status)
    return f"{used.status}{' new id' * bool(new.session)}{' too late' * told_that_it_failed}"


def when(monitor: Any, after: int, act: Callable[..., Any], *arguments: Any) -> Any:
    """Calls `act` after the store has received `after` commands from clients."""
    while after:
        after -= monitor.next_command()["client_type"] != "lua"
    return act(*arguments)


# ── Logins that overlap a revocation ───────────────────────────────────────────────────────────

OVERLAPS, LOGINS = (500 if SOAK else 6), 8
# The commands of eight logins: each login counts the attempt, takes the count back, creates a record and writes it.
COMMANDS = 4 * LOGINS


def be_banned(arena: Arena, email: str, owner: Member) -> None:
    arena.backstage.ask("ban", email)


def change_password(arena: Arena, email: str, owner: Member) -> None:
    assert owner.post("/session/auth/password", {"current": PASSWORD, "new": NEW_PASSWORD}).status == 200


def end_everything(arena: Arena, email: str, owner: Member) -> None:
    assert owner.post("/session/auth/logout-everywhere").status == 200


REVOCATIONS = (be_banned, change_password, end_everything)


def test_a_login_that_overlaps_a_revocation_loses(arena: Arena) -> None:
    emails, outcomes = arena.people("overlap", OVERLAPS), Counter()
    for number, email in enumerate(emails):
        revoke = REVOCATIONS[number % len(REVOCATIONS)]
        outcomes += overlap(arena, email, revoke, after=number * 5 % COMMANDS)
    # It was a race: some logins were let in and then ended, others were refused.
    assert outcomes["ended"], outcomes
    assert outcomes["refused"], outcomes


def overlap(arena: Arena, email: str, revoke: Callable[..., None], after: int) -> Counter[str]:
    """One round: eight logins, and a revocation after the store has received `after` of their commands."""
    arena.store(1).flushdb()  # else refused logins of earlier rounds would throttle
    owner, members = arena.member(email), [Member(arena.site) for _ in range(LOGINS)]
    logins = [lambda member=member: member.log_in(email, PASSWORD) for member in members]
    with arena.store().monitor() as monitor:
        *answers, _ = together(*logins, lambda: when(monitor, after, revoke, arena, email, owner))
    statuses = {answer.status for answer in answers}
    assert statuses <= {200, 401}, (revoke, after, statuses)
    assert owner.whoami() == (200 if revoke is change_password else 401)
    alive = [digest(member.session) for member in members if member.whoami() == 200]
    rows, token_version = arena.backstage.ask("rows", email), arena.backstage.ask("token_version", email)
    # Only after logout everywhere does the password still work: a later login gets the new token_version.
    assert not alive or revoke is end_everything, (revoke, after)
    assert all(rows[name] == [token_version, None] for name in alive), (revoke, after, rows, token_version)
    assert sum(why is None for _, why in rows.values()) == len(alive) + (revoke is change_password)
    let_in = sum(answer.status == 200 for answer in answers)
    return Counter(ended=let_in - len(alive), refused=LOGINS - let_in, after=len(alive))


def test_housekeeping_leaves_a_revocation_to_whoever_began_it(
    alice: User, clock: Clock, django_capture_on_commit_callbacks: Callable[[], Any]
) -> None:
    with django_capture_on_commit_callbacks():  # the process that began it has not carried it out yet
        revoke_access(alice, "a test")
    assert carry_out_pending() == ""
    clock(OWN_TIME.total_seconds())  # the time for that has passed: the process has died
    assert carry_out_pending() == "1 of 1 carried out"
