from collections.abc import Callable
from threading import Event

import pytest

from security import breaker
from security.breaker import PAUSE, Breaker

WAIT = 5


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`at(seconds)` sets the clock that breakers read."""

    def set_clock(seconds: float) -> None:
        monkeypatch.setattr(breaker.time, "monotonic", lambda: 1000 + seconds)

    set_clock(0)
    return set_clock


def test_a_server_that_answers_may_always_be_asked(at: Callable[[float], None]) -> None:
    guard = Breaker(WAIT)
    guard.answered()
    assert [guard.allows() for _ in range(100)] == [True] * 100


def test_a_silent_server_is_asked_by_one_caller_at_a_time(at: Callable[[float], None]) -> None:
    guard = Breaker(WAIT)
    guard.silent()
    at(PAUSE - 0.01)
    assert not guard.allows()
    at(PAUSE)
    assert [guard.allows() for _ in range(100)] == [True] + [False] * 99
    # The others are refused for as long as that caller may still wait.
    at(PAUSE + WAIT)
    assert not guard.allows()
    guard.silent()
    at(PAUSE + WAIT + PAUSE)
    assert [guard.allows(), guard.allows()] == [True, False]


def test_a_caller_that_never_says_what_it_found_keeps_the_others_out_no_longer_than_its_wait(
    at: Callable[[float], None],
) -> None:
    guard = Breaker(WAIT)
    guard.silent()
    at(PAUSE)
    assert guard.allows()
    at(PAUSE + WAIT + PAUSE)
    assert guard.allows()


def test_the_first_answer_lets_everybody_in(at: Callable[[float], None]) -> None:
    guard = Breaker(WAIT)
    guard.silent()
    at(PAUSE)
    assert guard.allows()
    guard.answered()
    assert [guard.allows() for _ in range(100)] == [True] * 100


def test_of_many_threads_one_asks(at_once: Callable[..., list[bool]]) -> None:
    guard, start = Breaker(WAIT), Event()
    guard.silent()
    guard._next_try = 0.0

    def ask(number: int) -> bool:
        if number == 15:
            start.set()
        start.wait()
        return guard.allows()

    assert sum(at_once(16, ask)) == 1
