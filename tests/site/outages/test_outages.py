"""The site's answers while the store or the database is away, and that it recovers when they are back.

The store and the database are stopped under the running site, whose processes go on.
"""

import contextlib
import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.health import STORES
from tests.running import Site, Store, until
from tests.site.outages.away import AWAY, Away, assert_unavailable, well_again
from tests.site.postgres import Postgres
from tests.site.visitor import Answer, Visitor

OPEN_PAGES = ["/", "/accounts/register/", "/accounts/password/reset/", "/admin/login/"]


@pytest.fixture(scope="module")
def admin(site: Site) -> Visitor:
    """An administrator who is logged in."""
    return Visitor(site).log_in()


def assert_page_is_unavailable(answer: Answer) -> None:
    assert_unavailable(answer)
    assert answer.headers["Content-Security-Policy"]
    for inside in ("Traceback", "redis", "sqlite", "psycopg", "Error"):
        assert inside not in answer.text


def web_workers(site: Site) -> list[int]:
    return site.process_ids("gunicorn")


def test_a_store_elsewhere_is_the_only_one(admin: Visitor) -> None:
    assert admin.site.process_ids("valkey-server") == []
    assert admin.get("/admin/").status == 200


@AWAY
def test_without_the_store_nobody_is_logged_out(admin: Visitor, store: Store, away: Away) -> None:
    cookies, workers = dict(admin.cookies), web_workers(admin.site)
    with away(store, admin.site):
        page = admin.get("/admin/")
        assert_page_is_unavailable(page)
        assert "still logged in" in page.text
        answer = admin.get("/admin/", Accept="application/json")
        assert_page_is_unavailable(answer)
        assert set(json.loads(answer.text)) == {"error"}
        assert admin.cookies == cookies
    well_again(admin.site)
    assert admin.get("/admin/").status == 200
    assert admin.cookies == cookies
    assert web_workers(admin.site) == workers


@AWAY
def test_without_the_store_nobody_logs_in_and_no_guess_is_free(admin: Visitor, store: Store, away: Away) -> None:
    visitor = Visitor(admin.site)
    with away(store, admin.site):
        for password in ("demo-only-alice", "a guess"):
            answer = visitor.submit("/admin/login/", username="admin@example.com", password=password)
            assert answer.status == 503
            assert answer.headers["Retry-After"]
        for path in ("/accounts/register/", "/accounts/password/reset/"):
            assert visitor.submit(path, email="new@example.com", name="New").status == 503
    well_again(admin.site)
    visitor.log_in()


@AWAY
def test_without_the_store_whoever_needs_none_is_served(admin: Visitor, store: Store, away: Away) -> None:
    with away(store, admin.site):
        for path in (*OPEN_PAGES, stylesheet(admin.site), "/healthz"):
            assert Visitor(admin.site).get(path).status == 200, path
        assert admin.get("/healthz").status == 200
        ready = admin.get("/readyz")
        assert_page_is_unavailable(ready)
        assert json.loads(ready.text)["checks"] == {"database": "ok"} | dict.fromkeys(STORES, "unavailable")
        assert Visitor(admin.site).get("/nowhere/").status == 404
    well_again(admin.site)


def stylesheet(site: Site) -> str:
    [path] = [path for path in (site.folder / "var" / "static").glob("site.*.css") if path.name != "site.css"]
    return f"/static/{path.name}"


def answers_in_a_row(visitor: Visitor) -> set[int]:
    """The statuses of enough requests in a row to reach every web process."""
    return {visitor.get("/admin/").status for _ in range(12)}


def test_a_restart_of_the_store_between_two_requests_is_not_noticed(admin: Visitor, store: Store) -> None:
    assert answers_in_a_row(admin) == {200}
    store.restart()
    assert answers_in_a_row(admin) == {200}


# ── The database ───────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def moved_away(site: Site) -> Iterator[Path]:
    """The SQLite file, with its write-ahead log if there is one, in another folder."""
    var, elsewhere = site.folder / "var", site.folder / "elsewhere"
    elsewhere.mkdir()
    for file in var.glob("db.sqlite3*"):
        file.rename(elsewhere / file.name)
    try:
        yield var / "db.sqlite3"
    finally:
        for file in elsewhere.iterdir():
            file.rename(var / file.name)
        elsewhere.rmdir()


def assert_database_is_missed(admin: Visitor) -> None:
    assert_page_is_unavailable(admin.get("/admin/"))
    assert_page_is_unavailable(admin.get("/admin/", Accept="application/json"))
    ready = admin.get("/readyz")
    assert_page_is_unavailable(ready)
    assert json.loads(ready.text)["checks"] == {"database": "unavailable"} | dict.fromkeys(STORES, "ok")
    visitor = Visitor(admin.site)
    for path in (*OPEN_PAGES, stylesheet(admin.site), "/healthz"):
        assert visitor.get(path).status == 200, path
    assert visitor.submit("/admin/login/", username="admin@example.com", password="demo-only-admin").status == 503
    assert visitor.submit("/accounts/register/", email="new@example.com", name="New").status == 503


def assert_all_is_well(admin: Visitor) -> None:
    well_again(admin.site)
    assert admin.get("/admin/").status == 200
    assert "alice@example.com" in admin.get("/admin/accounts/user/").text
    Visitor(admin.site).log_in()


def test_without_the_database_file_nobody_is_logged_out_and_no_empty_one_appears(admin: Visitor) -> None:
    processes, written = admin.site.processes(), admin.site.log.stat().st_size
    with moved_away(admin.site) as path:
        assert_database_is_missed(admin)
        until(lambda: "housekeeping task failed" in admin.site.log.read_text()[written:])
        assert not path.exists()
    assert_all_is_well(admin)
    assert admin.site.processes() == processes
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.fixture(scope="module")
def pg_admin(postgres: Postgres) -> Iterator[Visitor]:
    """An administrator of a site on PostgreSQL."""
    with Site(DATABASE_URL=postgres.create("outages")) as site:
        yield Visitor(site).log_in()


@pytest.mark.postgres
@pytest.mark.exhaustive
def test_without_postgresql_nobody_is_logged_out(pg_admin: Visitor, postgres: Postgres) -> None:
    processes, written = pg_admin.site.processes(), pg_admin.site.log.stat().st_size
    postgres.stop()
    try:
        assert_database_is_missed(pg_admin)
        until(lambda: "housekeeping task failed" in pg_admin.site.log.read_text()[written:])
    finally:
        postgres.start()
    assert_all_is_well(pg_admin)
    assert pg_admin.site.processes() == processes


@pytest.mark.postgres
@pytest.mark.exhaustive
def test_a_restart_of_postgresql_between_two_requests_is_not_noticed(pg_admin: Visitor, postgres: Postgres) -> None:
    assert answers_in_a_row(pg_admin) == {200}
    postgres.stop()
    postgres.start()
    assert answers_in_a_row(pg_admin) == {200}


@pytest.mark.postgres
@pytest.mark.exhaustive
def test_a_postgresql_that_takes_no_connections_is_a_503_and_no_hang(pg_admin: Visitor, postgres: Postgres) -> None:
    postmaster = int((postgres.data / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGSTOP)
    try:
        # A thread that has a connection still works. A thread that needs a new one must not wait forever.
        assert pg_admin.get("/readyz").status in (200, 503)
    finally:
        os.kill(postmaster, signal.SIGCONT)
    assert_all_is_well(pg_admin)
