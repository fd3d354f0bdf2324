"""Which thread has a connection: the one for `/healthz`, or one of those that may have to wait."""

import selectors
import socket
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from config.worker import LONGEST, Worker


class Pool:
    """Notes what it was given."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def submit(self, work: Any, conn: Any) -> Future[Any]:
        self.given.append(conn)
        return Future()


@pytest.fixture
def worker() -> Any:
    worker: Any = object.__new__(Worker)
    worker.cfg = SimpleNamespace(is_ssl=False)
    worker.health_pool, worker.tpool = Pool(), Pool()
    worker.pending_conns, worker.poller = deque(), selectors.DefaultSelector()
    return worker


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    client, server = socket.socketpair()
    with client, server:
        yield client, server


def placed(worker: Any, ends: Any, sent: bytes, initialized: bool = False) -> str:
    client, server = ends
    client.sendall(sent)
    parser = SimpleNamespace(unreader=SimpleNamespace(buf=SimpleNamespace(getvalue=lambda: b"")))
    conn = SimpleNamespace(sock=server, initialized=initialized, parser=parser, timeout=None)
    worker.enqueue_req(conn)
    found = {"health": worker.health_pool.given, "threads": worker.tpool.given, "waiting": [*worker.pending_conns]}
    [place] = [name for name, given in found.items() if given == [conn]]
    # It was looked at, and is still there to be read.
    assert not sent or server.recv(2 * LONGEST, socket.MSG_DONTWAIT) == sent
    return place


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
def test_a_supervisors_question_has_a_thread_of_its_own(worker: Any, ends: Any, sent: bytes) -> None:
    assert placed(worker, ends, sent) == "health"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthzz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        HEAD,  # the rest may never come
        HEAD + b"Content-Length: 5\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n",
        HEAD + b"Expect: 100-continue\r\n\r\n",
        HEAD + b"Upgrade: h2c\r\n\r\n",
        HEAD + b"\r\n" + HEAD + b"\r\n",
        HEAD + b"X: " + b"x" * LONGEST + b"\r\n\r\n",
    ],
)
def test_what_could_keep_that_thread_waiting_is_for_the_others(worker: Any, ends: Any, sent: bytes) -> None:
    assert placed(worker, ends, sent) == "threads"


def test_a_second_question_over_one_connection_is_for_the_others(worker: Any, ends: Any) -> None:
    """Its answers would fill the buffer of a client that does not read, and the thread would wait for it."""
    assert placed(worker, ends, HEAD + b"\r\n", initialized=True) == "threads"


def test_a_client_that_says_nothing_has_no_thread(worker: Any, ends: Any) -> None:
    assert placed(worker, ends, b"") == "waiting"


def test_under_tls_nothing_is_looked_at(worker: Any, ends: Any) -> None:
    worker.cfg.is_ssl = True
    assert placed(worker, ends, HEAD + b"\r\n") == "threads"
