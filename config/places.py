"""A pool of threads in which a fixed number of requests have a place. A request that waits gives its place to another.

Gives `Places`, the pool of `config/worker.py`. A login can wait for seconds until other logins are done. If it kept its
place, eight such logins would block all other requests. A login is also a hundred times the work of a read. So writes
have at most half of the places, and a read need not wait until many simultaneous logins are done.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread, local
from typing import Any


@dataclass(frozen=True)
class Item:
    """Work for a thread."""

    work: Callable[[], Any]
    writes: bool
    answered: Future[Any] = field(default_factory=Future)


class Places(Executor):
    """`number` places for requests, and threads for `aside` further requests that wait without a place.

    A thread gets an item of work only when there is a place for it. So the only threads that wait for a place are those
    that come back from a wait, and they are first. At most `number` threads without work stay, because each keeps a
    connection to the database. The one that worked last gets the next item.
    """

    def __init__(self, number: int, aside: int, at_end: Callable[[], None] = lambda: None) -> None:
        # The number of places that writes may have. A write that comes back from a wait may exceed it.
        self.number, self.writes, self._at_end = number, max(1, number // 2), at_end
        self._state, self._free, self._writing, self._most_aside = Lock(), number, 0, aside
        self._reads: deque[Item] = deque()
        self._writes: deque[Item] = deque()
        self._coming_back: deque[Any] = deque()
        # For each thread of this pool: the item with which it has a place.
        self._here = local()
        # The queues on which the threads without work wait. `None` ends a thread.
        self._idle: list[SimpleQueue[Item | None]] = []
        self._is_closed = False

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """As in any executor: a thread does the work. Reads begin in the order in which they were submitted."""
        return self._put(Item(partial(work, *arguments, **named), writes=False))

    def submit_write(self, work: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """As `submit`, for a request that is not a read."""
        return self._put(Item(partial(work, *arguments), writes=True))

    def _put(self, item: Item) -> Future[Any]:
        with self._state:
            (self._writes if item.writes else self._reads).append(item)
            begun = self._next()
        self._begin(begun)
        return item.answered

    def _next(self) -> Item | None:
        """Takes a place for the next item and returns the item; `None` without either. The caller holds the lock."""
        if not self._free:
            return None
        if self._writes and self._writing < self.writes:
            item = self._writes.popleft()
        elif self._reads:
            item = self._reads.popleft()
        else:
            return None
        self._free -= 1
        self._writing += item.writes
        return item

    def _begin(self, item: Item | None) -> None:
        if not item:
            return
        with self._state:
            inbox = self._idle.pop() if self._idle else None
        if inbox:
            inbox.put(item)
        else:
            # A daemon: at the end of the process gunicorn decides how long it waits for requests.
            Thread(target=self._run, args=(item,), name="request", daemon=True).start()

    def _run(self, item: Item | None) -> None:
        inbox: SimpleQueue[Item | None] = SimpleQueue()
        while item:
            self._do(item)
            item = inbox.get() if self._stays(inbox) else None
        self._at_end()

    def _do(self, item: Item | None) -> None:
        while item:
            self._here.item = item
            try:
                item.answered.set_result(item.work())
            except BaseException as error:
                item.answered.set_exception(error)
            item = self._leave()

    def _stays(self, inbox: "SimpleQueue[Item | None]") -> bool:
        with self._state:
            if self._is_closed or len(self._idle) >= self.number:
                return False
            self._idle.append(inbox)
            return True

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the threads without work now, and each other thread after its work."""
        with self._state:
            self._is_closed, idle, self._idle = True, self._idle, []
        for inbox in idle:
            inbox.put(None)

    def _leave(self) -> Item | None:
        """Gives up this thread's place. Returns the item that has it now, if there is one."""
        left, self._here.item = self._here.item, None
        with self._state:
            self._writing -= left.writes
            if self._coming_back:
                self._coming_back.popleft().release()
                return None
            self._free += 1
            return self._next()

    def write(self) -> bool:
        """Counts the work of this thread as a write from now on. `False` if writes already have all their places."""
        with self._state:
            if self._writing >= self.writes:
                return False
            self._writing += 1
        self._here.item = replace(self._here.item, writes=True)
        return True

    @contextmanager
    def aside(self) -> Iterator[None]:
        """For a wait in a thread of this pool: inside, another request has its place. No effect in other threads."""
        item = getattr(self._here, "item", None)
        if not item or not self._goes_aside():
            yield
            return
        try:
            yield
        finally:
            self._come_back(item)

    def _goes_aside(self) -> bool:
        with self._state:
            # The number of requests aside is limited, because each keeps its thread while another uses the place.
            if not self._most_aside:
                return False
            self._most_aside -= 1
        self._begin(self._leave())
        return True

    def _come_back(self, item: Item) -> None:
        turn = Lock()
        with self._state:
            if self._free:
                self._free -= 1
            else:
                turn.acquire()
                self._coming_back.append(turn)
        # Returns at once if a place was free; otherwise when another thread gives its place to this one.
        turn.acquire()
        with self._state:
            self._most_aside += 1
            self._writing += item.writes
        self._here.item = item
