"""Slow clients, on purpose or not: they delay no other client, and are disconnected. Requests go through sockets."""

import socket
import time
from contextlib import ExitStack

import pytest

from config.worker import ARRIVAL
from tests.running import WEB_PROCESSES, Site
from tests.site.member import PATIENCE, Member

pytestmark = pytest.mark.site
# Twice as many as the site has threads.
CROWD = WEB_PROCESSES * 8 * 2
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /jwt/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
KINDS = {
    "silent": (b"", b""),
    "head that stops": (HEAD, b""),
    "head that drips": (HEAD + b"X: ", b"x"),
    "body that stops": (POST + b"Content-Length: 99\r\n\r\n{", b""),
    "body that drips": (POST + b"Content-Length: 99\r\n\r\n{", b" "),
    "body that is too long and stops": (POST + b"Content-Length: 99999\r\n\r\n{", b""),
    "body in chunks that stops": (POST + b"Transfer-Encoding: chunked\r\n\r\n", b""),
    "body of a length with zeros that stops": (POST + b"Content-Length: 00000000000099\r\n\r\n{", b""),
    "body after an upgrade that stops": (POST + b"Upgrade: x\r\nContent-Length: 99\r\n\r\n{", b""),
    "second head that stops": (HEAD + b"\r\n" + HEAD, b""),
    "answer that is not waited for": (HEAD + b"Connection: close\r\n\r\n", b""),
}


def test_slow_clients_hold_up_no_other_and_are_ended(site: Site) -> None:
    with ExitStack() as stack:
        slow = {kind: [] for kind in KINDS}
        for kind, (begun, _) in KINDS.items():
            for _ in range(CROWD):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", site.port), PATIENCE))
                client.sendall(begun)
                slow[kind].append(client)
        for _ in range(10):
            started = time.monotonic()
            assert Member(site).send("GET", "/readyz").status == 200
            assert time.monotonic() - started < 1
        end = time.monotonic() + ARRIVAL + 5
        while any(slow.values()):
            assert time.monotonic() < end, {kind: len(clients) for kind, clients in slow.items()}
            slow = {kind: [it for it in clients if not is_ended(it, KINDS[kind][1])] for kind, clients in slow.items()}
            time.sleep(0.1)
    assert Member(site).send("GET", "/readyz").status == 200


def is_ended(client: socket.socket, more: bytes) -> bool:
    try:
        client.sendall(more)
        while client.recv(4096, socket.MSG_DONTWAIT):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
