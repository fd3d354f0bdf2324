"""The session flow: an outage of the store logs no user out, and a login ended during an outage stays ended.

The store is killed, or hung, under a running site whose processes go on.
"""

import pytest

from tests.running import Site, Store, until
from tests.sampling import sampled
from tests.site.backstage import Backstage
from tests.site.member import Member
from tests.site.outages.away import AWAY, Away, assert_unavailable, dying, hung, killed, stopped

ALICE = ("alice@example.com", "demo-only-alice")
JSON = ["/session/api/whoami", "/session/api/profile", "/session/api/staff", "/session/api/devices"]
PAGES = ["/session/profile/", "/session/devices/", "/session/staff/"]


@pytest.fixture
def alice(site: Site) -> Member:
    member = Member(site)
    assert member.log_in(*ALICE).status == 200
    assert member.whoami() == 200
    return member


@pytest.mark.parametrize("away", [killed, hung])
def test_whoever_was_in_is_in_again_with_the_same_cookie(alice: Member, store: Store, away: Away) -> None:
    session, workers = alice.session, alice.site.process_ids("gunicorn")
    with away(store, alice.site):
        for path in JSON:
            answer = alice.get(path)
            assert_unavailable(answer)
            assert set(answer.json) == {"error"}
        for path in PAGES:
            answer = alice.get(path, Accept="text/html")
            assert_unavailable(answer)
            assert "still logged in" in answer.text
    assert alice.whoami() == 200
    assert [alice.get(path).status for path in PAGES] == [200, 200, 403]
    assert alice.session == session
    assert alice.site.process_ids("gunicorn") == workers


@AWAY
def test_a_logout_that_could_not_be_carried_out_says_so_and_is_none(alice: Member, store: Store, away: Away) -> None:
    with away(store, alice.site):
        answer = alice.post("/session/auth/logout")
        assert_unavailable(answer)
        assert answer.json == {"error": "Logout failed"}
        for path in ("/session/logout/", "/session/logout-everywhere/", "/session/auth/logout-everywhere"):
            assert_unavailable(alice.post(path))
    assert alice.whoami() == 200
    assert alice.post("/session/auth/logout").session == ""
    assert alice.whoami() == 401


@AWAY
def test_nobody_logs_in_without_the_store(site: Site, alice: Member, store: Store, away: Away) -> None:
    with away(store, site):
        for password in (ALICE[1], "a guess"):
            assert_unavailable(Member(site).log_in(ALICE[0], password))
    assert Member(site).log_in(*ALICE).status == 200


MOMENTS = [(1, 1), (1, 2), (1, 3), (1, 4), (8, 9), (8, 18), (8, 25), (8, 32)]


@pytest.mark.parametrize(("number", "after"), sampled(MOMENTS, [(1, 3), (8, 18)]))
def test_a_login_under_way_when_the_store_dies_has_happened_or_has_not(
    site: Site, store: Store, backstage: Backstage, number: int, after: int
) -> None:
    [email] = backstage.ask("people", f"login-{number}-{after}-", 1, ALICE[0])
    members = [Member(site) for _ in range(number)]
    logins = [lambda member=member: member.log_in(email, ALICE[1]) for member in members]
    answers = dying(store, after, site, *logins)
    for answer in answers:
        assert answer.status == 200 or assert_unavailable(answer) is None
    let_in = [member for member in members if member.session]
    assert len(let_in) == sum(answer.status == 200 for answer in answers)
    assert {member.whoami() for member in let_in} <= {200}
    assert backstage.ask("live").get(email, 0) == len(let_in)


@pytest.mark.parametrize("after", sampled(range(2, 7), {4, 5}))
def test_a_confirmation_under_way_when_the_store_dies_leaves_a_session_that_can_be_ended(
    site: Site, store: Store, backstage: Backstage, after: int
) -> None:
    [email] = backstage.ask("people", f"reauthenticate-{after}-", 1, ALICE[0])
    member, elsewhere = Member(site), Member(site)
    assert (member.log_in(email, ALICE[1]).status, elsewhere.log_in(email, ALICE[1]).status) == (200, 200)
    old = Member(site, member.session)
    reauthenticate = {"password": ALICE[1]}
    [answer] = dying(store, after, site, lambda: member.post("/session/auth/reauthenticate", reauthenticate))
    assert answer.status == 200 or assert_unavailable(answer) is None
    # Redis may have deleted the old id without answering: then neither id has a session, and none is listed,
    # but the row stays until it expires.
    listed = elsewhere.get("/session/api/devices").json["devices"]
    assert len(listed) == 1 + (member.whoami() == 200)
    elsewhere.send("DELETE", "/session/api/devices")
    assert (old.whoami(), member.whoami(), elsewhere.whoami()) == (401, 401, 200)


@pytest.mark.parametrize("after", sampled(range(2, 8), {4, 6}))
def test_a_password_change_under_way_when_the_store_dies_ends_every_old_id_or_changes_nothing(
    site: Site, store: Store, backstage: Backstage, after: int
) -> None:
    [email] = backstage.ask("people", f"change-{after}-", 1, ALICE[0])
    member, elsewhere = Member(site), Member(site)
    assert (member.log_in(email, ALICE[1]).status, elsewhere.log_in(email, ALICE[1]).status) == (200, 200)
    old = Member(site, member.session)
    change = {"current": ALICE[1], "new": "correct horse alice"}
    [answer] = dying(store, after, site, lambda: member.post("/session/auth/password", change))
    assert answer.status == 200 or assert_unavailable(answer) is None
    until(lambda: not backstage.ask("pending"))
    changed = backstage.ask("token_version", email) > 0
    assert (old.whoami(), elsewhere.whoami()) == ((401, 401) if changed else (200, 200))
    assert backstage.ask("live").get(email, 0) == (member.whoami() == 200) + (elsewhere.whoami() == 200)


def test_a_ban_during_an_outage_counts_at_once_and_is_carried_out_on_the_stores_return(
    site: Site, store: Store, backstage: Backstage
) -> None:
    [email] = backstage.ask("people", "banned", 1, ALICE[0])
    bob = Member(site)
    assert bob.log_in(email, ALICE[1]).status == 200
    assert bob.get("/session/api/profile").status == 200
    store.kill()
    backstage.ask("ban", email)
    assert backstage.ask("pending") == ["deactivated"]
    assert bob.get("/readyz").json["pending"] == 1
    with stopped(site.process_ids("housekeeping")):
        store.start()
        # `whoami` reads only the record in Redis and still answers; the profile also reads the row and refuses.
        assert bob.whoami() == 200
        assert bob.send("GET", "/session/api/profile").status == 401
        page = bob.send("GET", "/session/profile/", Accept="text/html")
        assert (page.status, page.headers["Location"]) == (302, "/session/login/?next=/session/profile/&over=revoked")
    until(lambda: bob.whoami() == 401, 5)
    until(lambda: bob.get("/readyz").json["pending"] == 0, 5)
    assert backstage.ask("pending") == []
