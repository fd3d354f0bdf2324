"""Ways to take the store or the database away under a running site, and the answers expected meanwhile."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from tests import records
from tests.running import Site, Store, until
from tests.sampling import sampled
from tests.site.member import together
from tests.site.postgres import Postgres


@contextlib.contextmanager
def store_elsewhere() -> Iterator[Store]:
    """A store in its own process, which no site starts or stops."""
    store = Store(Path(tempfile.mkdtemp(prefix="store-")) / "valkey.sock")
    store.start()
    try:
        yield store
    finally:
        store.kill()
        shutil.rmtree(store.path.parent)


@contextlib.contextmanager
def killed(store: Store, site: Site) -> Iterator[None]:
    store.kill()
    try:
        yield
    finally:
        store.start()
        well_again(site)


@contextlib.contextmanager
def hung(store: Store, site: Site) -> Iterator[None]:
    assert store.process
    store.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        store.process.send_signal(signal.SIGCONT)
        well_again(site)


def well_again(site: Site) -> None:
    """Waits until every web process has noticed that the store answers again.

    Each process is asked while the others are stopped: otherwise one process could answer all requests while another
    one, which got no answer from the store a moment ago, does not ask it for a second.
    """
    _, *workers = site.process_ids("gunicorn")
    for worker in workers:
        with stopped([other for other in workers if other != worker]):
            until(site.is_ready)


Away = Callable[[Store, Site], AbstractContextManager[None]]
# A store that hangs is waited for and then as good as dead, which test_session_outages.py shows.
AWAY = pytest.mark.parametrize("away", sampled([killed, hung], {killed}))


def assert_unavailable(answer: Any) -> None:
    assert answer.status == 503, answer
    assert int(answer.headers["Retry-After"]) > 0
    assert "Set-Cookie" not in answer.headers
    assert "no-store" in answer.headers["Cache-Control"]


@contextlib.contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    until(lambda: stop_between_writes(pids))
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def stop_between_writes(pids: list[int]) -> bool:
    """Stops these processes, unless one of them holds a file lock: it would lock all others out of SQLite."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    until(lambda: all(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T" for pid in pids))
    locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    if not any(lock[3] == "WRITE" and int(lock[4]) in pids for lock in locks if lock[1] == "POSIX"):
        return True
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    return False


def killing(store: Store, after: int, monitor: Any) -> None:
    """Kills the store after `after` commands from clients."""
    while after:
        after -= monitor.next_command()["client_type"] != "lua"
    store.kill()


def dying(store: Store, after: int, site: Site, *work: Callable[[], Any]) -> list[Any]:
    """Runs `work` in parallel, kills the store after `after` commands and restarts it; returns the results."""
    try:
        with store.client().monitor() as monitor:
            *answers, _ = together(*work, partial(killing, store, after, monitor))
    finally:
        store.restart()
        well_again(site)
    return answers


@contextlib.contextmanager
def hung_postgresql(postgres: Postgres, site: Site) -> Iterator[None]:
    """Stops all its processes: the one that accepts connections and those that serve them."""
    postmaster = int((postgres.data / "postmaster.pid").read_text().split()[0])
    with stopped([postmaster, *children(postmaster)]):
        yield
    well_again(site)


def children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


@contextlib.contextmanager
def read_only_postgresql(postgres: Postgres, site: Site) -> Iterator[None]:
    address, _, name = site.environment["DATABASE_URL"].rpartition("/")
    change = f"ALTER DATABASE {name} SET default_transaction_read_only = "
    drop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    with psycopg.connect(f"{address}/postgres", autocommit=True) as admin:
        admin.execute(change + "on")
        admin.execute(drop, [name])
        try:
            yield
        finally:
            admin.execute(change + "off")
            admin.execute(drop, [name])
    well_again(site)


def long_ago(site: Site, seconds: int) -> None:
    """Sets back the time at which each session was last used, by this many seconds."""
    address = site.environment.get("REDIS_URL", f"unix://{site.store_socket}")
    sessions = redis.Redis.from_url(address)
    records.set_back(sessions, ":1:session:*", "_auth_seen", seconds)
