"""gunicorn's threaded worker, in which nothing that waits for a store can hold up `/healthz`.

A supervisor that gets no answer ends the process, with all who wait in it, although a new one would wait as well.
"""

import selectors
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from gunicorn.workers.gthread import DEFAULT_WORKER_DATA_TIMEOUT, TConn, ThreadWorker

HEALTH = (b"GET /healthz ", b"HEAD /healthz ", b"GET /healthz?", b"HEAD /healthz?")
# What announces more than the head.
MORE = (b"\r\ncontent-length:", b"\r\ntransfer-encoding:", b"\r\nexpect:", b"\r\nupgrade:")
LONGEST = 4096  # bytes


class Worker(ThreadWorker):  # type: ignore[misc]
    """One thread more than `threads`, and it answers `/healthz` alone: on a new connection over plain http.

    Under TLS nothing can be seen of a request before a thread has it.
    """

    def init_process(self) -> None:
        self.health_pool = ThreadPoolExecutor(max_workers=1)
        super().init_process()

    def enqueue_req(self, conn: TConn) -> None:
        """Gives a connection on which something has arrived to the thread that may have it."""
        head = self._peek(conn)
        if head is None:
            self._wait_for_data(conn)
            return
        # Only the first request of a connection: its answer fits into the buffer of a client that does not read.
        health = not conn.initialized and _asks_for_health(head)
        pool = self.health_pool if health else self.tpool
        answered = pool.submit(self.handle, conn)
        answered.add_done_callback(lambda it: self.method_queue.defer(self.finish_request, conn, it))

    def _peek(self, conn: TConn) -> bytes | None:
        """What has arrived, which stays there; `None` for nothing yet. b"" where the head is not there to be seen."""
        if self.cfg.is_ssl or (conn.initialized and conn.parser.unreader.buf.getvalue()):
            return b""
        try:
            return conn.sock.recv(LONGEST, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""  # closed: for gunicorn's own code to find out

    def _wait_for_data(self, conn: TConn) -> None:
        # As gunicorn does it after a thread has waited in vain.
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + DEFAULT_WORKER_DATA_TIMEOUT
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))


def _asks_for_health(head: bytes) -> bool:
    # A complete head and nothing more: a client that stops in the middle must not hold up this thread either.
    whole = head.endswith(b"\r\n\r\n") and head.count(b"\r\n\r\n") == 1
    return whole and head.startswith(HEALTH) and not any(word in head.lower() for word in MORE)
