"""Waits for a silent server once. Further calls are refused at once, until it answers again.

Without this, each request to a hung store holds a thread for the full wait, and what needs no store waits for a
thread. The libraries for this either let every thread try again at once or hold a lock during each call.
"""

import threading
import time

# Seconds between two tries while a server is silent.
PAUSE = 1


class Breaker:
    """Guards one server in one process. `wait` is the longest that a call can take, in seconds."""

    def __init__(self, wait: float) -> None:
        self.wait = wait
        self._lock = threading.Lock()
        self._next_try: float | None = None

    def allows(self) -> bool:
        """Whether the server may be asked. While it is silent, one caller at a time may."""
        if self._next_try is None:
            return True
        with self._lock:
            now = time.monotonic()
            if self._next_try is not None and now < self._next_try:
                return False
            if self._next_try is not None:
                # The others are refused until this caller has found out.
                self._next_try = now + self.wait + PAUSE
            return True

    def silent(self) -> None:
        """Notes that the server did not answer within the wait."""
        with self._lock:
            self._next_try = time.monotonic() + PAUSE

    def answered(self) -> None:
        """Notes that the server answered, whatever it said."""
        if self._next_try is not None:
            with self._lock:
                self._next_try = None
