"""Requests that wait for other requests: how many may, and what the server does with their threads meanwhile.

Needs Django. A login waits for a thread that hashes (`hashing.py`), or for attempts of the same account to be settled
(`throttle.py`). `config/worker.py` lets another request be handled meanwhile. Under another server such a request keeps
its thread: give it more threads than one flood of logins should take.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock

from django.db import connections

# Requests of one process: what one thread hashes within the seconds that each may wait, at 75 ms a hash.
MOST = 64


class Busy(Exception):
    """Too many requests wait already, or this one has waited for too long: 503 with `Retry-After`."""


class Waits:
    """The requests of this process that wait. `aside` is entered by the thread of each while it does."""

    def __init__(self) -> None:
        self._lock, self.number = Lock(), 0
        self.aside: Callable[[], AbstractContextManager[None]] = nullcontext

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Around a wait. Raises `Busy` at once where `MOST` requests wait."""
        with self._lock:
            if self.number >= MOST:
                raise Busy("Too many requests wait for others.")
            self.number += 1
        try:
            _let_go()
            with self.aside():
                yield
        finally:
            with self._lock:
                self.number -= 1


def _let_go() -> None:
    """Closes this thread's connections to databases: those of all who wait could be more than the database has."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


WAITS = Waits()
# A forked process has none of the threads that wait, and the lock as one of them may have held it.
os.register_at_fork(after_in_child=WAITS.__init__)  # type: ignore[misc]
