"""When a connection gets a thread, and which one: the thread for `/healthz`, or one of those that may have to wait."""

import os
import select
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from pathlib import Path
from subprocess import PIPE
from types import SimpleNamespace
from typing import Any
from urllib.request import urlopen

import pytest
from gunicorn.config import Config
from gunicorn.http import message
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine
from gunicorn.workers.gthread import TConn, ThreadWorker

from config import gunicorn as configuration
from config import worker as module
from config.worker import ANSWER, ARRIVAL, LINGER, LONGEST_BODY, LONGEST_HEAD, Worker
from tests.config.test_settings import GOOD
from tests.running import ROOT, free_port, until


class Pool:
    """Records the connections that it was given."""

    def __init__(self) -> None:
        self.given: list[Any] = []
        self.writing: list[Any] = []
        self.may_write = True

    def submit(self, work: Callable[[Any], Any], conn: Any) -> Future[Any]:
        self.given.append(conn)
        self.work = work
        return Future()

    def submit_write(self, work: Callable[[Any], Any], conn: Any) -> Future[Any]:
        self.writing.append(conn)
        return self.submit(work, conn)

    def write(self) -> bool:
        return self.may_write


@pytest.fixture
def worker() -> Any:
    worker: Any = object.__new__(Worker)
    worker.cfg = SimpleNamespace(**{name: it.get() for name, it in Config().settings.items()}, is_ssl=False)
    worker.health_pool, worker.tpool = Pool(), Pool()
    worker.pending_conns, worker.poller = deque(), selectors.DefaultSelector()
    worker.in_threads, worker.next_sweep, worker.nr_conns, worker.sweeps_to_trim = {}, 0.0, 1, 0
    return worker


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a TCP connection, as clients have it. Other kinds of sockets behave differently."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        yield client, server


@pytest.fixture
def conn(worker: Any, ends: Any) -> Any:
    return TConn(worker.cfg, ends[1], ("192.0.2.1", 1), ends[1].getsockname())


def send(ends: Any, sent: bytes) -> None:
    """Sends these bytes and waits until they have arrived."""
    client, server = ends
    before = module._arrived(server)
    client.sendall(sent)
    until(lambda: module._arrived(server) == before + len(sent))


def place(worker: Any, conn: Any) -> str:
    """Where the connection is now."""
    found = {"health": worker.health_pool.given, "threads": worker.tpool.given, "waiting": [*worker.pending_conns]}
    [name] = [name for name, given in found.items() if given == [conn]]
    return name


def placed(worker: Any, conn: Any, ends: Any, sent: bytes) -> str:
    send(ends, sent)
    worker.enqueue_req(conn)
    # The worker only peeked: all bytes are still there to be read.
    assert module._arrived(ends[1]) == len(sent)
    return place(worker, conn)


def turn(worker: Any) -> None:
    """One turn of the worker's loop, without waiting."""
    worker.wait_for_and_dispatch_events(0)


HEAD = b"GET /healthz HTTP/1.1\r\nHost: 10.0.0.7\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"\r\n",
        HEAD + b"Upgrade-Insecure-Requests: 1\r\nCookie: a=expect: upgrade:\r\n\r\n",
        b"HEAD /healthz HTTP/1.0\r\n\r\n",
        b"GET /healthz?from=balancer HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_a_supervisors_question_has_a_thread_of_its_own(worker: Any, conn: Any, ends: Any, sent: bytes) -> None:
    assert placed(worker, conn, ends, sent) == "health"


POST = b"POST /session/auth/login HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthzz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        HEAD + b"Content-Length: 5\r\n\r\n12345",
        HEAD + b"transfer-encoding: chunked\r\n\r\n",
        HEAD + b"Expect: 100-continue\r\n\r\n",
        HEAD + b"Upgrade: h2c\r\n\r\n",
        HEAD + b"\r\n" + HEAD + b"\r\n",
        POST + b"content-LENGTH:\t5 \r\n\r\n12345",
        # The loop waits for no body if the length is invalid, if it is refused unread, or if the client awaits a 100.
        *(POST + b"Content-Length: %s\r\n\r\n" % length for length in (b"x", b"-1", b"", b"9" * 40)),
        POST + b"Content-Length: %d\r\n\r\n" % (LONGEST_BODY + 1),
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        POST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        # This is no HTTP and is refused at once.
        b"GET / HTTP/1.0\n\n",
        b"\r\n\r\n",
    ],
)
def test_what_could_keep_that_thread_waiting_is_for_the_others(worker: Any, conn: Any, ends: Any, sent: bytes) -> None:
    assert placed(worker, conn, ends, sent) == "threads"


@pytest.mark.parametrize(
    ("sent", "rest"),
    [
        (b"", HEAD + b"\r\n"),
        (HEAD, b"\r\n"),
        (HEAD + b"X: " + b"x" * (LONGEST_HEAD // 2), b"\r\n\r\n"),
        (POST + b"Content-Length: 5\r\n\r\n", b"12345"),
        (POST + b"Content-Length: 5\r\n\r\n123", b"45"),
        (POST + b"Content-Length: 00000000000005\r\n\r\n", b"12345"),
        (POST + b"Upgrade: x\r\nContent-Length: 5\r\n\r\n", b"12345"),
        (POST + b"Content-Length: %d\r\n\r\n" % LONGEST_BODY, b"x" * LONGEST_BODY),
    ],
)
def test_a_client_has_no_thread_before_its_whole_request_is_there(
    worker: Any, conn: Any, ends: Any, sent: bytes, rest: bytes
) -> None:
    assert placed(worker, conn, ends, sent) == "waiting"
    # The poller does not report bytes that have arrived before.
    assert worker.poller.select(0.05) == []
    if rest[:-1]:
        send(ends, rest[:-1])
        turn(worker)
        assert place(worker, conn) == "waiting"
    assert worker.poller.select(0.05) == []
    send(ends, rest[-1:])
    turn(worker)
    assert place(worker, conn) in ("threads", "health")
    # Otherwise the next read would wait for as many bytes again.
    assert ends[1].getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1
    # Otherwise the next request would have only the time that this one left.
    assert not getattr(conn, "wanted", 0)


def test_a_client_of_which_too_little_is_reported_has_no_thread_either(worker: Any, conn: Any, ends: Any) -> None:
    """The kernel reports a socket too early when its memory is short, and at an urgent byte."""
    parts = (POST + b"Content-Len", b"gth: 5\r\n\r\n1", b"234")
    for part in parts:
        send(ends, part)
        if conn not in worker.pending_conns:
            worker.enqueue_req(conn)
        worker.on_pending_socket_readable(conn, ends[1])
        assert place(worker, conn) == "waiting"
        assert worker.poller.select(0.05) == []
    send(ends, b"5")
    turn(worker)
    assert place(worker, conn) == "threads"
    assert conn.parser.unreader.take_buffered() + ends[1].recv(9) == b"".join(parts) + b"5"


def test_an_urgent_byte_gives_no_thread(worker: Any, conn: Any, ends: Any) -> None:
    assert placed(worker, conn, ends, HEAD) == "waiting"
    ends[0].send(b"!", socket.MSG_OOB)
    ends[0].send(b"X: a")
    until(lambda: turn(worker) or module._arrived(ends[1]) == 0, 2)
    assert place(worker, conn) == "waiting"


@pytest.mark.parametrize("later", [False, True])
def test_a_client_that_is_gone_is_closed_at_the_look(worker: Any, conn: Any, ends: Any, later: bool) -> None:
    if later:
        assert placed(worker, conn, ends, HEAD) == "waiting"
    client, server = ends
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()  # by a reset
    if later:
        until(lambda: turn(worker) or not worker.pending_conns, 2)
    else:
        until(lambda: select.select([server], [], [], 0)[0], 2)
        worker.enqueue_req(conn)
    assert (conn.sock.fileno(), worker.nr_conns, worker.tpool.given) == (-1, 0, [])


@pytest.mark.parametrize(
    ("headers", "closes"),
    [
        ([], False),
        ([("CONTENT-LENGTH", str(LONGEST_BODY))], False),
        ([("CONTENT-LENGTH", str(LONGEST_BODY + 1))], True),
        ([("TRANSFER-ENCODING", "chunked")], True),
        ([("EXPECT", "100-continue"), ("CONTENT-LENGTH", "5")], True),
    ],
)
def test_nothing_comes_after_a_body_that_was_not_waited_for(
    worker: Any, conn: Any, headers: Any, closes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise gunicorn's thread would read the rest of the body for five seconds, to find the next request."""
    closed: list[str] = []
    monkeypatch.setattr(ThreadWorker, "handle_request", lambda *_: closed.append("answered"))
    worker.handle_request(SimpleNamespace(headers=headers, force_close=lambda: closed.append("closes")), conn)
    assert closed == (["closes", "answered"] if closes else ["answered"])


def test_the_last_place_is_not_kept_by_a_client_that_says_nothing(worker: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        worker.nr_conns, worker.worker_connections = 0, 3
        clients = []
        for _ in range(5):
            clients.append(stack.enter_context(socket.create_connection(listener.getsockname())))
            worker.accept(listener)
        assert worker.nr_conns == 2
        peers = {conn.sock.getpeername() for conn in worker.pending_conns}
        assert peers == {client.getsockname() for client in clients[-2:]}
        for conn in list(worker.pending_conns):
            worker._forget(conn)


def test_a_second_question_over_one_connection_is_for_the_others(worker: Any, conn: Any, ends: Any) -> None:
    """If the client does not read, the responses would fill its buffer, and the thread for `/healthz` would wait."""
    go_on(conn, b"")
    assert placed(worker, conn, ends, HEAD + b"\r\n") == "threads"


def go_on(conn: Any, ahead: bytes) -> None:
    """Puts the connection in the state after its first request, with which `ahead` of the second was read."""
    conn.initialized = True
    conn.parser = SimpleNamespace(unreader=SimpleNamespace(buf=SimpleNamespace(getvalue=lambda: ahead)))


@pytest.mark.parametrize("sent", [b"GET", HEAD, POST + b"Content-Length: 5\r\n\r\n123"])
def test_a_later_request_of_a_connection_has_a_thread_for_a_look_at_it(
    worker: Any, conn: Any, ends: Any, sent: bytes
) -> None:
    """In the loop each look would wait for the interpreter's lock, and delay all clients."""
    go_on(conn, b"")
    assert placed(worker, conn, ends, sent) == "threads"
    looked, given = Future(), worker.tpool.given
    looked.set_result(worker.tpool.work(conn))
    assert given.pop() is conn
    worker.finish_request(conn, looked)
    assert place(worker, conn) == "waiting"
    assert worker.poller.select(0.05) == []


def test_a_later_request_that_is_there_is_answered_by_the_thread_that_looked(
    worker: Any, conn: Any, ends: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "handle", lambda it: ("answered", it))
    go_on(conn, b"")
    for sent in (HEAD + b"\r\n", POST + b"Content-Length: 5\r\n\r\n12345"):
        send(ends, sent)
        assert worker._handle_if_whole(conn) == ("answered", conn)
        ends[1].recv(4096)


@pytest.mark.parametrize(
    ("sent", "writes"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", False),
        (POST + b"\r\n", True),
        # The loop did not wait for these bodies. Clients that never send them would keep the few places for writes.
        (POST + b"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n", False),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", False),
        (POST + b"Content-Length: 65537\r\n\r\n", False),
    ],
)
def test_a_write_is_given_as_one(worker: Any, conn: Any, ends: Any, sent: bytes, writes: bool) -> None:
    assert placed(worker, conn, ends, sent) == "threads"
    assert worker.tpool.writing == [conn] * writes


def test_a_later_write_of_a_connection_waits_while_as_many_are_handled_as_may_be(
    worker: Any, conn: Any, ends: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "handle", lambda it: "answered")
    worker.tpool.may_write = False
    go_on(conn, b"")
    send(ends, POST + b"\r\n")
    looked: Future[Any] = Future()
    looked.set_result(worker._handle_if_whole(conn))
    worker.finish_request(conn, looked)
    assert worker.tpool.writing == [conn]
    worker.tpool.may_write = True
    assert worker._handle_if_whole(conn) == "answered"


def test_what_was_read_with_the_request_before_counts(worker: Any, conn: Any, ends: Any) -> None:
    go_on(conn, HEAD)
    worker.enqueue_req(conn)
    assert place(worker, conn) == "waiting"
    send(ends, b"\r")
    turn(worker)
    assert place(worker, conn) == "waiting"
    send(ends, b"\n")
    turn(worker)
    assert place(worker, conn) == "threads"


def test_a_whole_request_that_was_read_with_the_one_before_waits_for_nothing(worker: Any, conn: Any) -> None:
    go_on(conn, HEAD + b"\r\n")
    worker.enqueue_req(conn)
    assert place(worker, conn) == "threads"


@pytest.mark.parametrize("sent", [b"", HEAD, POST + b"Content-Length: 5\r\n\r\n123"])
def test_a_client_that_has_said_all_is_not_waited_for(worker: Any, conn: Any, ends: Any, sent: bytes) -> None:
    assert placed(worker, conn, ends, sent) == "waiting"
    ends[0].shutdown(socket.SHUT_WR)
    until(lambda: turn(worker) or place(worker, conn) == "threads", 2)


@pytest.mark.parametrize("sent", [b"", HEAD, POST + b"Content-Length: 5\r\n\r\n123"])
def test_a_client_is_waited_for_some_seconds_however_often_it_says_something(
    worker: Any, conn: Any, ends: Any, sent: bytes
) -> None:
    assert placed(worker, conn, ends, sent) == "waiting"
    latest = conn.timeout
    assert 0 < latest - time.monotonic() <= ARRIVAL
    send(ends, b"x")
    turn(worker)
    assert (place(worker, conn), conn.timeout) == ("waiting", latest)
    worker.murder_pending()
    assert place(worker, conn) == "waiting"
    conn.timeout, worker.next_sweep = time.monotonic() - 1, 0
    worker.murder_pending()
    assert (conn.sock.fileno(), worker.nr_conns, [*worker.pending_conns]) == (-1, 0, [])


def test_of_many_that_wait_those_whose_time_is_over_are_closed(worker: Any, ends: Any) -> None:
    """A connection that returned to the queue may be behind one whose time ends later."""
    conns = [TConn(worker.cfg, end, None, None) for end in ends]
    for conn, timeout in zip(conns, (ARRIVAL, -1), strict=True):
        worker._poll(conn, lambda *_: None)
        conn.timeout = time.monotonic() + timeout
    worker.murder_pending()
    assert [*worker.pending_conns] == conns[:1]


@pytest.mark.parametrize(
    ("sent", "error"), [(HEAD + b"X: ", LimitRequestHeaders), (b"GET /", LimitRequestLine)], ids=["fields", "address"]
)
def test_a_head_that_is_too_long_is_refused_without_its_end(
    worker: Any, conn: Any, ends: Any, sent: bytes, error: type[Exception]
) -> None:
    assert placed(worker, conn, ends, sent + b"x" * (LONGEST_HEAD - len(sent))) == "threads"
    refused: list[Any] = []
    worker.handle_error = lambda *given: refused.append(given)
    assert worker.tpool.work(conn) is False
    assert type(refused[0][3]) is error


def test_under_tls_a_client_that_says_something_has_a_thread(worker: Any, conn: Any, ends: Any) -> None:
    worker.cfg.is_ssl = True
    assert placed(worker, conn, ends, b"") == "waiting"
    send(ends, b"\x16")
    turn(worker)
    assert place(worker, conn) == "threads"


# ── The end of a connection ───────────────────────────────────────────────────────────────────


def finished(answer: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(answer)
    return future


@pytest.mark.parametrize("sent", [b"", b"more"])
def test_nothing_waits_for_a_client_to_close_its_end(worker: Any, conn: Any, ends: Any, sent: bytes) -> None:
    send(ends, sent)
    started = time.monotonic()
    worker.finish_request(conn, finished(False))
    turn(worker)
    assert time.monotonic() - started < LINGER / 4
    # The client sees the end, and the server's socket is still open.
    assert (ends[0].recv(1), conn.sock.fileno() > 0) == (b"", True)
    ends[0].close()
    until(lambda: turn(worker) or conn.sock.fileno() == -1, 2)
    assert (worker.nr_conns, [*worker.pending_conns]) == (0, [])


def test_a_client_that_does_not_close_is_closed(worker: Any, conn: Any) -> None:
    worker.finish_request(conn, finished(False))
    assert 0 < conn.timeout - time.monotonic() <= LINGER
    conn.timeout = time.monotonic() - 1
    worker.murder_pending()
    assert (conn.sock.fileno(), worker.nr_conns) == (-1, 0)


def test_a_client_that_is_gone_is_not_waited_for(worker: Any, conn: Any) -> None:
    conn.sock.close()
    worker.finish_request(conn, finished(False))
    assert (worker.nr_conns, [*worker.pending_conns]) == (0, [])


# ── What a thread waits for ───────────────────────────────────────────────────────────────────


def test_a_thread_that_reads_for_too_long_reads_the_end_and_can_answer(worker: Any, conn: Any, ends: Any) -> None:
    conn.sock.setblocking(True)
    worker.in_threads[conn] = time.monotonic() - ARRIVAL + 1
    worker.murder_pending()
    conn.sock.settimeout(0.05)
    with pytest.raises(TimeoutError):
        conn.sock.recv(1)
    worker.in_threads[conn], worker.next_sweep = time.monotonic() - ARRIVAL - 1, 0
    worker.murder_pending()
    assert conn.sock.recv(1) == b""
    conn.sock.sendall(b"late")
    assert ends[0].recv(4) == b"late"


def test_a_thread_whose_answer_is_not_taken_gives_up(worker: Any, conn: Any) -> None:
    worker.in_threads[conn] = time.monotonic() - ANSWER - 1
    worker.murder_pending()
    with pytest.raises(BrokenPipeError):
        conn.sock.sendall(b"late")


def test_a_tls_connection_is_ended_below_the_encryption(worker: Any, conn: Any) -> None:
    """After a TLS socket's own `shutdown` the thread would continue in plain text."""

    class Encrypted(socket.socket):
        def shutdown(self, how: int) -> None:
            raise AssertionError("in plain text from here on")

    plain = conn.sock
    with Encrypted(fileno=plain.detach()) as conn.sock:
        worker.in_threads[conn] = time.monotonic() - ARRIVAL - 1
        worker.murder_pending()
        assert conn.sock.recv(1) == b""


def test_what_is_encrypted_is_not_looked_at(worker: Any, conn: Any) -> None:
    go_on(conn, b"")
    worker.cfg.is_ssl, conn.sock = True, None
    assert module._peek(conn) == b""


@pytest.mark.parametrize("how", ["cancelled", "failed"])
def test_a_thread_that_failed_closes_its_connection_and_no_more(worker: Any, conn: Any, how: str) -> None:
    future: Future[Any] = Future()
    if how == "cancelled":
        future.cancel()
    else:
        future.set_exception(RuntimeError("a fault of the worker"))
    worker.finish_request(conn, future)
    assert (conn.sock.fileno(), worker.nr_conns) == (-1, 0)


def test_a_thread_is_watched_while_it_has_a_connection(worker: Any, conn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(module.ThreadWorker, "handle", lambda self, conn: seen.append(conn in self.in_threads))
    worker.handle(conn)
    assert (seen, worker.in_threads) == ([True], {})


def test_memory_is_given_back_once_after_logins_that_waited(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[int] = []
    monkeypatch.setattr(module.ctypes, "CDLL", lambda _: SimpleNamespace(malloc_trim=given_back.append))
    counts: list[int] = []
    for number in (0, 3, 1, 0, 0, 0):
        monkeypatch.setattr(module.WAITS, "number", number)
        worker.next_sweep = 0.0
        worker.murder_pending()
        counts.append(len(given_back))
    assert counts == [0, 0, 0, 0, 1, 1], "not while the last of them may still be hashed"


# Responds with the number of its hundred lists that the garbage collector can see.
LOADED = """
import gc
loaded = {id(one): one for one in ([] for _ in range(100))}
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"%d" % sum(id(one) in loaded for one in gc.get_objects())]
"""


def test_what_the_master_has_loaded_is_not_looked_through_for_garbage(tmp_path: Path) -> None:
    (tmp_path / "loaded.py").write_text(LOADED)
    port = free_port()
    command = [
        "-m",
        "gunicorn",
        "-c",
        "config/gunicorn.py",
        "--bind",
        f"127.0.0.1:{port}",
        "--pythonpath",
        str(tmp_path),
    ]
    environment = os.environ | {"ENV_FILE": os.devnull, "DJANGO_SETTINGS_MODULE": "config.settings"} | GOOD
    with subprocess.Popen([sys.executable, *command, "loaded"], cwd=ROOT, env=environment, stdout=PIPE) as process:
        try:
            until(lambda: _answer(port) is not None)
            assert _answer(port) == b"0"
        finally:
            process.terminate()


def _answer(port: int) -> bytes | None:
    with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
        return bytes(answer.read())
    return None


# ── The parser ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("parser", "takes"), [("auto", True), (configuration.http_parser, False)])
def test_a_parser_that_happens_to_be_installed_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, parser: str, takes: bool
) -> None:
    monkeypatch.setattr(message, "_fast_parser_available", True)
    monkeypatch.setattr(message, "_fast_parser_module", SimpleNamespace(LimitRequestLine=Exception))
    assert message._check_fast_parser(SimpleNamespace(http_parser=parser)) is takes
