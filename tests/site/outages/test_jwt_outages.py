"""The JWT flow: an outage of the store logs no user out, and a login ended during an outage stays ended.

A store that dies may have carried out a command without answering it. In such a test either answer is right,
and the test checks that what follows agrees with the answer.
"""

from collections.abc import Callable
from functools import partial

import pytest

from tests.running import Site, Store, until
from tests.sampling import sampled
from tests.site.backstage import Backstage
from tests.site.holder import AGENT, COOKIE, Holder
from tests.site.member import Member
from tests.site.outages.away import AWAY, Away, assert_unavailable, dying, stopped

PASSWORD = "demo-only-alice"
CHANGE = {"current": PASSWORD, "new": "correct horse alice"}
JSON = ["/jwt/api/whoami", "/jwt/api/profile", "/jwt/api/staff", "/jwt/api/devices"]
INVALID, REVOKED = {"error": "Invalid refresh token"}, {"error": "Access revoked"}
MARKER = "denylist:lease"
# Seconds within which housekeeping, which runs every second, has caught up after an outage.
SOON = 5


@pytest.fixture
def email(backstage: Backstage, request: pytest.FixtureRequest) -> str:
    """A user for this test only."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name).lower()
    [email] = backstage.ask("people", name[-60:], 1, "alice@example.com")
    return email


@pytest.fixture
def holders(site: Site, backstage: Backstage, email: str) -> list[Holder]:
    """Two clients in which the user is logged in."""
    holders = [Holder(site, *tokens) for tokens in backstage.ask("families", email, 2, AGENT)]
    assert [holder.whoami() for holder in holders] == [200, 200]
    return holders


@AWAY
def test_whoever_was_in_stays_in_and_can_refresh_meanwhile(holders: list[Holder], store: Store, away: Away) -> None:
    holder = holders[0]
    before, workers = Holder(holder.site, access=holder.access), holder.site.process_ids("gunicorn")
    with away(store, holder.site):
        for path in JSON:
            answer = holder.send("GET", path)
            assert_unavailable(answer)
            assert set(answer.json) == {"error"}
        for path, body in (
            ("reauthenticate", {"password": PASSWORD}),
            ("password", CHANGE),
            ("logout-everywhere", None),
        ):
            assert_unavailable(holder.send("POST", f"/jwt/auth/{path}", body))
        for _ in range(2):
            assert holder.keep(holder.rotate()).status == 200
        assert_unavailable(holder.send("GET", "/jwt/api/whoami"))
    assert (before.whoami(), holder.whoami(), holder.rotate().status) == (200, 200, 200)
    assert holder.site.process_ids("gunicorn") == workers


@AWAY
def test_nobody_logs_in_without_the_store(
    site: Site, email: str, backstage: Backstage, store: Store, away: Away
) -> None:
    with away(store, site):
        for password in (PASSWORD, "a guess"):
            for more in ({}, {"transport": "body"}, {"refresh": False}):
                answer = Holder(site).log_in(email, password, **more)
                assert_unavailable(answer)
                assert set(answer.json) == {"error"}
    assert backstage.ask("outstanding_tokens", email) == {}
    assert Holder(site).log_in(email, PASSWORD).status == 200


# ── What is ended while the store is away ──────────────────────────────────────────────────────


def log_out(holder: Holder, backstage: Backstage, email: str) -> None:
    answer = holder.send("POST", "/jwt/auth/logout")
    assert_unavailable(answer)
    assert answer.json == {"error": "Logout failed"}


def be_revoked(holder: Holder, backstage: Backstage, email: str) -> None:
    assert backstage.ask("revoke", email) is False


def be_banned(holder: Holder, backstage: Backstage, email: str) -> None:
    backstage.ask("ban", email)
    assert backstage.ask("pending") == ["deactivated"]


ENDINGS = pytest.mark.parametrize("ending", [log_out, be_revoked, be_banned])
Ending = Callable[[Holder, Backstage, str], None]


@AWAY
@ENDINGS
def test_what_ended_during_an_outage_is_told_to_the_store_on_its_return(
    holders: list[Holder], backstage: Backstage, email: str, store: Store, away: Away, ending: Ending
) -> None:
    holder, other = holders
    with away(store, holder.site):
        ending(holder, backstage, email)
        # A refresh reads the family's row, so it is refused at once.
        answer = holder.rotate()
        assert (answer.status, answer.json) == (401, INVALID if ending is log_out else REVOKED)
    # After an outage shorter than its lease the marker is still set. The access token may pass until housekeeping runs.
    store.client(1).set(MARKER, 1, ex=600)
    until(lambda: holder.whoami() == 401, SOON)
    until(lambda: not backstage.ask("pending"), SOON)
    assert other.whoami() == (200 if ending is log_out else 401)
    answer = holder.send("POST", "/jwt/auth/logout")
    assert (answer.status, answer.cookie(COOKIE)) == (200, "")


@ENDINGS
def test_after_a_longer_outage_it_is_refused_from_the_first_request_even_without_housekeeping(
    holders: list[Holder], backstage: Backstage, email: str, store: Store, ending: Ending
) -> None:
    holder, other = holders
    with stopped(holder.site.process_ids("housekeeping")):
        store.kill()
        ending(holder, backstage, email)
        store.start()
        store.client(1).delete(MARKER)  # it expires after some seconds
        assert holder.whoami() == 401
        assert other.whoami() == (200 if ending is log_out else 401)
        assert store.client(1).exists(MARKER)
    until(lambda: not backstage.ask("pending"), SOON)


def test_a_store_that_comes_back_empty_lets_nobody_back_in(
    site: Site, holders: list[Holder], backstage: Backstage, email: str, store: Store
) -> None:
    [banned_email] = backstage.ask("people", "emptied", 1, "alice@example.com")
    banned, short, (ended, live) = Holder(site), Holder(site), holders
    # These logins have no refresh token, so no row of a family says that they have ended.
    assert banned.log_in(banned_email, PASSWORD, refresh=False).status == 200
    assert short.log_in(email, PASSWORD, refresh=False).status == 200
    backstage.ask("ban", banned_email)
    # A process that just got no answer from Redis does not ask again for a second: housekeeping revokes instead.
    until(lambda: not backstage.ask("pending"), SOON)
    for holder in (ended, short):
        assert holder.send("POST", "/jwt/auth/logout").status == 200
    assert [one.whoami() for one in (banned, ended, short, live)] == [401, 401, 401, 200]
    with stopped(site.process_ids("housekeeping")):
        for one in (banned, ended, short):  # each sends the first request after a flush
            store.client().flushall()
            assert [one.whoami(), live.whoami()] == [401, 200]
    store.client().flushall()
    until(lambda: store.client(1).exists(MARKER), SOON)
    assert [one.whoami() for one in (banned, ended, short, live)] == [401, 401, 401, 200]


# ── What is under way when the store dies ──────────────────────────────────────────────────────


# Each login sends two commands to Redis: one counts the attempt, the other takes the count back.
@pytest.mark.parametrize(("number", "after"), sampled([(1, 1), (1, 2), (8, 6), (8, 12), (8, 16)], [(1, 1), (8, 12)]))
def test_a_login_under_way_when_the_store_dies_has_happened_or_has_not(
    site: Site, store: Store, backstage: Backstage, email: str, number: int, after: int
) -> None:
    holders = [Holder(site) for _ in range(number)]
    with stopped(site.process_ids("housekeeping")):  # its commands would be counted too
        answers = dying(store, after, site, *[partial(holder.log_in, email, PASSWORD) for holder in holders])
    for answer in answers:
        assert answer.status == 200 or assert_unavailable(answer) is None
    let_in = [holder for holder in holders if holder.access]
    assert len(let_in) == sum(answer.status == 200 for answer in answers)
    assert {holder.whoami() for holder in let_in} | {holder.rotate().status for holder in let_in} <= {200}
    live = [family for family in backstage.ask("outstanding_tokens", email).values() if not family["ended"]]
    assert len(live) == len(let_in)


def test_a_logout_under_way_when_the_store_dies_has_happened(holders: list[Holder], store: Store) -> None:
    holder, other = holders
    site = holder.site
    with stopped(site.process_ids("housekeeping")):
        [answer] = dying(store, 1, site, partial(holder.send, "POST", "/jwt/auth/logout"))
        # Redis may have written the denial before it died or not. The family's row is ended in both cases.
        assert answer.status == 200 or answer.json == {"error": "Logout failed"}
        assert (holder.rotate().status, holder.rotate().json) == (401, INVALID)
    until(lambda: holder.whoami() == 401, SOON)
    assert other.whoami() == 200


# The request sends three commands to Redis: it reads the denylist, counts the attempt and takes the count back.
@pytest.mark.parametrize("after", sampled(range(1, 4), {2}))
def test_a_confirmation_under_way_when_the_store_dies_has_happened_or_has_not(
    holders: list[Holder], store: Store, after: int
) -> None:
    holder, site = holders[0], holders[0].site
    with stopped(site.process_ids("housekeeping")):
        reauthenticate = partial(holder.send, "POST", "/jwt/auth/reauthenticate", {"password": PASSWORD})
        [answer] = dying(store, after, site, reauthenticate)
    assert answer.status == 200 or assert_unavailable(answer) is None
    reauthenticated = answer.status == 200
    assert holder.rotate().status == (401 if reauthenticated else 200)
    if reauthenticated:
        assert (holder.given(answer).whoami(), holder.given(answer).rotate().status) == (200, 200)


# One command more than reauthentication, for the revocation. If there is a session, it is deleted just before.
CHANGES = [(2, False), (3, False), (4, False), (3, True), (4, True), (5, True)]


@pytest.mark.parametrize(("after", "with_session"), sampled(CHANGES, [(4, False), (4, True)]))
def test_a_password_change_under_way_when_the_store_dies_ends_all_else_or_changes_nothing(
    holders: list[Holder], backstage: Backstage, email: str, store: Store, after: int, with_session: bool
) -> None:
    holder, other = holders
    site, member = holder.site, Member(holder.site)
    if with_session:
        assert member.log_in(email, PASSWORD).status == 200
    with stopped(site.process_ids("housekeeping")):
        [answer] = dying(store, after, site, partial(holder.send, "POST", "/jwt/auth/password", CHANGE))
    assert answer.status == 200 or assert_unavailable(answer) is None
    until(lambda: not backstage.ask("pending"), 20)
    changed = backstage.ask("token_version", email) > 0
    assert answer.status == 503 or changed
    until(lambda: (holder.whoami(), other.whoami()) == ((401, 401) if changed else (200, 200)), SOON)
    assert {holder.rotate().status, other.rotate().status} == {401 if changed else 200}
    if with_session:
        assert member.whoami() == (401 if changed else 200)
    if "accessToken" in answer.json:
        assert (holder.given(answer).whoami(), holder.given(answer).rotate().status) == (200, 200)
