"""The added rows are those of real logins, and the watch sees for how long a lock is held."""

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import redis

from benchmarks import growth, load, servers
from benchmarks.client import Login
from benchmarks.contestant import STOCK, Place
from benchmarks.contestants import CONTESTANTS
from benchmarks.filling import BASE, session_key
from benchmarks.growth import EVERY, LockWatch, _is_free, fill, housekeeping, watching_lock
from benchmarks.load import Load
from benchmarks.measures import Target
from benchmarks.servers import Server
from config.environment import ROOT
from config.stores import SESSIONS

OURS, STOCK_DJANGO = CONTESTANTS["ours"], CONTESTANTS["stock"]
# Each table that grows with logins, and how many of a hundred logins have a row there.
TABLES = {
    "sessions_demo_devicesession": 100,
    "jwt_demo_tokenfamily": 100,
    "token_blacklist_outstandingtoken": 100,
    "token_blacklist_blacklistedtoken": 50,
    "security_securityevent": 100,
    "security_knownclient": 100,
    "security_useraccess": 100,
}


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("store") / "valkey.sock"
    with servers.running_store(path):
        yield path


@pytest.fixture
def own_socket(tmp_path: Path) -> Iterator[Path]:
    """A store for one test that counts keys. Other tests add sessions to the shared store."""
    with servers.running_store(tmp_path / "valkey.sock"):
        yield tmp_path / "valkey.sock"


def prepared(name: str, folder: Path, store: Path) -> Place:
    place = Place(folder / name, store, servers.free_port())
    place.folder.mkdir()
    CONTESTANTS[name].prepare(place)
    return place


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory, socket: Path) -> Place:
    """This project with a thousand added logins, before a turn of housekeeping."""
    place = prepared("ours", tmp_path_factory.mktemp("growth"), socket)
    fill(OURS, place, 0, 1000)
    return place


def count(place: Place, table: str, where: str = "1") -> int:
    with closing(sqlite3.connect(place.folder / "db.sqlite3")) as database:
        return int(database.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0])  # noqa: S608


def keys(place: Place, number: int) -> int:
    with closing(redis.Redis(unix_socket_path=str(place.store), db=number)) as store:
        return int(store.dbsize())


def inside(place: Place, code: str) -> Any:
    """Runs this code in the site's environment. Returns the value of `found`."""
    code = f"import json, django; django.setup(); {code}; print(json.dumps(found))"
    command = [sys.executable, "-c", code]
    # The lines of the log come before it.
    lines = subprocess.check_output(command, cwd=ROOT, env=OURS.environment(place), text=True).splitlines()
    return json.loads(lines[-1])


def whoami(base: str, number: int) -> httpx.Response:
    cookie = {"Cookie": f"__Host-sessionid={session_key(number)}"}
    return httpx.get(f"{base}/session/api/whoami", headers=OURS.headers | cookie)


@pytest.mark.exhaustive
def test_exactly_so_many_rows_and_sessions_are_added(tmp_path: Path, own_socket: Path) -> None:
    ours = prepared("ours", tmp_path, own_socket)
    fill(OURS, ours, 0, 1000)
    before = count(ours, "accounts_user")
    assert {name: count(ours, name) for name in TABLES} == {name: 10 * share for name, share in TABLES.items()}
    assert keys(ours, SESSIONS) == 980
    fill(OURS, ours, 1000, 3000)
    assert {name: count(ours, name) for name in TABLES} == {name: 30 * share for name, share in TABLES.items()}
    assert keys(ours, SESSIONS) == 2940
    assert count(ours, "accounts_user") == before + 2000
    assert count(ours, "sqlite_master", "type = 'index' AND name = 'session_by_user'") == 1
    assert inside(ours, "from django.db import connection as c; found = c.check_constraints()") is None


@pytest.mark.exhaustive
def test_an_added_session_is_as_good_as_a_real_one(ours: Place) -> None:
    """Also after the time for which the rows are not read again: its token_version and its hash are right."""
    with servers.running(OURS, ours) as server:
        answer = whoami(server.base, 7)
        assert (answer.status_code, answer.json()) == (200, {"userId": str(BASE + 7), "role": "member"})
        assert whoami(server.base, 100).status_code == 401
        real = Login.of(server, OURS.flows[0], 0).cookies["__Host-sessionid"]
    read = "SessionStore({key!r}).load()"
    code = "from sessions_demo.store import SessionStore; from sessions_demo import lifecycle; "
    pair = f"[{read.format(key=session_key(7))}, {read.format(key=real)}]"
    added, real_record = inside(ours, f"{code}found = {pair}")
    assert {name: type(value) for name, value in added.items()} == {
        name: type(value) for name, value in real_record.items()
    }
    renewed = (
        f"s = SessionStore({session_key(8)!r}); s['_auth_seen'] -= 3600; lifecycle.renew(s); "
        "found = [s.get('_auth_user_id'), s.forgotten_user]"
    )
    assert inside(ours, code + renewed) == [str(BASE + 8), None]


@pytest.mark.exhaustive
def test_housekeeping_finds_what_has_run_out(tmp_path: Path, socket: Path) -> None:
    place = prepared("ours", tmp_path, socket)
    fill(OURS, place, 5000, 6000)
    found = housekeeping(OURS, place)
    assert found["tasks"].keys() == {"sessions", "tokens", "keys", "denylist", "revocations"}
    assert 0 < sum(found["tasks"].values()) <= found["turn"]
    assert 0 <= found["longest_lock"] < found["turn"]
    assert count(place, "sessions_demo_devicesession") == 990
    assert count(place, "sessions_demo_devicesession", "reason = 'expired'") == 10
    assert count(place, "jwt_demo_tokenfamily") == 990
    assert count(place, "jwt_demo_tokenfamily", "reason = 'expired'") == 10
    assert count(place, "token_blacklist_outstandingtoken") == 980
    assert count(place, "token_blacklist_blacklistedtoken") == 490


@pytest.mark.exhaustive
def test_stock_django_is_filled_too(tmp_path: Path, own_socket: Path) -> None:
    place = prepared("stock", tmp_path, own_socket)
    fill(STOCK_DJANGO, place, 0, 1000)
    assert count(place, "token_blacklist_outstandingtoken") == 1000
    assert count(place, "token_blacklist_blacklistedtoken") == 500
    assert keys(place, STOCK) == 980
    with servers.running(STOCK_DJANGO, place) as server:
        headers = STOCK_DJANGO.headers | {"Cookie": f"sessionid={session_key(7)}"}
        assert httpx.get(f"{server.base}/session/drf/whoami", headers=headers).status_code == 200


@pytest.mark.exhaustive
@pytest.mark.skipif(not load.is_available(), reason="there is no wrk on the PATH")
def test_each_size_is_measured() -> None:
    said: list[str] = []
    # A Unix socket's path is short.
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        found = growth.measure(Path(folder), 3, said.append, sizes=(200, 400))
    assert len(said) == 4
    measured = {(row["contestant"], row["rows"], row["flow"], row["operation"]) for row in found["growth"]}
    assert measured == {
        (name, rows, kind, operation)
        for name, flows in growth.OPERATIONS.items()
        for rows in (200, 400)
        for kind, operations in flows.items()
        for operation in operations
    }
    assert all(0 < row["p50"] <= row["p95"] and row["rate"] > 0 for row in found["growth"])
    assert [row["rows"] for row in found["housekeeping"]] == [200, 400]


def test_each_load_goes_around_the_sizes_and_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a machine that becomes slower and slower, all sizes have the same result."""
    asked: list[tuple[str, int]] = []

    def slower_each_time(target: Target, operation: str, seconds: int) -> Load:
        asked.append((operation, target.server.place.port))
        return Load(100, 1000 - (len(asked) - 1) % 6, 1, 2, 3, None)

    monkeypatch.setattr(Target, "load", slower_each_time)
    process = cast(Any, None)
    running = {rows: Server(STOCK_DJANGO, Place(tmp_path, tmp_path, rows), process) for rows in (10, 100, 1000)}
    found = growth._go_around(running, 2)
    assert [port for operation, port in asked if operation == "whoami"] == [10, 100, 1000, 1000, 100, 10]
    assert {(row["operation"], row["rate"]) for row in found} == {("whoami", 997.5), ("refresh", 997.5)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "db.sqlite3"
    with closing(sqlite3.connect(path)) as database:
        database.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER)")
    return path


def hold(database: sqlite3.Connection, seconds: float) -> float:
    """Holds the lock. Returns for how many seconds it was really held."""
    database.execute("BEGIN IMMEDIATE")
    began = time.perf_counter()
    database.execute("INSERT INTO t VALUES (1)")
    time.sleep(seconds)
    database.execute("COMMIT")
    return time.perf_counter() - began


def test_the_watch_sees_how_long_the_lock_is_held(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as database, watching_lock(file) as watch:
        time.sleep(0.05)
        assert watch.longest == 0
        held = max(hold(database, seconds) for seconds in (0.005, 0.05, 0.01))
        time.sleep(0.05)
    assert held / 2 < watch.longest < 3 * held


def test_two_short_holds_are_no_long_one(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as database, watching_lock(file) as watch:
        held = []
        for _ in range(10):
            held.append(hold(database, 0.02))
            time.sleep(100 * EVERY)
    assert 0.01 < watch.longest < sum(held) / 2


def test_only_a_lock_is_taken_for_one(file: Path) -> None:
    watch = LockWatch()
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("BEGIN")
        with pytest.raises(sqlite3.OperationalError, match="transaction"):
            watch.watch(database)
        database.execute("ROLLBACK")
        assert _is_free(database)
