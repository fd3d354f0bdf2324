"""The load of `make bench`: only good answers of the started server count, and each token is used once."""

import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from benchmarks import load, servers
from benchmarks.contestant import Contestant, Place
from benchmarks.load import Next, Request, Script
from benchmarks.servers import Server

pytestmark = [pytest.mark.exhaustive, pytest.mark.skipif(not load.is_available(), reason=load.MISSING)]
HEADERS = {"Host": "localhost"}
ANSWERING = Contestant(
    key="answering",
    name="The tests' own",
    note="",
    flows=(),
    nothing="/",
    headers=HEADERS,
    prepare=lambda place: None,
    command=lambda place: [sys.executable, str(Path(__file__).with_name("answering.py")), str(place.port)],
    environment=lambda place: {},
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), Path(folder) / "store", servers.free_port())
        with servers.running(ANSWERING, place) as server:
            yield server


def getting(path: str) -> Script:
    return Script((Request("GET", path, HEADERS),))


def posting(path: str, number: int) -> Request:
    return Request("POST", path, HEADERS, f'{{"refresh": "first-{number}"}}')


def test_good_answers_are_counted_with_what_they_cost(server: Server) -> None:
    seen = load.run(server, getting("/"), 1)
    assert seen.requests > 50
    assert 0 < seen.p50 <= seen.p95 <= seen.p99
    assert seen.rate == pytest.approx(seen.requests, rel=0.3)
    # One core gives at most one second of processor time in a second.
    assert seen.cpu is None or 0 < seen.cpu * seen.rate < 1_500_000


@pytest.mark.parametrize("path", ["/redirect", "/fails", "/sometimes"])
def test_an_answer_that_is_no_2xx_ends_the_run(server: Server, path: str) -> None:
    with pytest.raises(RuntimeError, match=f'{path}: .*"bad": [1-9]'):
        load.run(server, getting(path), 1)


def test_each_refresh_takes_the_token_of_an_answer_before(server: Server) -> None:
    # The server takes every token once: a token that is sent twice, or a wrong Content-Length, is answered with 401.
    first = tuple(posting("/refresh", number) for number in range(16))
    template = Next(Request("POST", "/refresh", HEADERS, '{"refresh": "TOKEN"}'), field="refresh")
    assert load.run(server, Script(first, next=template), 1).requests > 16


def test_a_refresh_token_can_be_a_cookie(server: Server) -> None:
    def request(token: str) -> Request:
        return Request("POST", "/refresh", HEADERS | {"Cookie": f"refresh-token={token}"})

    first = tuple(request(f"first-{number}") for number in range(20, 36))
    script = Script(first, next=Next(request("TOKEN"), cookie="refresh-token"))
    assert load.run(server, script, 1).requests > 16


def test_an_answer_without_a_token_ends_the_run(server: Server) -> None:
    first = tuple(posting("/end", number) for number in range(40, 56))
    template = Next(Request("POST", "/end", HEADERS, '{"refresh": "TOKEN"}'), field="refresh")
    with pytest.raises(RuntimeError, match="without the next token"):
        load.run(server, Script(first, next=template), 1)


def test_what_is_sent_once_is_sent_once(server: Server) -> None:
    script = Script(tuple(posting("/refresh", number) for number in range(60, 90)), once=True)
    seen = load.run(server, script, 1)
    assert seen.requests == 30
    with pytest.raises(RuntimeError, match="/refresh: "):
        load.run(server, script, 1)


def test_it_ends_with_the_last_answer_when_many_came_at_once(server: Server) -> None:
    # At the end, more connections are free than requests are left.
    paths = ["/together"] * 16 + ["/"] * 4
    script = Script(tuple(Request("GET", path, HEADERS) for path in paths), once=True)
    assert load.run(server, script, 1).rate > 3 * len(paths) / load.ONCE


def test_a_connection_that_the_server_closes_while_it_is_idle_loses_nothing(server: Server) -> None:
    script = Script(tuple(Request("GET", path, HEADERS) for path in ["/brief"] * 15 + ["/late"]), once=True)
    assert load.run(server, script, 1).requests == 16


def test_another_listener_is_not_measured(server: Server) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        place = Place(server.place.folder, server.place.store, other.getsockname()[1])
        stranger = Server(ANSWERING, place, server.process)
        with pytest.raises(RuntimeError, match="not served by answering alone"):
            load.run(stranger, getting("/"), 1)


def test_a_server_that_stays_busy_ends_the_run(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    monkeypatch.setattr(servers, "END", 0.2)
    monkeypatch.setattr(Server, "cpu", lambda self: float(next(ticks)))
    with pytest.raises(RuntimeError, match="answering was still busy"):
        server.settle()


def test_a_free_port_is_kept_for_the_server_it_is_for() -> None:
    port = servers.free_port()
    with closing(socket.socket()) as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port))
    with pytest.raises(OSError, match="in use"):
        servers.free_port(port)
    with socket.create_server(("127.0.0.1", port)) as server:
        assert server.getsockname()[1] == port


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    from dataclasses import replace

    broken = replace(ANSWERING, command=lambda place: [sys.executable, "-c", "raise SystemExit('no such setting')"])
    with (
        pytest.raises(RuntimeError, match="answering did not start: no such setting"),
        servers.running(broken, Place(tmp_path, tmp_path / "store", servers.free_port())),
    ):
        pass


def test_the_processes_end_with_the_measurement(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path / "store", servers.free_port())
    with servers.running(ANSWERING, place) as server:
        assert server.cpu() > 0
        assert server.resident() > 1
    assert server.process.poll() is not None


def test_only_plain_text_is_sent() -> None:
    with pytest.raises(ValueError, match="not plain ASCII"):
        Script((Request("GET", "/é", HEADERS),)).as_lua()
