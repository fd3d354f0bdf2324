"""Two requests at once for one token family: there is one successor or none, and a request that ends the family wins.

The running site has two processes; both databases are used. `SOAK=1` repeats each race as often as `make soak` says.
"""

import os
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from threading import Event
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from accounts.models import User
from jwt_demo import housekeeping, lifecycle, revocation
from jwt_demo.conf import access_lifetime
from jwt_demo.flow import FLOW
from jwt_demo.models import TokenFamily
from jwt_demo.revocation import CHECKS
from security.client import Client
from tests.conftest import NOON, Clock
from tests.running import Store, until
from tests.sampling import sampled
from tests.site.arena import PASSWORD, Arena
from tests.site.holder import Holder
from tests.site.member import PATIENCE, Answer, Member, together

pytestmark = [pytest.mark.soak, pytest.mark.site]
SOAK = bool(os.environ.get("SOAK"))
# Rounds of each race on one token, and of each race of refreshes with the end of the family.
ROUNDS, FEW = (200, 200) if SOAK else (10, 3)
THIEF = "thief/1.0"
REUSED, LATE, INVALID = "Token reuse detected", "Refresh token already used", "Invalid refresh token"
# After a change of the password in another login, the refusal says that the account was changed.
OVER = (INVALID, "Access revoked")


def statuses(answers: list[Answer]) -> Counter[int]:
    found = Counter(answer.status for answer in answers)
    assert set(found) <= {200, 401}, [answer for answer in answers if answer.status not in (200, 401)]
    return found


def assert_ended(arena: Arena, email: str, holders: list[Holder]) -> None:
    """No token of these clients is accepted, and every outstanding token of this user is blacklisted."""
    for holder in holders:
        assert holder.whoami() == 401, holder.claims
        answer = holder.rotate()
        assert (answer.status, answer.json["error"] in OVER) == (401, True), answer.json
    families = arena.backstage.ask("outstanding_tokens", email)
    assert all(family["ended"] and not family["good"] for family in families.values()), families


# ── One token, refreshed many times at once ────────────────────────────────────────────────────


@pytest.mark.parametrize("number", sampled([8, 32], {8}))
def test_parallel_refreshes_of_one_token_all_get_the_same_successor(arena: Arena, number: int) -> None:
    [email] = arena.people(f"retry{number}-", 1)
    for holder in arena.holders(email, ROUNDS):
        answers = together(*[holder.rotate] * number)
        assert statuses(answers) == {200: number}
        [successor] = {answer.cookie("__Host-refresh") for answer in answers}
        assert successor != holder.refresh
        # Each client stays logged in.
        assert {holder.given(answer).whoami() for answer in answers} == {200}
        assert holder.given(answers[0]).rotate().status == 200
    families = arena.backstage.ask("outstanding_tokens", email)
    assert len(families) == ROUNDS
    assert all(not family["ended"] and family["good"] == [family["latest"]] for family in families.values()), families


@pytest.mark.parametrize("number", sampled([8, 32], {8}))
def test_without_a_grace_period_parallel_refreshes_end_the_family(arena: Arena, number: int) -> None:
    [email] = arena.people(f"strict{number}-", 1)
    for holder in arena.holders(email, ROUNDS, window=0):
        answers = together(*[holder.rotate] * number)
        assert statuses(answers) == {200: 1, 401: number - 1}
        sentences = Counter(answer.json["error"] for answer in answers if answer.status == 401)
        assert set(sentences) <= {LATE, INVALID}
        assert sentences[LATE], sentences
        [winner] = [holder.given(answer) for answer in answers if answer.status == 200]
        assert (winner.whoami(), winner.rotate().json) == (401, {"error": INVALID})
    families = arena.backstage.ask("outstanding_tokens", email)
    assert len(families) == ROUNDS
    assert all(family["ended"] and not family["good"] for family in families.values()), families
    # Each round ends one family. The user keeps all other logins.
    assert arena.backstage.ask("token_version", email) == 0
    assert len(arena.backstage.ask("events", email, "authn_token_reuse")) == ROUNDS


def test_thief_and_owner_at_once_are_both_out(arena: Arena) -> None:
    emails = arena.people("theft", ROUNDS)
    for email in emails:
        owner, elsewhere = arena.holders(email, 2)
        member = Member(arena.site)
        assert member.log_in(email, PASSWORD).status == 200
        thief = Holder(arena.site, owner.refresh, agent=THIEF)
        answers = together(*[owner.rotate, thief.rotate] * 4)
        assert statuses(answers)[401]
        assert any(answer.status == 401 and answer.json["error"] == REUSED for answer in answers)
        holders = [owner.given(answer) for answer in answers if answer.status == 200]
        assert_ended(arena, email, [owner, elsewhere, *holders])
        assert member.whoami() == 401
        # Only the first replay counts: there is one revocation, one event and one mail.
        assert arena.backstage.ask("token_version", email) == 1
        [event] = arena.backstage.ask("events", email, "authn_token_reuse")
        assert event["everything"]
    for email in emails:
        until(lambda email=email: not arena.backstage.ask("mails", email)["due"])
        assert arena.backstage.ask("mails", email)["sent"] == ["Somebody else may have used your login"]


# ── Refreshes, and something that ends the family ──────────────────────────────────────────────


def log_out(arena: Arena, email: str, owner: Holder) -> None:
    assert owner.send("POST", "/jwt/auth/logout").status == 200


def log_out_everywhere(arena: Arena, email: str, owner: Holder) -> None:
    assert owner.send("POST", "/jwt/auth/logout-everywhere").status == 200


def be_banned(arena: Arena, email: str, owner: Holder) -> None:
    arena.backstage.ask("ban", email)


def be_revoked(arena: Arena, email: str, owner: Holder) -> None:
    assert arena.backstage.ask("revoke", email)


def change_password_elsewhere(arena: Arena, email: str, owner: Holder) -> None:
    member = Member(arena.site)
    assert member.log_in(email, PASSWORD).status == 200
    change = {"current": PASSWORD, "new": "correct horse alice"}
    assert member.post("/session/auth/password", change).status == 200


ENDINGS = (log_out, log_out_everywhere, be_banned, be_revoked, change_password_elsewhere)


@pytest.mark.parametrize("ending", sampled(ENDINGS, {log_out, be_banned}))
def test_a_family_that_is_ended_while_it_is_refreshed_stays_ended(arena: Arena, ending: Callable[..., None]) -> None:
    outcomes: Counter[int] = Counter()
    for number, email in enumerate(arena.people(f"{ending.__name__}-".replace("_", "-"), FEW)):
        [owner] = arena.holders(email, 1)
        end = partial(ending, arena, email, owner)
        *answers, _ = refresh_until_refused(owner, end, after=number % 4)
        outcomes += statuses(answers)
        assert_ended(arena, email, [owner, *map(owner.given, filter(lambda one: one.status == 200, answers))])
    # It was a race: there were refreshes before the end of the family, and one after it in each round.
    assert outcomes[200] >= FEW, outcomes
    assert outcomes[401] == FEW, outcomes


def refresh_until_refused(owner: Holder, end: Callable[[], Any], after: int) -> list[Any]:
    """Refreshes until refused, and calls `end` after `after` answers; returns the answers and the result of `end`."""
    started = Event()

    def refresh() -> list[Answer]:
        holder, answers = Holder(owner.site, owner.refresh), []
        while not answers or answers[-1].status == 200:
            answers.append(holder.keep(holder.rotate()))
            assert len(answers) < 1000, "it is never refused"
            if len(answers) > after:
                started.set()
        return answers

    def ending() -> Any:
        assert started.wait(PATIENCE)
        return end()

    answers, ended = together(refresh, ending)
    return [*answers, ended]


@pytest.mark.parametrize("ending", sampled([log_out, be_banned], {log_out}))
def test_a_burst_of_refreshes_does_not_outlive_the_end_of_its_family(arena: Arena, ending: Callable[..., None]) -> None:
    for email in arena.people(f"burst-{ending.__name__}-".replace("_", "-"), FEW):
        [owner] = arena.holders(email, 1)
        *answers, _ = together(*[owner.rotate] * 15, partial(ending, arena, email, owner))
        statuses(answers)
        assert_ended(arena, email, [owner, *(owner.given(answer) for answer in answers if answer.status == 200)])


def reauthenticate(holder: Holder) -> Answer:
    return holder.send("POST", "/jwt/auth/reauthenticate", {"password": PASSWORD})


def test_a_confirmation_voids_what_is_refreshed_meanwhile_and_leaves_one_token(arena: Arena) -> None:
    for number, email in enumerate(arena.people("reauthenticate", FEW)):
        [owner] = arena.holders(email, 1)
        *refreshed, _, reauthenticated = refresh_until_refused(owner, partial(reauthenticate, owner), after=number % 4)
        assert statuses([*refreshed, reauthenticated]) == {200: len(refreshed) + 1}
        for answer in refreshed:
            assert owner.given(answer).rotate().json == {"error": INVALID}
        # The refused refreshes did not end the family.
        assert owner.given(reauthenticated).whoami() == 200
        assert owner.given(reauthenticated).rotate().status == 200
        [family] = arena.backstage.ask("outstanding_tokens", email).values()
        assert (family["ended"], family["good"]) == (None, [family["latest"]])


@pytest.mark.postgres
@pytest.mark.exhaustive
def test_a_replay_and_a_confirmation_at_once_do_not_wait_for_each_other(pg_arena: Arena) -> None:
    """Both lock the user's row and the family's. If the order differed, a deadlock would make one answer a 503."""
    [email] = pg_arena.people("replay", 1)
    [owner] = pg_arena.holders(email, 1)
    stolen = Holder(pg_arena.site, owner.refresh, agent=THIEF)
    assert owner.keep(owner.rotate()).status == 200
    url = pg_arena.site.environment["DATABASE_URL"]
    with psycopg.connect(url) as holdup, psycopg.connect(url, autocommit=True) as observer:
        holdup.execute("SELECT FROM accounts_user WHERE email = %s FOR UPDATE", [email])
        reauthenticated, replayed, _ = together(
            partial(reauthenticate, owner),
            partial(when_so_many_wait, observer, 1, stolen.rotate),
            partial(when_so_many_wait, observer, 2, holdup.commit),
        )
    assert (reauthenticated.status, replayed.status, replayed.json) == (200, 401, {"error": REUSED})
    assert_ended(pg_arena, email, [owner, owner.given(reauthenticated)])


def when_so_many_wait(observer: psycopg.Connection, number: int, act: Callable[[], Any]) -> Any:
    """Calls `act` when this many connections to the database wait for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    until(lambda: observer.execute(waiting).fetchone() == (number,), PATIENCE)
    return act()


# ── In one process: something happens between two steps ────────────────────────────────────────


def test_a_denylist_that_is_lost_while_housekeeping_looks_is_not_called_whole(
    alice: User, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = lifecycle.start(alice, Client())
    TokenFamily.objects.update(ended=timezone.now() - timedelta(minutes=5))
    housekeeping.keep_complete()

    def lost() -> bool:
        store.client().flushall()
        return True

    monkeypatch.setattr(revocation, "is_complete", lost)
    housekeeping.keep_complete()
    assert not CHECKS["denylist"].allows(issued.access)


def test_no_token_outlives_the_denial_of_its_family_however_late_it_is_signed(alice: User, clock: Clock) -> None:
    family = lifecycle.start(alice, Client()).family
    lifecycle.cycle_key(family, alice)
    clock(30)
    assert FLOW.end(alice, family.pk, "a test")
    # The denylist forgets after ACCESS_TOKEN_LIFETIME from now.
    clock(60)
    assert lifecycle.reissue(family).access["exp"] <= NOON.timestamp() + 30 + access_lifetime()
