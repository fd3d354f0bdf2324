"""What the site says while a store is away, and that it is well again when the store is back.

The store and the database are ended under the running site, whose processes go on.
"""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Site, Store, until
from tests.site.postgres import Postgres
from tests.site.visitor import Answer, Visitor

OPEN_PAGES = ["/", "/accounts/register/", "/accounts/password/reset/", "/admin/login/"]


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """A store that is not the site's own: whose end does not end the site."""
    store = Store(Path(tempfile.mkdtemp(prefix="store-")) / "valkey.sock")
    store.start()
    try:
        yield store
    finally:
        store.kill()
        shutil.rmtree(store.path.parent)


@pytest.fixture(autouse=True)
def empty_store() -> None:
    """These sessions are to stay."""


@pytest.fixture(scope="module")
def admin(store: Store) -> Iterator[Visitor]:
    """An administrator, logged in to a site with a store elsewhere."""
    site = Site()
    (site.folder / ".env").write_text(f"DEMO=1\nALLOWED_HOSTS=localhost,127.0.0.1\nREDIS_URL=unix://{store.path}\n")
    try:
        yield Visitor(site.start()).log_in()
    finally:
        site.destroy()


@contextlib.contextmanager
def killed(store: Store) -> Iterator[None]:
    store.kill()
    try:
        yield
    finally:
        store.start()


@contextlib.contextmanager
def hung(store: Store) -> Iterator[None]:
    store.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        store.process.send_signal(signal.SIGCONT)


AWAY = pytest.mark.parametrize("away", [killed, hung])


def assert_unavailable(answer: Answer) -> None:
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in answer.headers
    for inside in ("Traceback", "redis", "sqlite", "psycopg", "Error"):
        assert inside not in answer.text


def web_workers(site: Site) -> list[int]:
    return site.process_ids("gunicorn")


def test_a_store_elsewhere_is_the_only_one(admin: Visitor) -> None:
    assert admin.site.process_ids("valkey-server") == []
    assert admin.get("/admin/").status == 200


@AWAY
def test_without_the_store_nobody_is_logged_out(admin: Visitor, store: Store, away) -> None:
    cookies, workers = dict(admin.cookies), web_workers(admin.site)
    with away(store):
        page = admin.get("/admin/")
        assert_unavailable(page)
        assert "still logged in" in page.text
        answer = admin.get("/admin/", Accept="application/json")
        assert_unavailable(answer)
        assert set(json.loads(answer.text)) == {"error"}
        assert admin.cookies == cookies
    until(lambda: admin.get("/readyz").status == 200)
    assert admin.get("/admin/").status == 200
    assert admin.cookies == cookies
    assert web_workers(admin.site) == workers


@AWAY
def test_without_the_store_nobody_logs_in_and_no_guess_is_free(admin: Visitor, store: Store, away) -> None:
    visitor = Visitor(admin.site)
    with away(store):
        for password in ("demo-only-alice", "a guess"):
            answer = visitor.submit("/admin/login/", username="admin@example.com", password=password)
            assert answer.status == 503
            assert answer.headers["Retry-After"]
        for path in ("/accounts/register/", "/accounts/password/reset/"):
            assert visitor.submit(path, email="new@example.com", name="New").status == 503
    until(lambda: admin.get("/readyz").status == 200)
    visitor.log_in()


@AWAY
def test_without_the_store_whoever_needs_none_is_served(admin: Visitor, store: Store, away) -> None:
    with away(store):
        for path in (*OPEN_PAGES, stylesheet(admin.site), "/healthz"):
            assert Visitor(admin.site).get(path).status == 200, path
        assert admin.get("/healthz").status == 200
        ready = admin.get("/readyz")
        assert_unavailable(ready)
        assert json.loads(ready.text)["checks"] == {"database": "ok", "store": "unavailable"}
        assert Visitor(admin.site).get("/nowhere/").status == 404
    until(lambda: admin.get("/readyz").status == 200)


def stylesheet(site: Site) -> str:
    [path] = [path for path in (site.folder / "var" / "static").glob("site.*.css") if path.name != "site.css"]
    return f"/static/{path.name}"


def answers_in_a_row(visitor: Visitor) -> set[int]:
    """Of enough requests to meet every web process."""
    return {visitor.get("/admin/").status for _ in range(12)}


def test_a_restart_of_the_store_between_two_requests_is_not_noticed(admin: Visitor, store: Store) -> None:
    assert answers_in_a_row(admin) == {200}
    with killed(store):
        pass
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
    assert_unavailable(admin.get("/admin/"))
    assert_unavailable(admin.get("/admin/", Accept="application/json"))
    ready = admin.get("/readyz")
    assert_unavailable(ready)
    assert json.loads(ready.text)["checks"] == {"database": "unavailable", "store": "ok"}
    visitor = Visitor(admin.site)
    for path in (*OPEN_PAGES, stylesheet(admin.site), "/healthz"):
        assert visitor.get(path).status == 200, path
    assert visitor.submit("/admin/login/", username="admin@example.com", password="demo-only-admin").status == 503
    assert visitor.submit("/accounts/register/", email="new@example.com", name="New").status == 503


def assert_all_is_well(admin: Visitor) -> None:
    until(lambda: admin.get("/readyz").status == 200)
    assert admin.get("/admin/").status == 200
    assert "alice@example.com" in admin.get("/admin/accounts/user/").text
    Visitor(admin.site).log_in()


def test_without_the_database_file_nobody_is_logged_out_and_no_empty_one_appears(admin: Visitor) -> None:
    processes = admin.site.processes()
    with moved_away(admin.site) as path:
        assert_database_is_missed(admin)
        until(lambda: "housekeeping task failed" in admin.site.log.read_text())
        assert not path.exists()
    assert_all_is_well(admin)
    assert admin.site.processes() == processes
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.fixture(scope="module")
def pg_admin(postgres: Postgres) -> Iterator[Visitor]:
    """An administrator of a site on PostgreSQL."""
    site = Site(DATABASE_URL=postgres.create("outages"))
    try:
        yield Visitor(site.start()).log_in()
    finally:
        site.destroy()


@pytest.mark.postgres
def test_without_postgresql_nobody_is_logged_out(pg_admin: Visitor, postgres: Postgres) -> None:
    processes = pg_admin.site.processes()
    postgres.stop()
    try:
        assert_database_is_missed(pg_admin)
        until(lambda: "housekeeping task failed" in pg_admin.site.log.read_text())
    finally:
        postgres.start()
    assert_all_is_well(pg_admin)
    assert pg_admin.site.processes() == processes


@pytest.mark.postgres
def test_a_restart_of_postgresql_between_two_requests_is_not_noticed(pg_admin: Visitor, postgres: Postgres) -> None:
    assert answers_in_a_row(pg_admin) == {200}
    postgres.stop()
    postgres.start()
    assert answers_in_a_row(pg_admin) == {200}


@pytest.mark.postgres
def test_a_postgresql_that_takes_no_connections_is_a_503_and_no_hang(pg_admin: Visitor, postgres: Postgres) -> None:
    postmaster = int((postgres.data / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGSTOP)
    try:
        # A thread with a connection goes on; one that needs a new one must not wait for good.
        assert pg_admin.get("/readyz").status in (200, 503)
    finally:
        os.kill(postmaster, signal.SIGCONT)
    assert_all_is_well(pg_admin)
