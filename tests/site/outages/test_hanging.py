"""A store that hangs is waited for once. Later requests are refused at once, and `/healthz` never waits."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median

import psycopg
import pytest

from config.stores import DATABASE_WAIT, STORE_WAIT
from tests.running import Site, Store
from tests.site.backstage import Backstage
from tests.site.holder import Holder
from tests.site.member import Answer, Member, exchange
from tests.site.outages.away import assert_unavailable, hung, hung_postgresql, long_ago, read_only_postgresql
from tests.site.postgres import Postgres

PASSWORD = "demo-only-alice"
ALICE = ("alice@example.com", PASSWORD)
# `/healthz` promises a supervisor an answer within this many seconds. Tests allow three times as much and, of many
# answers, compare the median, because the clients and the site share one machine.
HEALTH = 0.1


def seconds(work: Callable[[], Answer]) -> tuple[Answer, float]:
    started = time.monotonic()
    return work(), time.monotonic() - started


def healthz(site: Site) -> Answer:
    return exchange(site, "GET", "/healthz", None, {"Host": "10.0.0.7"})


@contextmanager
def waiting(work: Callable[[], Answer], clients: int, within: float = 0) -> Iterator[list[tuple[Answer, float]]]:
    """Starts this many clients within so many seconds, each of which does `work`. The list that it yields holds, at the
    end, each answer and the seconds it took."""
    answers: list[tuple[Answer, float]] = []

    def one(number: int) -> tuple[Answer, float]:
        time.sleep(number * within / clients)
        return seconds(work)

    with ThreadPoolExecutor(clients) as pool:
        asked = [pool.submit(one, number) for number in range(clients)]
        yield answers
        answers += [one.result() for one in asked]


def watched(site: Site, duration: float) -> list[float]:
    """Asks `/healthz` ten times a second, as a supervisor does; returns the seconds that each answer took."""
    end, took = time.monotonic() + duration, []
    while time.monotonic() < end:
        answer, after = seconds(lambda: healthz(site))
        assert answer.status == 200
        took.append(after)
        time.sleep(0.1)
    return took


def test_two_hundred_clients_that_wait_for_a_hung_redis_do_not_hold_up_healthz(site: Site, store: Store) -> None:
    member = Member(site)
    assert member.log_in(*ALICE).status == 200
    with hung(store, site):
        with waiting(lambda: member.send("GET", "/session/api/whoami"), 200) as answers:
            onset = watched(site, 2 * STORE_WAIT)
        assert {answer.status for answer, _ in answers} == {503}
        for answer, _ in answers:
            assert_unavailable(answer)
        # The site knows now that Redis is silent: one request a second tries it, the others are refused at once.
        with waiting(lambda: member.send("GET", "/session/api/whoami"), 200, 2 * STORE_WAIT) as later:
            afterwards = watched(site, 2 * STORE_WAIT)
    slowest = max(took for _, took in answers), max(took for _, took in later)
    print(f"healthz {max(onset):.3f} s at the onset, {max(afterwards):.3f} s afterwards; clients {slowest} s")
    assert max(onset) < 3 * STORE_WAIT
    assert median(afterwards) < 3 * HEALTH
    # If every client waited, sixteen at a time, the last answer would come after twelve waits.
    assert max(slowest) < 200 / 16 * STORE_WAIT / 2
    assert member.whoami() == 200


def test_who_waits_for_a_hung_redis_waits_once(site: Site, store: Store) -> None:
    member = Member(site)
    assert member.log_in(*ALICE).status == 200
    with hung(store, site):
        for path in ("/session/api/devices", "/session/api/profile", "/readyz"):
            answer, took = seconds(lambda path=path: member.send("GET", path))
            assert (answer.status, took < 3 * STORE_WAIT) == (503, True), (path, took)
    assert member.whoami() == 200


# ── PostgreSQL ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def pg(postgres: Postgres) -> Iterator[Site]:
    """A site on PostgreSQL for this file only."""
    with Site(DATABASE_URL=postgres.create("hanging")) as site:
        yield site


@pytest.fixture(scope="module")
def pg_people(pg: Site) -> Iterator[Backstage]:
    with Backstage(pg) as backstage:
        yield backstage


@pytest.mark.postgres
@pytest.mark.exhaustive
def test_a_hung_postgresql_is_a_503_in_time_and_then_at_once(
    pg: Site, pg_people: Backstage, postgres: Postgres
) -> None:
    holder = Holder(pg)
    assert holder.log_in(*ALICE).status == 200
    with hung_postgresql(postgres, pg):
        with waiting(lambda: Holder(pg).log_in(*ALICE), 20) as answers:
            onset = watched(pg, 2)
        later = [seconds(work) for work in (holder.rotate, lambda: Holder(pg).log_in(*ALICE)) * 4]
    slowest = max(took for _, took in answers), max(took for _, took in later)
    print(f"healthz {max(onset):.3f} s; login {slowest[0]:.1f} s, then {slowest[1]:.3f} s")
    for answer, took in answers + later:
        assert_unavailable(answer)
        assert took < 3 * DATABASE_WAIT
    assert median(onset) < 3 * HEALTH
    assert median(took for _, took in later) < 1
    assert holder.keep(holder.rotate()).status == 200


@pytest.mark.postgres
@pytest.mark.exhaustive
def test_a_locked_row_holds_up_its_user_for_some_seconds_and_nobody_else(
    pg: Site, pg_people: Backstage, postgres: Postgres
) -> None:
    [email] = pg_people.ask("people", "locked", 1, ALICE[0])
    with psycopg.connect(pg.environment["DATABASE_URL"]) as other:
        other.execute("SELECT * FROM accounts_user WHERE email = %s FOR UPDATE", [email])
        with waiting(lambda: Holder(pg).log_in(email, PASSWORD), 4) as answers:
            onset = watched(pg, 2)
            assert Holder(pg).log_in(*ALICE).status == 200
    for answer, took in answers:
        assert_unavailable(answer)
        assert took < 3 * DATABASE_WAIT
    assert median(onset) < 3 * HEALTH
    assert Holder(pg).log_in(email, PASSWORD).status == 200


@pytest.mark.postgres
@pytest.mark.exhaustive
def test_twenty_clients_behind_a_locked_row_do_not_hold_up_healthz(
    pg: Site, pg_people: Backstage, postgres: Postgres
) -> None:
    [email] = pg_people.ask("people", "crowd", 1, ALICE[0])
    with psycopg.connect(pg.environment["DATABASE_URL"]) as other:
        other.execute("SELECT * FROM accounts_user WHERE email = %s FOR UPDATE", [email])
        with waiting(lambda: Holder(pg).log_in(email, PASSWORD), 20) as answers:
            took = watched(pg, 2 * DATABASE_WAIT)
    print(f"healthz {max(took):.3f} s; login {max(t for _, t in answers):.1f} s")
    assert median(took) < 3 * HEALTH
    assert {answer.status for answer, _ in answers} <= {503, 429}


@pytest.mark.postgres
@pytest.mark.exhaustive
def test_a_postgresql_that_takes_no_writes_is_a_503_where_something_must_be_written(
    pg: Site, pg_people: Backstage, postgres: Postgres
) -> None:
    holder, member = Holder(pg), Member(pg)
    assert (holder.log_in(*ALICE).status, member.log_in(*ALICE).status) == (200, 200)
    long_ago(pg, 120)
    with read_only_postgresql(postgres, pg):
        for work in (
            lambda: Holder(pg).log_in(*ALICE),
            lambda: Member(pg).log_in(*ALICE),
            holder.rotate,
            lambda: holder.send("POST", "/jwt/auth/logout"),
        ):
            assert_unavailable(work())
        assert (holder.whoami(), member.whoami(), member.get("/session/api/profile").status) == (200, 200, 200)
        ready = member.get("/readyz")
        assert (ready.status, ready.json["checks"]["database"]) == (503, "takes no writes")
    assert (holder.whoami(), member.whoami(), holder.rotate().status) == (200, 200, 200)


@pytest.mark.postgres
@pytest.mark.exhaustive
def test_a_migration_may_take_longer_than_a_request_waits(pg: Site) -> None:
    sleep = "SELECT pg_sleep(6)"
    assert DATABASE_WAIT < 6
    migrate = (
        f"from django.db import connection\nwith connection.schema_editor() as editor: editor.execute('{sleep}')\n"
    )
    ask = "connection.cursor().execute('SHOW statement_timeout'); print('done')"
    assert "done" in pg.manage("shell", "--verbosity", "0", "-c", migrate + ask)
    try_it = f"""
from django.db import OperationalError, connection
try:
    connection.cursor().execute('{sleep}')
except OperationalError as error:
    print('refused', error)
"""
    assert "refused" in pg.manage("shell", "--verbosity", "0", "-c", migrate + try_it)
