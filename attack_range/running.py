"""Runs cases one at a time, each in its own scene."""

import traceback
from collections.abc import Iterable
from pathlib import Path
from threading import BoundedSemaphore

from attack_range.browser import CHROMIUM, Unavailable
from attack_range.cases import Case, Result, Seen
from attack_range.scene import Scene

# Each request that waits for its turn uses a thread of the server. Without this limit none might be left to answer the
# pages of the case that runs.
WAITING_MAX = 4
_places = BoundedSemaphore(WAITING_MAX)
BUSY = "Several runs are waiting for Chromium already. Try again when they are done."


class Busy(Exception):
    """Too many runs are waiting already."""


def run_all(cases: Iterable[Case]) -> list[Result]:
    """The results, in the same order. Raises `Busy`, or `Unavailable` when a case needs Chromium and there is none."""
    if not _places.acquire(blocking=False):
        raise Busy(BUSY)
    try:
        return [CHROMIUM.in_its_thread(lambda case=case: run(case)) for case in cases]  # type: ignore[misc]
    finally:
        _places.release()


def run(case: Case) -> Result:
    """The result of one case. A case that raises an error is never as expected, and its result names the place."""
    try:
        with Scene() as scene:
            return Result(case, case.run(scene))
    except Unavailable:
        raise
    except Exception as error:
        text = f"The try broke off: {type(error).__name__} at {_location_of(error)}."
        return Result(case, Seen(not case.expected, text, {"broke_off": str(error)[:300]}))


def _location_of(error: Exception) -> str:
    here = str(Path(__file__).parent)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(here)]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}"
