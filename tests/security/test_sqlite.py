"""The SQLite backend keeps its connections, but not once the file is replaced, and not in a forked process."""

import contextlib
import gc
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.test import RequestFactory

from security.models import HousekeepingRun
from security.sqlite import base
from tests.conftest import counting


@pytest.fixture
def file(file_database: None) -> Path:
    """The database file. This thread has a connection to it."""
    names()
    wrapper = connections["default"]
    assert isinstance(wrapper, base.DatabaseWrapper)
    assert wrapper.path
    return wrapper.path


@contextlib.contextmanager
def request() -> Iterator[None]:
    """Does what Django does before and after a request."""
    request_started.send(sender=None)
    try:
        yield
    finally:
        request_finished.send(sender=None)


def names() -> list[str]:
    """The rows of the database, read in a request of its own."""
    with request():
        return sorted(HousekeepingRun.objects.values_list("task", flat=True))


def note(name: str) -> None:
    with request():
        HousekeepingRun.finished(name, "")


def others(file: Path, statement: str) -> list[Any]:
    """The rows that another connection gets. It does not wait for a lock."""
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=rw", uri=True, timeout=0)) as other, other:
        return other.execute(statement).fetchall()


def in_child(work: Callable[[], bool]) -> bool:
    """The result of `work` in a forked child process."""
    if (child := os.fork()) == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def ready() -> None:
    """Sends the site one request that reads the database."""
    answer = WSGIHandler()(RequestFactory()._base_environ(PATH_INFO="/readyz"), lambda *_: None)
    assert (answer.status_code, b'"database": "ok"' in answer.content) == (200, True)
    answer.close()


def test_a_thread_opens_the_file_once_however_many_requests_it_serves(
    file: Path, at_once: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    connect = base.DatabaseWrapper.get_new_connection
    monkeypatch.setattr(base.DatabaseWrapper, "get_new_connection", counting(connect, lambda *_: opened.append(1)))
    together = threading.Barrier(3)

    def serve(_: int) -> int:
        for _ in range(20):
            ready()
        together.wait(30)
        links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        together.wait(30)
        return sum(link.startswith(str(file)) for link in links)

    descriptors = at_once(3, serve)
    assert len(opened) == 3
    # Each of the four threads has the file and its log open, and all of them share one more file.
    assert max(descriptors) <= 2 * 4 + 1


def replaced(file: Path, folder: Path) -> Path:
    """Moves the database and puts an older copy in its place. Returns the new path of the newer one."""
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / "copy")) as copy, contextlib.closing(sqlite3.connect(file)) as old:
        old.backup(copy)
    note("of before")
    for each in file.parent.glob(f"{file.name}*"):
        each.rename(folder / each.name)
    shutil.copy(folder / "copy", file)
    return folder / file.name


def test_a_file_that_took_the_place_is_used_from_the_next_request_on(file: Path, tmp_path: Path) -> None:
    moved = replaced(file, tmp_path / "elsewhere")
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        with other:
            other.execute("INSERT INTO security_housekeepingrun VALUES ('of others', '2026-03-01 12:00:00', '')")
        log = Path(f"{file}-wal")
        its = base.identity(log)
        assert names() == ["of others"]
        # The old file's last connection is closed. SQLite must not remove the new file's log with it.
        assert base.identity(log) == its
        note("now")
    assert names() == ["now", "of others"]
    assert others(moved, "SELECT task FROM security_housekeepingrun") == [("of before",)]


def test_a_file_that_is_away_is_missed_and_found_again(file: Path, tmp_path: Path) -> None:
    note("before")
    for _ in range(2):
        moved = file.rename(tmp_path / "moved")
        for _ in range(2):
            with pytest.raises(OperationalError):
                names()
        assert not file.exists()
        moved.rename(file)
        assert names() == ["before"]


def begin() -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN IMMEDIATE")


def leave_autocommit_off() -> None:
    transaction.set_autocommit(False)
    HousekeepingRun.objects.create(task="never committed", at="2026-03-01T12:00Z")


@pytest.mark.parametrize("leave", [begin, leave_autocommit_off, lambda: transaction.atomic().__enter__()])
def test_a_request_leaves_no_transaction_behind(file: Path, leave: Callable[[], Any]) -> None:
    with request():
        leave()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            others(file, "DELETE FROM security_housekeepingrun")
    others(file, "INSERT INTO security_housekeepingrun VALUES ('of others', '2026-03-01 12:00:00', '')")
    # If a view left Django's own `atomic` block open, Django refuses every statement until it has ended.
    connections["default"].in_atomic_block = False
    connections["default"].connection = None
    assert names() == ["of others"]


def test_rows_that_a_request_left_unread_do_not_date_what_the_next_one_reads(file: Path) -> None:
    note("first")
    note("second")
    with request():
        kept = connection.cursor()
        kept.execute("SELECT task FROM security_housekeepingrun")
        assert kept.fetchone()
    others(file, "DELETE FROM security_housekeepingrun")
    assert names() == []


def has_lock_of_its_own(file: Path) -> bool:
    """Whether the system lists a lock of this process on this file."""
    names()
    locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(
        int(lock[4]) == os.getpid() and lock[5].endswith(f":{file.stat().st_ino}") for lock in locks if len(lock) > 6
    )


def use_journal() -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode=DELETE")


@contextlib.contextmanager
def uncommitted(file: Path, name: str) -> Iterator[Path]:
    """Runs the block in a transaction that has written. Yields its journal, which a rollback removes."""
    use_journal()
    with transaction.atomic():
        HousekeepingRun.objects.create(task=name, at="2026-03-01T12:00Z")
        journal = Path(f"{file}-journal")
        assert journal.exists()
        yield journal


def is_refused() -> bool:
    """Whether this process can neither use the inherited connection nor open the file."""
    with pytest.raises(DatabaseError):
        HousekeepingRun.objects.count()
    del connections["default"]
    gc.collect()
    with pytest.raises(OperationalError, match="forked"):
        names()
    return True


def test_a_child_opens_its_own_connection_and_the_parent_goes_on(file: Path) -> None:
    assert in_child(lambda: has_lock_of_its_own(file))
    assert has_lock_of_its_own(file)
    note("of the parent")
    assert names() == ["of the parent"]


def test_a_child_leaves_a_transaction_of_its_parent_alone(file: Path) -> None:
    with uncommitted(file, "of the parent") as journal:
        assert in_child(is_refused)
        assert journal.exists()
    assert names() == ["of the parent"]


def test_a_child_leaves_the_connections_of_other_threads_alone(file: Path) -> None:
    connections.close_all()
    forked = threading.Event()
    written: SimpleQueue[Path] = SimpleQueue()

    def write() -> None:
        with uncommitted(file, "of a thread") as journal:
            written.put(journal)
            forked.wait(30)
        connections.close_all()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        journal = written.get(timeout=30)
        assert in_child(is_refused)
        assert journal.exists()
    finally:
        forked.set()
        thread.join()
    assert names() == ["of a thread"]
