"""The threads in which passwords are hashed: as many as this process has cores to itself, and at least one.

Needs Django. Gives `compute` for one hash, and `turn` around what one login hashes, with one wait for all.

A hash takes 19 MiB and a core. In the server's own threads as many logins as there are threads would be hashed at once,
every one of these threads would keep the memory, and all other requests would wait for a core.
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
# Microseconds of processor time, and in how many; "max" for no limit.
LIMIT = Path("/sys/fs/cgroup/cpu.max")
# How far hashing stands back behind what else the machine has to do.
NICE = 10


class Pool:
    """The threads of one process, and the requests that wait for one, in the order they came."""

    def __init__(self) -> None:
        self._lock, self._taken = threading.Lock(), 0
        self._queue: deque[Any] = deque()
        # Of the thread of a request: whether it has its turn. Of a thread that hashes: that it is one.
        self._here = threading.local()

    @cached_property
    def size(self) -> int:
        """How many hashes are computed at once. Not told before the first, when all processes are there."""
        return max(1, _cores() // _processes())

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.size, "hashing", initializer=self._begin_thread)

    def _begin_thread(self) -> None:
        self._here.hashes = True
        # Where this is no thread of its own, as under gevent, or a thread has no priority of its own, as on macOS, the
        # whole process would stand back.
        if sys.platform == "linux" and threading.get_native_id() != os.getpid():
            with suppress(OSError):
                os.nice(NICE)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Has one of the threads free for what is computed inside. Raises `Busy`."""
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
        """Whether a thread was free, which is the caller's now. Otherwise `waiters` are in the queue."""
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
            # Who is no longer there was called at the last moment.
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
        # A second thread may not be free before this one is.
        if getattr(self._here, "hashes", False):
            return work(*arguments)
        with self.turn():
            computed = self._threads.submit(copy_context().run, work, *arguments)
            with WAITS.aside():
                return computed.result()


POOL = Pool()


def turn() -> AbstractContextManager[None]:
    """Around what one login hashes: it waits once. Raises `Busy`."""
    return POOL.turn()


def compute(work: Callable[..., Any], *arguments: Any) -> Any:
    """What `work` gives or raises, in a thread that hashes, with the caller's context. Raises `Busy`."""
    return POOL.compute(work, *arguments)


def _renew() -> None:
    """A forked process has none of the threads, and the locks as one of them may have held them."""
    global POOL
    POOL = Pool()


os.register_at_fork(after_in_child=_renew)


def _cores() -> int:
    if sys.platform != "linux":
        return os.cpu_count() or 1
    cores = len(os.sched_getaffinity(0))
    # Of a container: all cores of the machine can be there, and few of them be allowed.
    with suppress(OSError, ValueError):
        allowed, period = LIMIT.read_text().split()
        cores = min(cores, int(allowed) // int(period))
    return cores


def _processes() -> int:
    """How many processes share the cores: what `WEB_CONCURRENCY` says, as for gunicorn and uvicorn themselves.

    Without it, the children that the parent has of this same program, of which a server's workers are some.
    """
    said = os.environ.get("WEB_CONCURRENCY", "")
    if said.isdecimal() and int(said):
        return int(said)
    with suppress(OSError):  # no Linux
        return max(1, sum(map(_is_like_this, Path("/proc").glob("[0-9]*"))))
    return 1


def _is_like_this(process: Path) -> bool:
    with suppress(OSError):  # it has ended, or is another user's
        parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        return int(parent) == os.getppid() and (process / "exe").samefile("/proc/self/exe")
    return False
