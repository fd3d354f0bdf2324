"""Where the time of a request goes: the arithmetic is right, and measuring changes no answer. No time is compared."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from benchmarks import layers
from benchmarks.layers import Answer, ask, log_in, profile, serve
from benchmarks.stopwatch import Stopwatch
from benchmarks.wrapping import LAYERS, REST, find, installed, middlewares
from tests.running import ROOT


class Clock:
    """A clock that moves only when a test moves it."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def alice(db: None) -> Any:
    return get_user_model().objects.create_user(layers.EMAIL, layers.PASSWORD)


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


def test_the_own_times_of_nested_layers_add_up_to_the_whole() -> None:
    clock = Clock()
    watch = Stopwatch(clock)

    def work(nanoseconds: int, *inner: Any) -> None:
        for call in inner:
            call()
        clock.now += nanoseconds

    lookup = watch.wrap("store", lambda: work(7))
    check = watch.wrap("check", lambda: work(20, lookup, lookup))
    whole = watch.wrap("view", lambda: work(100, check, lookup))
    whole()
    assert watch.times == {"view": 100, "check": 20, "store": 21}
    assert sum(watch.times.values()) == clock.now


def test_a_layer_that_calls_itself_is_counted_once() -> None:
    clock = Clock()
    watch = Stopwatch(clock)

    def down(depth: int) -> None:
        clock.now += 10
        if depth:
            wrapped(depth - 1)

    wrapped = watch.wrap("recursion", down)
    wrapped(4)
    assert watch.times == {"recursion": 50}


def test_a_layer_that_raises_is_measured_too() -> None:
    clock = Clock()
    watch = Stopwatch(clock)

    def fail() -> None:
        clock.now += 5
        raise ValueError

    def outer() -> None:
        clock.now += 1
        with pytest.raises(ValueError):
            watch.wrap("fails", fail)()

    watch.wrap("outer", outer)()
    assert watch.times == {"outer": 1, "fails": 5}
    assert not watch.called


def test_what_the_wrappers_cost_is_taken_off() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    watch.inside, watch.outside = 2, 3

    def inner() -> None:
        clock.now += 10 + watch.inside

    def outer() -> None:
        clock.now += 50 + watch.inside
        wrapped()
        clock.now += watch.outside

    wrapped = watch.wrap("inner", inner)
    watch.wrap("outer", outer)()
    assert watch.times == {"inner": 10, "outer": 50}
    assert sum(watch.times.values()) + watch.cost == clock.now


def test_a_wrapper_is_found_to_cost_something(watch: Stopwatch) -> None:
    watch.calibrate(calls=200, samples=5)
    assert watch.inside + watch.outside > 0
    assert not watch.times
    assert not watch.called


def test_a_name_that_is_gone_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch, watch: Stopwatch) -> None:
    before = LAYERS["view"]
    monkeypatch.setitem(LAYERS, "view", (*before, "jwt_demo.views.Whoami.gone"))
    with pytest.raises(LookupError, match=r"jwt_demo\.views\.Whoami\.gone"), installed(watch):
        pass
    monkeypatch.setitem(LAYERS, "view", before)
    assert _wrapped() == []


@pytest.mark.parametrize("name", ["no_such_package.module.name", "jwt.no_such_name", "jwt_demo.views.NoSuch.get"])
def test_no_part_of_a_name_may_be_gone(name: str) -> None:
    with pytest.raises(LookupError, match=name):
        find(name)


def test_each_layer_occurs_where_it_must(alice: Any) -> None:
    report = profile(2)
    found = {name: set(column["layers"]) for name, column in report["targets"].items()}
    everywhere = {REST, *middlewares(), "URL resolution", "log line", "request and response signals"}
    everywhere |= {name for name in LAYERS if name.startswith("DRF")} | {"view", "config: WSGI entry"}
    for name, names in found.items():
        assert everywhere <= names, name
    sql, signature, token = {"SQL: ORM", "SQL: statements"}, {"token: PyJWT"}, {"token: form, claims"}
    assert {"store: round trip", "session: record, ends"} <= found["session whoami"]
    assert not (sql | signature | token | {"token: revocation check"}) & found["session whoami"]
    assert token | {"token: revocation check", "store: round trip"} <= found["token whoami"]
    assert not (sql | signature) & found["token whoami"], "a token that came before"
    assert sql <= found["session profile"]
    assert sql | token <= found["token profile"]
    assert sql | signature | token | {"token: rotation"} <= found["refresh"]
    assert {name for name, names in found.items() if "password hash" in names} == {"token login"}
    # Each layer of the table is used. A database in memory opens no connection.
    assert set(LAYERS) - {"SQL: connection opened, closed"} <= set().union(*found.values())


def _shape(answer: Answer) -> tuple[Any, ...]:
    """What is the same in two answers, although each may contain other tokens and another time."""
    names = [name for name, _ in answer.headers]
    steady = [header for header in answer.headers if header[0] not in ("Server-Timing", "Content-Length")]
    return answer.status, names, steady, sorted(json.loads(answer.body))


def test_watching_changes_no_answer_and_leaves_nothing_behind(alice: Any, watch: Stopwatch) -> None:
    for target in log_in():
        plain = ask(target)
        assert _wrapped() == []
        with installed(watch):
            assert _wrapped() != []
            watched = ask(target)
        assert _wrapped() == []
        assert _shape(watched) == _shape(plain), target.name
        if target.method == "GET":
            assert watched.body == plain.body


def _wrapped() -> list[str]:
    names = [name for group in (LAYERS | middlewares()).values() for name in group]
    from config.wsgi import site

    methods = [method for method in site._view_middleware if _is_wrapper(method)]
    found = [name for name in names if _is_wrapper(getattr(*find(name)))]
    return found + [repr(method) for method in methods]


def _is_wrapper(function: Any) -> bool:
    return getattr(function, "__qualname__", "") == Stopwatch().wrap("", serve).__qualname__


def test_what_was_not_there_before_is_not_there_afterwards(watch: Stopwatch) -> None:
    """The wrapper of a method that a middleware inherits is set on its own class, and must not stay there as a copy."""
    owners = [find(name)[0] for group in (LAYERS | middlewares()).values() for name in group]
    before = [dict(vars(owner)) for owner in owners]
    with installed(watch):
        pass
    assert [dict(vars(owner)) for owner in owners] == before


def test_an_answer_that_is_no_success_ends_the_run(alice: Any) -> None:
    target = log_in()[0]
    target.headers = {}
    with pytest.raises(RuntimeError, match="session whoami was answered 401"):
        ask(target)


@pytest.fixture
def latest(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(layers, "LATEST", tmp_path / "latest.json")
    yield tmp_path / "latest.json"


def test_the_servers_own_time_comes_from_the_last_whole_run(latest: Any) -> None:
    assert layers.server_time()["cpu"] is None
    row = {"operation": "nothing", "contestant": "bare-gunicorn", "cpu": 98.5}
    latest.write_text(json.dumps({"speed": [row | {"contestant": "bare-node", "cpu": 1}, row]}))
    assert layers.server_time() == {"cpu": 98.5, "source": "bare-gunicorn in latest.json"}


@pytest.mark.exhaustive
def test_the_command_measures_the_site_as_it_is_in_production() -> None:
    command = [sys.executable, "-m", "benchmarks.layers", "--requests", "3", "--json"]
    report = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    assert report["requests"] == 3
    whoami, profile = report["targets"]["session whoami"]["layers"], report["targets"]["session profile"]["layers"]
    assert "middleware: TraceMiddleware" not in whoami
    assert "SQL: connection opened, closed" not in profile
    for column in report["targets"].values():
        assert min(column["sum"], column["plain"], column["wrappers"]) > 0
