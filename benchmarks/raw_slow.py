"""Checks of a server with slow clients: others must not wait for them, and their connections must end."""

import contextlib
import socket
import time

from benchmarks.raw import CLOSE, NOTHING, PATIENCE, Server, ask, statuses

# Seconds: for others while clients are slow, and until a slow client is ended.
PROMPT, BOUND = 2.0, 20.0
# The number of slow clients: more than any candidate has threads.
CROWD = 24


def stopped_heads(server: Server) -> str:
    """Clients that stop in the middle of a head."""
    return slow(server, NOTHING[:-10])


def dripping_heads(server: Server) -> str:
    """Clients that send a byte of their head now and then."""
    return slow(server, NOTHING[:-2] + b"X: ", b"x")


def stopped_bodies(server: Server) -> str:
    """Clients that stop in the middle of a body."""
    head = (
        b"POST /jwt/auth/login HTTP/1.1\r\n" + CLOSE + b"Content-Type: application/json\r\nContent-Length: 90\r\n\r\n"
    )
    return slow(server, head + b"{")


def silent(server: Server) -> str:
    """Clients that connect and say nothing."""
    return slow(server, b"")


def staying(server: Server) -> str:
    """Clients that have received their answer and do not close the connection."""
    return slow(server, NOTHING)


def slow(server: Server, begun: bytes, more: bytes = b"") -> str:
    """Sends `begun` on many connections, then `more` again and again. Says if others wait or connections stay open."""
    waited = 0.0
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(plain(server.port)) for _ in range(CROWD)]
        for client in clients:
            client.sendall(begun)
        end = time.monotonic() + BOUND
        asked = time.monotonic() + PROMPT
        while clients and time.monotonic() < end:
            if time.monotonic() < asked and not waited:
                waited = _seconds(server)
            clients = [client for client in clients if is_open(client, more)]
            time.sleep(0.2)
    said = [f"others wait {'for ever' if waited > BOUND else f'{waited:.0f} s'}"] if waited else []
    return ", ".join(said + ([f"open after {BOUND:.0f} s"] if clients else []))


def plain(port: int) -> socket.socket:
    """A connection without TLS that does not block. Otherwise `is_open` would wait, and take a timeout for the end."""
    client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    client.setblocking(False)
    return client


def _seconds(server: Server) -> float:
    """Seconds that another client waits, or 0 if these are less than `PROMPT`."""
    started = time.monotonic()
    if not statuses(ask(server, NOTHING, BOUND + PATIENCE)):
        return BOUND + PATIENCE
    took = time.monotonic() - started
    return took if took > PROMPT else 0.0


def is_open(client: socket.socket, more: bytes) -> bool:
    try:
        client.sendall(more)
        return not _ended(client)
    except OSError:
        return False


def _ended(client: socket.socket) -> bool:
    """Whether the server has closed the connection. Reads what it sent before: an answer can come before the end."""
    try:
        while client.recv(4096):
            pass
    except BlockingIOError:
        return False
    return True
