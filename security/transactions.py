"""Transactions that read a row and then change it.

Needs Django. Gives `write_transaction`, for use in the place of `transaction.atomic`.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from django.db import OperationalError, connections, transaction

# Seconds: how long Python's sqlite3 waits for the lock where a project sets no `timeout`.
WAIT = 5.0


@contextmanager
def write_transaction(durable: bool = False) -> Iterator[None]:
    """`transaction.atomic`, which on SQLite takes the write lock at its beginning.

    Otherwise SQLite takes it at the first write, unless a project sets `transaction_mode`. If another transaction has
    written since this one read, SQLite fails at once and the request is a 503. Of a few token refreshes at once most
    would fail. Inside another transaction this is only a savepoint, and takes no lock.
    """
    connection: Any = connections["default"]
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        with transaction.atomic(durable=durable):
            yield
    else:
        with _lock_at_once(connection), _turn(connection) as end, transaction.atomic(durable=durable):
            transaction.on_commit(end)  # registered first, because later callbacks may write as well
            yield


@contextmanager
def _lock_at_once(connection: Any) -> Iterator[None]:
    connection.ensure_connection()  # connecting sets `transaction_mode` from the settings
    late = connection.transaction_mode is None
    if late:
        connection.transaction_mode = "IMMEDIATE"
    try:
        yield
    finally:
        if late:
            connection.transaction_mode = None


@contextmanager
def _turn(connection: Any) -> Iterator[Callable[[], None]]:
    """Only one thread of this process is inside at a time for this file. It can end its turn early by calling `end`.

    A writer that waits for SQLite's lock sleeps for up to 100 ms, and others take the lock meanwhile: of sixteen
    threads some waited for seconds. Raises `OperationalError` after the time that SQLite itself would have waited. A
    thread that gets its turn may then wait as long again, for another process.
    """
    settings = connection.settings_dict
    queue = _queue(str(settings["NAME"]))
    if not queue.acquire(float(settings.get("OPTIONS", {}).get("timeout", WAIT))):
        raise OperationalError("database is locked")
    held = [queue.release]

    def end() -> None:
        while held:
            held.pop()()

    try:
        yield end
    finally:
        end()


class Queue:
    """A lock that threads get in the order in which they ask for it."""

    def __init__(self) -> None:
        self._mutex, self._waiting, self._is_held = Lock(), deque[Lock](), False

    def acquire(self, timeout: float) -> bool:
        """Waits at most `timeout` seconds for this thread's turn. Returns whether it came. Then call `release`."""
        turn = Lock()
        with self._mutex:
            if not self._is_held:
                self._is_held = True
                return True
            turn.acquire()
            self._waiting.append(turn)
        if turn.acquire(timeout=timeout):
            return True
        with self._mutex:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
        return True  # the turn came at the last moment

    def release(self) -> None:
        """Gives the turn to the thread that has waited longest."""
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_held = False


@cache
def _queue(name: str) -> Queue:
    return Queue()


# A forked process has none of the threads that hold a turn or wait for one.
os.register_at_fork(after_in_child=_queue.cache_clear)
