"""The checks of servers: the site's server passes each, and a server that is set up wrongly fails it."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks import raw, raw_checks
from benchmarks.candidates import (
    CANDIDATES,
    Candidate,
    Ground,
    Running,
    check,
    check_all,
    gunicorn_with,
    install,
    table,
)
from benchmarks.zoo import gateways, servers
from benchmarks.zoo.__main__ import BEFORE

pytestmark = pytest.mark.exhaustive
OURS, STOCK = (next(it for it in CANDIDATES if it.name == name) for name in ("gunicorn", "gunicorn, stock worker"))
CHECKS = [*raw_checks.REQUESTS, *raw_checks.PROCESSES]
# Serves one client after another, in a child process that the parent does not end.
ONE_BY_ONE = """
import os, sys
from wsgiref.simple_server import make_server
if os.fork():
    os.wait()
    os._exit(0)
from benchmarks.probe import application
make_server("127.0.0.1", int(sys.argv[1]), application).serve_forever()
"""
SIMPLE = Candidate("wsgiref", (), "{folder}/file.py {port}", None, ONE_BY_ONE)
WITHOUT = "def pre_request(worker, req):\n    req.headers = [it for it in req.headers if {}]"
UNCHUNKED = """
def pre_request(worker, req):
    req.headers = [("CONTENT-LENGTH", "2") if it[0] == "TRANSFER-ENCODING" else it for it in req.headers]
"""
# Accepts each way to say the end of a body, and prefers chunks to a length. It needs gthread: the site's own worker
# closes a connection after chunks, and would not read a second request.
BELIEVING = """
worker_class = "gthread"
import re
from gunicorn.http import message
from gunicorn.http.body import Body, ChunkedReader, LengthReader
header_map = "dangerous"
message.RFC9110_5_5_INVALID_AND_DANGEROUS = re.compile("\\0")
def set_body_reader(self):
    said = [(name.replace("_", "-"), value) for name, value in self.headers]
    lengths = [int(value) for name, value in said if name == "CONTENT-LENGTH"]
    chunked = any("chunked" in value for name, value in said if name == "TRANSFER-ENCODING")
    reader = ChunkedReader(self, self.unreader) if chunked else LengthReader(self.unreader, min(lengths or [0]))
    self.body = Body(reader)
message.Request.set_body_reader = set_body_reader
"""
WRONG = {
    "a foreign cookie": gunicorn_with("wrong", WITHOUT.format("it[1].isascii()")),
    "two Cookie lines": gunicorn_with("wrong", "del pre_request"),
    "disguised names": gunicorn_with("wrong", 'header_map = "dangerous"'),
    "long heads": gunicorn_with("wrong", "limit_request_fields = 1000"),
    "broken HTTP": gunicorn_with("wrong", "permit_obsolete_folding = True"),
    "two ends of a body": gunicorn_with("wrong", BELIEVING),
    "chunks": gunicorn_with("wrong", UNCHUNKED),
    "heads that stop": STOCK,
    "heads that drip": STOCK,
    "bodies that stop": STOCK,
    "silent clients": SIMPLE,
    "clients that stay": STOCK,
    "health": STOCK,
    "output": gunicorn_with("wrong", 'logconfig_dict["formatters"] = {"json": {"format": "%(message)s"}}'),
    "a refused setting": SIMPLE,
    "SIGTERM": SIMPLE,
    "SIGKILL": SIMPLE,
    "TLS": STOCK,
}


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with Ground() as ground:
        yield ground


@pytest.fixture(scope="module")
def ours(ground: Ground) -> dict[str, str]:
    return check_all(ground, [OURS])[OURS.name]


@pytest.fixture(scope="module")
def wrong(ground: Ground) -> dict[str, str]:
    """The result of each check for the server that is set up wrongly in this point."""
    with ThreadPoolExecutor(4) as pool:
        said = {name: pool.submit(check, ground, WRONG[name], name) for name in CHECKS if name != "health"}
    # Alone, because this check stops the store, which all servers share.
    return {name: it.result() for name, it in said.items()} | {"health": check(ground, STOCK, "health")}


@pytest.mark.parametrize("name", CHECKS)
def test_the_server_of_the_site_passes(ours: dict[str, str], name: str) -> None:
    assert ours[name] == ""


@pytest.mark.parametrize("name", CHECKS)
def test_a_server_that_is_wrong_in_this_does_not(wrong: dict[str, str], name: str) -> None:
    assert wrong[name]
    assert "does not start" not in wrong[name]


@pytest.mark.parametrize("framing", raw_checks.FRAMINGS)
def test_each_framing_is_found_where_it_is_believed(wrong: dict[str, str], framing: str) -> None:
    assert f"{framing}: 2 answers" in wrong["two ends of a body"]


def test_a_client_passes_for_another_user_only_where_a_setting_lets_it(ground: Ground) -> None:
    """`make zoo` does this with servers. The test is here because it needs the same fixture."""
    with Running(ground, OURS) as server:
        assert not any(servers.faults(server).values())
    with Running(ground, WRONG["disguised names"]) as server:
        found = servers.faults(server, ("same name", "other names", "nobody"))
        assert {case for case, said in found.items() if said} == {
            ("other names", "underscore"),
            ("other names", "mixed"),
        }
        [before] = [it for it in gateways.all_gateways() if it.name == BEFORE]
        assert not any(servers.faults_behind(before, server, ("other names", "nobody")).values())
    with Running(ground, WRONG["two ends of a body"]) as server:
        assert servers.faults(server, ("lengths",))["lengths", "xchunked"] == "a second request"


class Mute:
    """Accepts, never answers and never closes: the listener's queue alone behaves so."""

    tls = False

    def __init__(self, port: int) -> None:
        self.port = port

    def written(self) -> str:
        """The output of the server, which has none."""
        return ""


@pytest.fixture(scope="module")
def of_mute() -> Iterator[dict[str, str]]:
    """The result of each check in `REQUESTS` for the mute server."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener, ThreadPoolExecutor(20) as pool:
        server = Mute(listener.getsockname()[1])
        said = {name: pool.submit(say, request, server) for name, request in raw_checks.REQUESTS.items()}
        yield {name: it.result() for name, it in said.items()}


def say(request: Callable[[Mute], str], server: Mute) -> str:
    try:
        return request(server)
    except raw.NotServing as error:
        return str(error)


@pytest.mark.parametrize("name", raw_checks.REQUESTS)
def test_a_server_that_never_answers_passes_no_check(of_mute: dict[str, str], name: str) -> None:
    assert of_mute[name]


def test_a_slow_client_that_is_never_ended_is_said(of_mute: dict[str, str]) -> None:
    assert "open after 20 s" in of_mute["heads that stop"]


def test_a_connection_that_is_closed_without_an_answer_is_refused_and_one_that_stays_open_is_not() -> None:
    assert raw_checks.not_refused(b"", closed=True) == ""
    assert raw_checks.not_refused(b"", closed=False) == "no answer"


def test_each_request_that_must_be_refused_is_valid_but_for_one_thing(ground: Ground) -> None:
    """Otherwise another flaw could be the reason for the refusal."""
    with Running(ground, OURS) as server:
        assert raw.statuses(raw.ask(server, raw.NOTHING)) == [200]
        logout = raw_checks.LOGOUT + b"Content-Length: 2\r\n\r\n{}"
        assert raw.statuses(raw.ask(server, logout + raw.NOTHING)) == [200, 200]
        good = b"GET / HTTP/1.1\r\n" + raw.CLOSE + b"X: a\r\n\r\n"
        assert raw.statuses(raw.ask(server, good)) == [200]


def test_another_server_that_answers_is_not_taken_for_the_candidate(ground: Ground) -> None:
    with Running(ground, OURS) as other:
        candidate = Running(ground, OURS)
        candidate.port = other.port
        with pytest.raises(raw.NotServing, match="another process"):
            candidate.__enter__()


def test_what_cannot_be_installed_is_said() -> None:
    assert "no-such-folder" in install(Candidate("none", ("./no-such-folder",), "", None))


def test_the_table_says_what_went_wrong_and_the_share_of_the_cost() -> None:
    found = {"gunicorn": {"a": "", "b": ""}, "other": {"a": "", "b": "300 answers"}}
    costs = {"gunicorn": {"nothing": 100.0, "whoami": 900.0}, "other": {"nothing": 80.0, "whoami": 900.0}}
    text = table(found, {"third": "no wheel"}, costs)
    assert "| gunicorn | 2 of 2 | 100 (1.00) | 900 (1.00) |" in text
    assert "| other | 1 of 2 | 80 (0.80) | 900 (1.00) |" in text
    assert "- b: 300 answers" in text
    assert "third does not install: no wheel" in text
