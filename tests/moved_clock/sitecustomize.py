"""Imported by every Python process whose clock `tests.clocks` has moved, before anything else.

Of the clock that counts seconds since boot, libfaketime 0.9.10 can move either all of its uses or none, and one kind of
wait fails in each case: moved, `Event.wait(1)` never ends, and housekeeping stops; not moved, `time.sleep(1)` is an
error. So it is not moved, and `time.sleep` waits by another system call.
"""

import select
import time


def sleep(seconds: float) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = sleep
