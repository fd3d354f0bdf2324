"""A stopwatch for nested functions, which subtracts the time that it takes itself. Needs nothing of the site."""

import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import Any


class Stopwatch:
    """Own times of nested functions in nanoseconds: the time of each layer, without the layers that it called.

    `inside` and `outside` are the cost of one wrapper, in its own layer's time and in its caller's. `cost` is what was
    subtracted for the wrappers.
    """

    def __init__(self, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self.clock = clock
        self.inside = self.outside = 0
        self.begin()

    def begin(self) -> None:
        """Forgets what was measured."""
        self.times: dict[str, int] = defaultdict(int)
        self.cost = 0
        # For each function that has not returned: nanoseconds of the layers that it has called so far.
        self.called: list[int] = []

    def wrap(self, layer: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, wrapped so that its own time is added to `layer`."""
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
        """Measures the cost of a wrapper with a function that does nothing: the medians of `samples`."""
        plain, whole, own = [], [], []
        wrapped = self.wrap("nothing", _nothing)
        for _ in range(samples):
            plain.append(_time(_nothing, calls, self.clock))
            self.begin()
            # As if a wrapped function called it, which is so for almost every layer.
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
