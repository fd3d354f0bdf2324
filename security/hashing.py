"""The threads that hash passwords: one for each core in this process's share, and at least one.

Needs Django. Gives `compute` for one hash, and `turn` around all hashes of one login, so that it waits only once.

A hash takes 19 MiB and a core. If the server's own threads hashed, there would be as many hashes at once as threads,
each of these threads would keep the memory, and all other requests would wait for a core.
"""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import copy_context
from functools import cached_property
from pathlib import Path
from typing import Any

from security.waits import WAITS, Busy

# Seconds that a request waits for its turn.
PATIENCE = 5
# A container's limit: microseconds of processor time, and in how many microseconds; "max" for no limit.
LIMIT = Path("/sys/fs/cgroup/cpu.max")
# The niceness of the threads that hash: other work on the machine comes first.
NICE = 10


class Pool:
    """The hashing threads of one process, and the requests that wait for one, in order of arrival."""

    def __init__(self) -> None:
        self._lock, self._taken = threading.Lock(), 0
        self._queue: deque[Any] = deque()
        # In the thread of a request, `turn`: whether it has its turn. In a hashing thread, `hashes`: True.
        self._here = threading.local()

    @cached_property
    def size(self) -> int:
        """How many hashes are computed at once. Read at the first hash, when all processes of the server have begun."""
        return max(1, _cores() // _processes())

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.size, "hashing", initializer=self._begin_thread)

    def _begin_thread(self) -> None:
        self._here.hashes = True
        # Under gevent this is not a thread of its own, and on macOS a thread has no priority of its own. There the
        # whole process would get the lower priority.
        if sys.platform == "linux" and threading.get_native_id() != os.getpid():
            with suppress(OSError):
                os.nice(NICE)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Reserves one of the threads for what is computed inside. Raises `Busy`."""
        if self._has_turn():
            yield
            return
        self._take()
        self._here.turn = True
        try:
            yield
        finally:
            self._here.turn = False
            self._give_back()

    def _has_turn(self) -> bool:
        return getattr(self._here, "turn", False) or getattr(self._here, "hashes", False)

    def _take(self) -> None:
        if not self._takes_free_one(()):
            with WAITS.one_more():
                self._wait()

    def _takes_free_one(self, waiters: Iterable[Any]) -> bool:
        """Takes a thread for the caller if one is free, and returns whether it was. Otherwise it queues `waiters`."""
        with self._lock:
            if self._taken < self.size:
                self._taken += 1
                return True
            self._queue.extend(waiters)
            return False

    def _wait(self) -> None:
        waiter = threading.Lock()
        waiter.acquire()
        if self._takes_free_one([waiter]) or waiter.acquire(timeout=PATIENCE):
            return
        with self._lock:
            # If the waiter is no longer in the queue, it got its turn at the last moment.
            if waiter in self._queue:
                self._queue.remove(waiter)
                raise Busy(f"No password could be hashed within {PATIENCE} s.")

    def _give_back(self) -> None:
        with self._lock:
            if self._queue:
                self._queue.popleft().release()
            else:
                self._taken -= 1

    def compute(self, work: Callable[..., Any], *arguments: Any) -> Any:
        # A hashing thread must not wait for another one: with one thread it would wait for itself.
        if getattr(self._here, "hashes", False):
            return work(*arguments)
        with self.turn():
            computed = self._threads.submit(copy_context().run, work, *arguments)
            with WAITS.aside():
                return computed.result()


POOL = Pool()


def turn() -> AbstractContextManager[None]:
    """For use around all hashes of one login, which then waits only once. Raises `Busy`."""
    return POOL.turn()


def compute(work: Callable[..., Any], *arguments: Any) -> Any:
    """Runs `work` in a hashing thread, in the caller's context, and returns or raises what it does. Raises `Busy`."""
    return POOL.compute(work, *arguments)


def _renew() -> None:
    """A forked process has none of the threads, and one of them may have held a lock when it was forked."""
    global POOL
    POOL = Pool()


os.register_at_fork(after_in_child=_renew)


def _cores() -> int:
    if sys.platform != "linux":
        return os.cpu_count() or 1
    cores = len(os.sched_getaffinity(0))
    # A container may see all cores of the machine and be allowed to use only a few.
    with suppress(OSError, ValueError):
        allowed, period = LIMIT.read_text().split()
        cores = min(cores, int(allowed) // int(period))
    return cores


def _processes() -> int:
    """How many processes share the cores: the value of `WEB_CONCURRENCY`, which gunicorn and uvicorn read too.

    Without it, the number of the parent's children that run this same program, such as a server's workers.
    """
    said = os.environ.get("WEB_CONCURRENCY", "")
    if said.isdecimal() and int(said):
        return int(said)
    with suppress(OSError):  # not Linux
        return max(1, sum(map(_is_like_this, Path("/proc").glob("[0-9]*"))))
    return 1


def _is_like_this(process: Path) -> bool:
    with suppress(OSError):  # the process has ended, or belongs to another user
        parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        return int(parent) == os.getppid() and (process / "exe").samefile("/proc/self/exe")
    return False
