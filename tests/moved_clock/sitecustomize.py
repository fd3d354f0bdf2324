"""Imported by every Python process whose clock `tests.clocks` has moved, before anything else.

libfaketime 0.9.10 can move the monotonic clock for all of its uses or for none. If it is moved, `Event.wait(1)` never
ends, and housekeeping stops. If it is not moved, `time.sleep(1)` raises an error. It is not moved here, and
`time.sleep` is replaced by one that waits with another system call.
"""

import select
import time


def sleep(seconds: float) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = sleep
