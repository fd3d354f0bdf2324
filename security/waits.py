"""Requests that wait for other requests: how many may wait, and what the server does with their threads meanwhile.

Needs Django. A login waits for a thread that hashes (`hashing.py`), or until attempts on the same account are settled
(`throttle.py`). Under `config/worker.py` another request is handled meanwhile. Under another server the request keeps
its thread: give that server more threads than a flood of logins may take.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock

from django.db import connections

# Waiting requests of one process: as many as one thread can hash for in the 5 s that each may wait, at 75 ms a hash.
MOST = 64


class Busy(Exception):
    """Too many requests wait already, or this one has waited for too long: 503 with `Retry-After`."""


class Waits:
    """Counts the requests of this process that wait. The thread of each is inside `aside` meanwhile."""

    def __init__(self) -> None:
        self._lock, self.number = Lock(), 0
        self.aside: Callable[[], AbstractContextManager[None]] = nullcontext

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """For use around a wait. Raises `Busy` at once if `MOST` requests wait already."""
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
    """Closes this thread's database connections: all waiting requests together could take more than there are."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


WAITS = Waits()
# A forked process has none of the threads that wait, and one of them may have held the lock when it was forked.
os.register_at_fork(after_in_child=WAITS.__init__)  # type: ignore[misc]
