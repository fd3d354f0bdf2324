"""A small server for the tests of the load: `python answering.py PORT`. Each of its refresh tokens works once."""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Lock
from typing import BinaryIO


class Answering(BaseHTTPRequestHandler):
    """Answers by the rules below, and logs nothing."""

    protocol_version = "HTTP/1.1"
    numbers, lock, good = count(1), Lock(), {f"first-{number}" for number in range(100)}
    waiting: list[BinaryIO] = []

    def do_GET(self) -> None:
        """`/` is fine; `/redirect` and `/fails` are not; `/sometimes` fails one time in fifty; `/together` waits.

        `/brief` closes its connection after a moment without another request; `/late` takes longer than that.
        """
        if self.path == "/together":
            self.wait_for_others()
            return
        if self.path == "/brief":
            self.connection.settimeout(0.3)
        if self.path == "/late":
            time.sleep(1.5)
        failing = self.path == "/fails" or (self.path == "/sometimes" and next(self.numbers) % 50 == 0)
        self.answer(500 if failing else 302 if self.path == "/redirect" else 200, {})

    def do_POST(self) -> None:
        """Takes a token, in the body or as a cookie, and gives another in the same way; `/end` gives none."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or "{}")
        cookie = self.headers.get("Cookie", "").removeprefix("refresh-token=")
        with self.lock:
            token = f"{'n' * (next(self.numbers) % 3)}-{next(self.numbers)}"
            known = (cookie or body.get("refresh")) in self.good
            self.good.discard(cookie or body.get("refresh"))
            self.good.add(token)
        if not known:
            self.answer(401, {})
        elif cookie:
            self.answer(200, {}, f"refresh-token={token}; Path=/; HttpOnly")
        else:
            self.answer(200, {} if self.path == "/end" else {"access": "x", "refresh": token})

    def wait_for_others(self) -> None:
        """Holds sixteen requests and answers them all at the sixteenth, so that a client sees many answers at once."""
        with self.lock:
            self.waiting.append(self.wfile)
            if len(self.waiting) == 16:
                while self.waiting:
                    self.waiting.pop().write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def answer(self, status: int, body: dict[str, str], cookie: str = "") -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answering).serve_forever()
