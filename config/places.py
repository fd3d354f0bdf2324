"""Threads of which only so many handle requests at once: one that waits for another lets a further one begin.

Gives `Places`, the pool of `config/worker.py`. A login waits up to seconds for others. With a thread for each place,
eight such logins would keep all other requests out.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock, local
from typing import Any

Item = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


class Places(ThreadPoolExecutor):
    """`number` places, and threads for as many more requests that are `aside`.

    An item of work is given to a thread when there is a place for it, and not before: so no thread waits for a place
    but those that come back to theirs.
    """

    def __init__(self, number: int, aside: int) -> None:
        super().__init__(number + aside, "request")
        self._state, self._free, self._most_aside = Lock(), number, aside
        self._items: deque[Item] = deque()
        self._coming_back: deque[Any] = deque()
        self._here = local()

    def submit(self, work: Callable[..., Any], /, *arguments: Any) -> Future[Any]:  # type: ignore[override]
        """As an executor does it: the work is done in a thread, behind what was given before."""
        item: Item = Future(), work, arguments
        with self._state:
            if not self._free:
                self._items.append(item)
                return item[0]
            self._free -= 1
        super().submit(self._do, item)
        return item[0]

    def _do(self, item: Item | None) -> None:
        self._here.has_place = True
        while item:
            answered, work, arguments = item
            try:
                answered.set_result(work(*arguments))
            except BaseException as error:
                answered.set_exception(error)
            item = self._pass_on()
        self._here.has_place = False

    def _pass_on(self) -> Item | None:
        """Gives the place to a thread that comes back, or else returns the work that has it now, if there is any."""
        with self._state:
            if self._coming_back:
                self._coming_back.popleft().release()
            elif self._items:
                return self._items.popleft()
            else:
                self._free += 1
            return None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Around a wait in a thread of this pool: its place is another's meanwhile. In any other thread: nothing."""
        if not self._may_leave():
            yield
            return
        try:
            yield
        finally:
            self._come_back()

    def _may_leave(self) -> bool:
        if not getattr(self._here, "has_place", False):
            return False
        with self._state:
            # There is a thread for each that is aside, so that a place is never without one.
            if not self._most_aside:
                return False
            self._most_aside -= 1
        self._here.has_place = False
        if item := self._pass_on():
            super().submit(self._do, item)
        return True

    def _come_back(self) -> None:
        turn = Lock()
        with self._state:
            if self._free:
                self._free -= 1
            else:
                turn.acquire()
                self._coming_back.append(turn)
        # Free, or released by who gives the place.
        turn.acquire()
        with self._state:
            self._most_aside += 1
        self._here.has_place = True
