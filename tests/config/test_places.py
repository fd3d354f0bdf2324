"""Which request gets one of the places where requests are handled. No place is lost or given twice."""

from collections.abc import Iterator
from concurrent.futures import Future
from threading import Event, Lock, get_ident

import pytest

from config.places import Places
from tests.running import until

NUMBER, ASIDE, WRITES = 4, 4, 2


@pytest.fixture
def places() -> Iterator[Places]:
    with Places(NUMBER, ASIDE) as places:
        yield places


class Crowd:
    """Counts how many threads are inside, and how many there were at most."""

    def __init__(self) -> None:
        self.lock, self.inside, self.most = Lock(), 0, 0

    def enter(self) -> None:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)

    def leave(self) -> None:
        with self.lock:
            self.inside -= 1


def held(places: Places, until_set: Event, number: int, writes: bool = False) -> list[Future[bool]]:
    """Requests that keep their places until the event is set."""
    submit = places.submit_write if writes else places.submit
    return [submit(until_set.wait, 20) for _ in range(number)]


def wait_aside(places: Places, until_set: Event) -> bool:
    with places.aside():
        return until_set.wait(20)


def test_more_requests_than_places_wait_and_all_are_answered(places: Places) -> None:
    end = Event()
    requests = held(places, end, NUMBER + 2)
    until(lambda: places._free == 0)
    assert (len(places._reads), [request.done() for request in requests]) == (2, [False] * 6)
    end.set()
    assert [request.result(20) for request in requests] == [True] * 6


def test_who_waits_aside_lets_another_in_and_has_a_place_again_afterwards(places: Places) -> None:
    end, crowd = Event(), Crowd()

    def login() -> None:
        with places.aside():
            end.wait(20)
        crowd.enter()
        # Each login waits here until the logins have all the places at once.
        until(lambda: crowd.most == NUMBER)
        crowd.leave()

    logins = [places.submit(login) for _ in range(ASIDE)]
    until(lambda: places._most_aside == 0)
    assert [read.result(20) for read in [places.submit(str, number) for number in range(20)]] == [*map(str, range(20))]
    end.set()
    for request in logins:
        request.result(20)
    assert crowd.most == NUMBER


def test_places_are_neither_lost_nor_doubled_by_what_is_raised(places: Places) -> None:
    def fails(number: int) -> None:
        with places.aside():
            if number % 2:
                raise ZeroDivisionError
        raise KeyError

    errors = [(places.submit_write if n % 3 else places.submit)(fails, n) for n in range(60)]
    assert {type(error.exception(20)) for error in errors} == {ZeroDivisionError, KeyError}
    until(lambda: (places._free, places._writing, places._most_aside) == (NUMBER, 0, ASIDE))


def test_beyond_the_threads_that_there_are_who_waits_keeps_the_place(places: Places) -> None:
    end = Event()
    waiting = [places.submit(wait_aside, places, end) for _ in range(ASIDE + NUMBER)]
    until(lambda: (places._free, places._most_aside) == (0, 0))
    read = places.submit(str, 1)
    end.set()
    assert [one.result(20) for one in [*waiting, read]] == [True] * (ASIDE + NUMBER) + ["1"]


def test_who_comes_back_goes_before_who_has_not_begun(places: Places) -> None:
    end, order = Event(), list[str]()
    holds = [Event() for _ in range(NUMBER)]

    def login() -> None:
        with places.aside():
            end.wait(20)
        order.append("login")

    logged_in = places.submit(login)
    until(lambda: places._most_aside == ASIDE - 1)
    requests = [request for hold in holds for request in held(places, hold, 1)]
    later = [places.submit(order.append, "later") for _ in range(2)]
    end.set()
    until(lambda: places._coming_back)
    # Only one place becomes free at first: with two, a later request could overtake the login.
    for hold in holds:
        hold.set()
        until(lambda: len(order) == 3)
    for request in (logged_in, *requests, *later):
        request.result(20)
    assert order == ["login", "later", "later"]


def test_writes_leave_places_to_reads_and_reads_leave_them_to_writes(places: Places) -> None:
    end = Event()
    writes = held(places, end, 5, writes=True)
    until(lambda: places._writing == WRITES)
    assert places.submit(str, 1).result(20) == "1"
    reads = held(places, end, 5)
    until(lambda: places._free == 0)
    end.set()
    assert [request.result(20) for request in writes + reads] == [True] * 10
    until(lambda: (places._free, places._writing) == (NUMBER, 0))


def test_a_read_that_turns_out_to_be_none_counts_as_a_write_if_it_may(places: Places) -> None:
    end = Event()
    held(places, end, WRITES, writes=True)
    until(lambda: places._writing == WRITES)
    assert places.submit(places.write).result(20) is False
    end.set()
    until(lambda: places._writing == 0)
    assert places.submit(lambda: (places.write(), places._writing)).result(20) == (True, 1)
    until(lambda: (places._free, places._writing) == (NUMBER, 0))


def test_a_thread_of_another_pool_has_no_place_to_leave(places: Places) -> None:
    with places.aside():
        assert (places._free, places._most_aside) == (NUMBER, ASIDE)


def test_no_more_threads_stay_than_there_are_places_and_the_others_let_go() -> None:
    ended, threads = list[int](), set[int]()
    with Places(NUMBER, ASIDE, lambda: ended.append(get_ident())) as places:
        end = Event()

        def login() -> None:
            threads.add(get_ident())
            wait_aside(places, end)

        logins = [places.submit(login) for _ in range(NUMBER + ASIDE)]
        until(lambda: len(threads) == NUMBER + ASIDE)
        end.set()
        for request in logins:
            request.result(20)
        until(lambda: (len(places._idle), len(ended)) == (NUMBER, ASIDE))
        used = {places.submit(get_ident).result(20) for _ in range(20)}
        assert len(used) <= NUMBER
        assert used <= threads - {*ended}
    until(lambda: len(ended) == NUMBER + ASIDE)
