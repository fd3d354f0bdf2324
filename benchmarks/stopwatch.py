"""A stopwatch for nested functions, which leaves out what it costs itself. Needs nothing of the site."""

import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import Any


class Stopwatch:
    """Own times of nested functions, in nanoseconds: what each layer took, without what the layers it called took.

    `inside` and `outside` are what a wrapper itself costs, in its own layer's time and in its caller's; `cost` is what
    was taken off for that.
    """

    def __init__(self, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self.clock = clock
        self.inside = self.outside = 0
        self.begin()

    def begin(self) -> None:
        """Forgets what was measured."""
        self.times: dict[str, int] = defaultdict(int)
        self.cost = 0
        # Nanoseconds of the layers called so far, for each function that has not returned.
        self.called: list[int] = []

    def wrap(self, layer: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, whose own time goes to `layer`."""
        clock = self.clock

        def timed(*args: Any, **options: Any) -> Any:
            self.called.append(0)
            started = clock()
            try:
                return function(*args, **options)
            finally:
                took = clock() - started
                self.times[layer] += took - self.called.pop() - self.inside
                self.cost += self.inside
                if self.called:
                    self.called[-1] += took + self.outside
                    self.cost += self.outside

        return timed

    def calibrate(self, calls: int = 2000, samples: int = 15) -> None:
        """Measures what a wrapper costs, by a function that does nothing: the medians of some samples."""
        plain, whole, own = [], [], []
        wrapped = self.wrap("nothing", _nothing)
        for _ in range(samples):
            plain.append(_time(_nothing, calls, self.clock))
            self.begin()
            # Called by a wrapped function, as almost every layer is.
            self.called.append(0)
            whole.append(_time(wrapped, calls, self.clock))
            own.append(self.times["nothing"] / calls)
        self.inside = max(0, round(median(own) - median(plain)))
        self.outside = max(0, round(median(whole) - median(own)))
        self.begin()


def _nothing(*args: Any, **options: Any) -> None:
    pass


def _time(function: Callable[..., Any], calls: int, clock: Callable[[], int]) -> float:
    started = clock()
    for _ in range(calls):
        function(None)
    return (clock() - started) / calls
