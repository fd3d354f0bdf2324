"""A circuit breaker: after one call to a silent server, further calls are refused at once until it answers again.

Without this, each request to a hung store holds a thread for the full wait, and requests that need no store wait for a
thread. Existing libraries either let all threads try again at the same time or hold a lock during each call.
"""

import threading
import time

# Seconds between two tries while a server is silent.
PAUSE = 1


class Breaker:
    """Guards one server in one process. `wait` is the longest time that a call can take, in seconds."""

    def __init__(self, wait: float) -> None:
        self.wait = wait
        self._lock = threading.Lock()
        self._next_try: float | None = None

    def allows(self) -> bool:
        """Whether the caller may ask the server. While the server is silent, only one caller at a time may."""
        if self._next_try is None:
            return True
        with self._lock:
            now = time.monotonic()
            if self._next_try is not None and now < self._next_try:
                return False
            if self._next_try is not None:
                # Refuses the others until this caller knows whether the server answers.
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
