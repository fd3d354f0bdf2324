"""gunicorn's threaded worker, changed so that a slow client or a slow store does not delay other requests.

gunicorn gives a connection to a thread at its first byte. Eight clients that stop in the middle of a request would
then block all threads for as long as they like. Here a thread gets a connection after the whole request has arrived.

A login that waits for other logins gives its place to another request (`config/places.py`).

`/healthz` is answered even if all other requests wait for a store. Without an answer, a supervisor would end the
process and all its requests, although a new process would wait for the store as well.

gunicorn's single loop waits up to two seconds for each client to close its end of a connection. Ten clients that do
not close it would delay all others for twenty seconds. Here that loop waits for no single client.
"""

import ctypes
import fcntl
import selectors
import socket
import struct
import termios
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from django.db import connections
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine
from gunicorn.workers.gthread import TConn, ThreadWorker

from config.places import Places
from security import hashing
from security.waits import MOST, WAITS

HEALTH = (b"GET /healthz ", b"HEAD /healthz ", b"GET /healthz?", b"HEAD /healthz?")
READS = (b"GET ", b"HEAD ")
LENGTH = b"\r\ncontent-length:"
# The worker cannot wait for these bodies: chunks have no length, and a client that expects 100-continue sends no body
# before it gets that.
UNMEASURED = (b"\r\ntransfer-encoding:", b"\r\nexpect:")
LONGEST_HEAD = 32 * 1024  # bytes
# Bytes, the same as DATA_UPLOAD_MAX_MEMORY_SIZE. A longer body is refused without being read.
LONGEST_BODY = 64 * 1024
# Seconds in which a request must arrive, and seconds in which the client must have received the answer.
ARRIVAL, ANSWER = 10, 60
# Seconds for which a connection is kept after its last answer. If it were closed while the client still sends, it would
# be reset, and the client would lose the answer.
LINGER = 2
LATER = object()


class Worker(ThreadWorker):  # type: ignore[misc]
    """Has one more thread, which answers only `/healthz`, on a new connection over plain http.

    With TLS the worker sees nothing of a request before a thread has it. A slow client then keeps that thread for
    `ARRIVAL` seconds.
    """

    def init_process(self) -> None:
        self.health_pool = ThreadPoolExecutor(max_workers=1)
        self.in_threads: dict[TConn, float] = {}
        self.next_sweep, self.sweeps_to_trim = 0.0, 0
        super().init_process()

    def get_thread_pool(self) -> Places:
        # Aside are the logins that wait, and those whose hash is being computed.
        places = Places(self.cfg.threads, MOST + hashing.POOL.size, connections.close_all)
        WAITS.aside = places.aside
        return places

    def enqueue_req(self, conn: TConn) -> None:
        """Gives a connection on which bytes have arrived to a thread, or waits for the rest of the request."""
        if conn.initialized and not getattr(conn, "wanted", 0) and not _read_ahead(conn):
            # A thread looks whether the request is complete. If this loop did so, it would wait for the interpreter's
            # lock, which the threads hold: a tenth of the cost of a request. The first request of a connection must be
            # looked at here, because it may be for `/healthz`.
            self._give(conn, self.tpool.submit, self._handle_if_whole)
        else:
            self._enqueue_whole(conn)

    def _handle_if_whole(self, conn: TConn) -> Any:
        """Returns what `handle` returns, or `LATER` if the request is incomplete, or a write without a place."""
        try:
            seen = _peek(conn)
        except OSError:
            return LATER
        if seen and not self.cfg.is_ssl:
            wanted, here = _sizes(conn, seen)
            if wanted > here or (_is_write(seen) and not self.tpool.write()):
                return LATER
        return self.handle(conn)

    def accept(self, listener: socket.socket) -> None:
        """Accepts a connection. If there are then as many as allowed, closes the one that has waited longest."""
        super().accept(listener)
        if self.nr_conns >= self.worker_connections and len(self.pending_conns) > 1:
            self._forget(min(self.pending_conns, key=lambda conn: conn.timeout))

    def _enqueue_whole(self, conn: TConn) -> None:
        try:
            seen = _peek(conn)
        except BlockingIOError:
            self._wait(conn, 1)
            return
        except OSError:
            self._close(conn)  # the client is gone
            return
        if seen and not self.cfg.is_ssl:
            self._enqueue_plain(conn, seen)
        else:
            self._give(conn, self.tpool.submit)

    def _enqueue_plain(self, conn: TConn, seen: bytes) -> None:
        wanted, here = _sizes(conn, seen)
        if wanted > here >= LONGEST_HEAD and not _end_of_head(seen):
            self._give(conn, self.tpool.submit, self._refuse)
        elif wanted > here and wanted != getattr(conn, "wanted", 0):
            self._wait(conn, wanted)
        elif wanted > here:
            self._take(conn)
        else:
            # Only for the first request of a connection: its answer fits into the buffer, even if the client does not
            # read, so the one thread for health never waits.
            health = not conn.initialized and _asks_for_health(seen)
            threads = self.tpool.submit_write if _is_write(seen) else self.tpool.submit
            self._give(conn, self.health_pool.submit if health else threads)

    def _take(self, conn: TConn) -> None:
        """Reads what has arrived into the parser's buffer, because the poller has reported an incomplete request.

        The kernel reports it when the client has closed its side, when the kernel's memory is short, which a client can
        cause by sending single bytes, and at an urgent byte.
        """
        conn.init()
        try:
            part = conn.sock.recv(LONGEST_HEAD, socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._wait(conn, conn.wanted)
            return
        except OSError:
            self._close(conn)  # the client is gone
            return
        unreader = conn.parser.unreader
        unreader.unread(unreader.take_buffered() + part)
        if part:
            self._enqueue_whole(conn)
        else:
            self._give(conn, self.tpool.submit)  # the thread finds the end of the data and does not wait

    def _wait(self, conn: TConn, wanted: int) -> None:
        """Waits until `wanted` bytes are in the socket, for `ARRIVAL` seconds in all."""
        if not getattr(conn, "wanted", 0):
            conn.timeout = time.monotonic() + ARRIVAL
        conn.wanted = wanted
        # Without it the poller would report the bytes that are already there, again and again.
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wanted)
        self._poll(conn, self.on_pending_socket_readable)

    def _poll(self, conn: TConn, callback: Callable[[TConn, socket.socket], None]) -> None:
        conn.sock.setblocking(False)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(callback, conn))
        self.pending_conns.append(conn)

    def _give(
        self, conn: TConn, submit: Callable[..., Future[Any]], work: Callable[[TConn], bool] | None = None
    ) -> None:
        if getattr(conn, "wanted", 0):
            conn.wanted = 0
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        conn.data_ready = True
        answered = submit(work or self.handle, conn)
        answered.add_done_callback(lambda it: self.method_queue.defer(self.finish_request, conn, it))

    def _refuse(self, conn: TConn) -> bool:
        limit = self.cfg.limit_request_line
        error = LimitRequestHeaders("too long") if b"\n" in _peek(conn) else LimitRequestLine(LONGEST_HEAD, limit)
        conn.sock.setblocking(True)
        self.handle_error(None, conn.sock, conn.client, error)
        return False

    def handle(self, conn: TConn) -> Any:
        """As in gunicorn, but `murder_pending` limits how long the thread waits for the client."""
        self.in_threads[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            del self.in_threads[conn]

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """As in gunicorn, but closes the connection after a body that the worker did not wait for.

        Otherwise a thread would have to read the rest of that body.
        """
        if not _was_waited_for(req.headers):
            req.force_close()
        return super().handle_request(req, conn)

    def finish_request(self, conn: TConn, answered: Future[Any]) -> None:
        """Keeps or closes a connection, without waiting until the client has closed its end."""
        if not answered.cancelled() and not answered.exception() and answered.result() is LATER:
            self._enqueue_whole(conn)
            return
        if answered.cancelled() or answered.exception() or answered.result():
            super().finish_request(conn, answered)
            return
        with suppress(OSError):  # the client is gone
            conn.sock.shutdown(socket.SHUT_WR)
            conn.timeout = time.monotonic() + LINGER
            self._poll(conn, self._drain)
            return
        self._close(conn)

    def _drain(self, conn: TConn, client: socket.socket) -> None:
        with suppress(OSError):
            if client.recv(LONGEST_BODY):
                return
        self._forget(conn)

    def murder_pending(self) -> None:
        """Closes connections that have waited too long. Frees threads from clients that send or read too slowly."""
        now = time.monotonic()
        if now < self.next_sweep:
            return
        self.next_sweep = now + 1
        self._give_memory_back()
        for conn in [conn for conn in self.pending_conns if conn.timeout < now]:
            self._forget(conn)
        for conn, since in self.in_threads.copy().items():
            if since + ARRIVAL < now:
                # Not the TLS socket's own method, after which the thread would continue in plain text.
                with suppress(OSError):  # closed already
                    # After `SHUT_RD` the thread can still send its answer.
                    how = socket.SHUT_RD if now < since + ANSWER else socket.SHUT_RDWR
                    socket.socket.shutdown(conn.sock, how)

    def _give_memory_back(self) -> None:
        """Once after many logins have waited, returns memory to the system: glibc keeps what their threads used."""
        if WAITS.number:
            # The last login is hashed after its wait, and may not be done at the next sweep.
            self.sweeps_to_trim = 2
        elif self.sweeps_to_trim:
            self.sweeps_to_trim -= 1
            if not self.sweeps_to_trim:
                with suppress(AttributeError):  # only glibc has this function
                    ctypes.CDLL(None).malloc_trim(0)

    def _forget(self, conn: TConn) -> None:
        self.pending_conns.remove(conn)
        self.poller.unregister(conn.sock)
        self._close(conn)

    def _close(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()


def _peek(conn: TConn) -> bytes:
    """The bytes that have arrived and are not yet parsed; b"" with TLS or at the end. Raises as `recv` does."""
    if conn.initialized and conn.cfg.is_ssl:
        return b""
    ahead = _read_ahead(conn)
    try:
        return ahead + conn.sock.recv(LONGEST_HEAD, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        if ahead:
            return ahead
        raise


def _read_ahead(conn: TConn) -> bytes:
    """The bytes of this request that gunicorn has read together with the request before it."""
    return conn.parser.unreader.buf.getvalue() if conn.initialized else b""


def _sizes(conn: TConn, seen: bytes) -> tuple[int, int]:
    """How many bytes of the request must be in the socket, as far as is known yet, and how many are there."""
    ahead, end = len(_read_ahead(conn)), _end_of_head(seen)
    wanted = (end + _length_of_body(seen[:end]) if end else len(seen) + 1) - ahead
    here = len(seen) - ahead
    return wanted, _arrived(conn.sock) if end and wanted > here else here


def _end_of_head(seen: bytes) -> int:
    """The position after the empty line; 0 without one. Bare line feeds count: gunicorn refuses them at once."""
    return seen.find(b"\n\r\n") + 3 if b"\n\r\n" in seen else seen.find(b"\n\n") + 2 if b"\n\n" in seen else 0


def _length_of_body(head: bytes) -> int:
    """How many bytes of the body the worker waits for."""
    head = head.lower()
    _, found, rest = head.partition(LENGTH)
    length = rest.partition(b"\r\n")[0].strip()
    if not found or not length.isdigit() or any(word in head for word in UNMEASURED):
        return 0
    number = int(length.lstrip(b"0")[:9] or b"0")
    return number if number <= LONGEST_BODY else 0


def _is_write(seen: bytes) -> bool:
    """Whether a request needs one of the places for writes.

    A request with a body that the worker did not wait for gets none of these few places: a client that stops sending
    would keep it.
    """
    head = seen[: _end_of_head(seen)].lower()
    if seen.startswith(READS) or any(word in head for word in UNMEASURED):
        return False
    length = head.partition(LENGTH)[2].partition(b"\r\n")[0].strip()
    return not length.isdigit() or int(length.lstrip(b"0")[:9] or b"0") <= LONGEST_BODY


def _was_waited_for(headers: list[tuple[str, str]]) -> bool:
    """Whether the worker waited for the body before a thread got the request. Takes gunicorn's form of the headers."""
    length = next((value for name, value in headers if name == "CONTENT-LENGTH"), "0")
    return int(length) <= LONGEST_BODY and not any(name in ("TRANSFER-ENCODING", "EXPECT") for name, _ in headers)


def _arrived(sock: socket.socket) -> int:
    """How many bytes are in the socket."""
    return int(struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, bytes(4)))[0])


def _asks_for_health(seen: bytes) -> bool:
    # Only a request without a body and with nothing after it. A client could leave the answer to a second one unread.
    if not seen.startswith(HEALTH) or not seen.endswith(b"\r\n\r\n") or seen.count(b"\r\n\r\n") != 1:
        return False
    return not any(word in seen.lower() for word in (LENGTH, b"\r\nupgrade:", *UNMEASURED))
