"""A store that answers but refuses writes logs no user out, and a ban takes effect before it accepts writes again."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from accounts.models import User
from jwt_demo.revocation import LEASE
from security.models import PendingRevocation
from tests.conftest import Clock, full, read_only
from tests.jwt_demo.conftest import LOGOUT, PROFILE, WHOAMI, Holder
from tests.jwt_demo.conftest import logged_in as holder_of
from tests.running import Store
from tests.sessions_demo.conftest import DEVICES, PROFILE_PAGE, Visitor, database_away
from tests.sessions_demo.conftest import WHOAMI as SESSION_WHOAMI
from tests.sessions_demo.conftest import logged_in as visitor_of

Outage = Callable[[Store], AbstractContextManager[None]]
OUTAGES = pytest.mark.parametrize("outage", [read_only, full])
# Seconds since `last used` was last stored. After this time every request would store it again.
LATER = 120


@pytest.fixture(autouse=True)
def committed(transactional_db: None) -> None:
    """Real transactions: revocations are written to the stores after the commit."""


@pytest.fixture
def visitor(alice: User, clock: Clock) -> Visitor:
    clock(0)
    visitor = visitor_of()
    clock(LATER)
    return visitor


@pytest.fixture
def holder(alice: User, clock: Clock) -> Holder:
    clock(0)
    holder = holder_of()
    clock(LATER)
    holder.raise_request_exception = False
    return holder


def lease_runs_out(store: Store) -> None:
    """Deletes the lease, as if it had expired. The store must take writes for that, so it is no replica meanwhile."""
    client = store.client(1)
    client.replicaof("no", "one")
    client.config_set("maxmemory", 0)
    client.delete(LEASE)


def ban(user: User) -> None:
    user.is_active = False
    user.save()


@OUTAGES
def test_a_session_that_was_not_ended_goes_on_however_long_no_write_is_taken(
    visitor: Visitor, store: Store, clock: Clock, outage: Outage
) -> None:
    with outage(store):
        for second in (LATER, LATER + 1, LATER + 59, LATER + 60, LATER + 600):
            clock(second)
            assert (visitor.whoami(), visitor.get(PROFILE_PAGE).status_code) == (200, 200)
    assert visitor.whoami() == 200


@OUTAGES
def test_the_rows_of_a_session_are_asked_at_every_request_until_a_write_is_taken(
    visitor: Visitor, store: Store, measured: Any, outage: Outage
) -> None:
    with outage(store):
        for _ in range(3):
            with measured() as cost:
                assert visitor.whoami() == 200
            assert (cost.redis, len(cost.sql)) == (["GET", "SET"], 2)
    assert visitor.whoami() == 200
    with measured() as cost:
        assert visitor.whoami() == 200
    assert (cost.redis, cost.sql) == (["GET"], [])


def test_a_ban_that_cannot_reach_the_sessions_is_obeyed_within_the_minute(
    visitor: Visitor, alice: User, store: Store, clock: Clock
) -> None:
    assert visitor.whoami() == 200  # this stores that the session is in use
    with read_only(store):
        ban(alice)
        assert PendingRevocation.objects.count() == 1
        # Views that read the user's row refuse at once. Those that read only the record refuse when it is next updated.
        assert (visitor.get("/session/api/profile").status_code, visitor.get(PROFILE_PAGE).status_code) == (401, 302)
        assert visitor.whoami() == 200
        clock(LATER + 60)
        assert [visitor.whoami() for _ in range(3)] == [401] * 3
        assert visitor.get(DEVICES).status_code == 401


def test_a_store_without_memory_still_forgets_a_banned_session_at_once(
    visitor: Visitor, alice: User, store: Store
) -> None:
    with full(store):
        ban(alice)
        assert visitor.whoami() == 401


def test_a_session_is_503_when_no_store_can_tell(visitor: Visitor, store: Store) -> None:
    visitor.raise_request_exception = False
    with database_away():
        assert visitor.get(SESSION_WHOAMI).status_code == 200
        with read_only(store):
            assert visitor.get(SESSION_WHOAMI).status_code == 503
    assert visitor.whoami() == 200


def test_a_database_that_is_away_is_waited_for_once_in_a_request(visitor: Visitor, measured: Any) -> None:
    with measured() as cost, database_away():
        assert visitor.whoami() == 200
    assert len(cost.sql) == 1


def test_a_token_is_judged_by_the_database_while_the_list_cannot_be_kept_whole(
    holder: Holder, store: Store, measured: Any
) -> None:
    assert holder.whoami() == 200
    lease_runs_out(store)
    with read_only(store):
        with measured() as cost:
            assert holder.whoami() == 200
        assert (cost.redis, len(cost.sql)) == (["MGET", "SET"], 1)
        assert holder.call("GET", PROFILE).status_code == 200


ENDINGS: dict[str, Callable[[User, Holder], Any]] = {
    "ban": lambda user, holder: ban(user),
    "deletion": lambda user, holder: user.delete(),
    "logout": lambda user, holder: holder.call("POST", LOGOUT),
    "role": lambda user, holder: User.objects.filter(pk=user.pk).update(role="admin"),
}


@pytest.mark.parametrize("outage", [read_only, full])
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_what_is_revoked_while_the_list_cannot_be_told_is_401_at_once(
    holder: Holder, alice: User, store: Store, outage: Outage, ending: Callable[[User, Holder], Any]
) -> None:
    lease_runs_out(store)
    with outage(store):
        assert holder.whoami() == 200
        ending(alice, holder)
        assert [holder.whoami() for _ in range(3)] == [401] * 3
    assert holder.whoami() == 401


def test_a_short_only_token_that_is_logged_out_meanwhile_stays_out(alice: User, store: Store) -> None:
    short, other = holder_of(refresh=False), holder_of(refresh=False)
    short.raise_request_exception = False
    lease_runs_out(store)
    with read_only(store):
        # The row is written, but the denylist cannot be.
        assert short.call("POST", LOGOUT).status_code == 503
        assert (short.whoami(), other.whoami()) == (401, 200)
    assert (short.whoami(), other.whoami()) == (401, 200)


def test_a_token_is_503_when_no_store_can_tell(holder: Holder, store: Store) -> None:
    lease_runs_out(store)
    with read_only(store), database_away():
        assert holder.call("GET", WHOAMI).status_code == 503
    assert holder.whoami() == 200
