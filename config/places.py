"""Threads of which only so many handle requests at once: one that waits for another lets a further one begin.

Gives `Places`, the pool of `config/worker.py`. A login waits up to seconds for others: with a thread for each place,
eight such logins would keep all other requests out. And it is a hundred times the work of a read: writes have half of
the places at most, so that a read does not stand behind all the logins that come at once.
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
    """`number` places, and threads for as many more requests that are `aside`.

    An item of work is given to a thread when there is a place for it, and not before: so no thread waits for a place
    but those that come back to theirs, which are let in first. Of the threads without work the last to have worked is
    the next one, and `number` of them stay: each keeps a connection to the database.
    """

    def __init__(self, number: int, aside: int, at_end: Callable[[], None] = lambda: None) -> None:
        # Writes that come back from a wait are let in beyond theirs.
        self.number, self.writes, self._at_end = number, max(1, number // 2), at_end
        self._state, self._free, self._writing, self._most_aside = Lock(), number, 0, aside
        self._reads: deque[Item] = deque()
        self._writes: deque[Item] = deque()
        self._coming_back: deque[Any] = deque()
        # Of a thread of this pool: the work with which it has a place.
        self._here = local()
        # The threads without work, each by where it waits for some. `None` sends it away.
        self._idle: list[SimpleQueue[Item | None]] = []
        self._is_closed = False

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """As an executor does it: the work is done in a thread, behind what was given before."""
        return self._put(Item(partial(work, *arguments, **named), writes=False))

    def submit_write(self, work: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Likewise for what is no read."""
        return self._put(Item(partial(work, *arguments), writes=True))

    def _put(self, item: Item) -> Future[Any]:
        with self._state:
            (self._writes if item.writes else self._reads).append(item)
            begun = self._next()
        self._begin(begun)
        return item.answered

    def _next(self) -> Item | None:
        """The work that is to have a place now. The caller has the lock."""
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
            # Not waited for at the end of the process: gunicorn itself says how long a request may go on then.
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
        """Sends the threads without work away, and each other one when its work is done."""
        with self._state:
            self._is_closed, idle, self._idle = True, self._idle, []
        for inbox in idle:
            inbox.put(None)

    def _leave(self) -> Item | None:
        """Gives up this thread's place. Returns the work that has it now, if there is any."""
        left, self._here.item = self._here.item, None
        with self._state:
            self._writing -= left.writes
            if self._coming_back:
                self._coming_back.popleft().release()
                return None
            self._free += 1
            return self._next()

    def write(self) -> bool:
        """Counts the work of this thread as no read from here on. `False` where as many are handled as may be."""
        with self._state:
            if self._writing >= self.writes:
                return False
            self._writing += 1
        self._here.item = replace(self._here.item, writes=True)
        return True

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Around a wait in a thread of this pool: its place is another's meanwhile. In any other thread: nothing."""
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
            # There is a thread for each that is aside, so that a place is never without one.
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
        # Free, or released by the thread that gives its place.
        turn.acquire()
        with self._state:
            self._most_aside += 1
            self._writing += item.writes
        self._here.item = item
