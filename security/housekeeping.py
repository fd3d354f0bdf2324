"""Work that no request waits for: one loop, run by `manage.py housekeeping`.

Gives `task`, a decorator by which an app adds work; `Turn`, for work on many rows; `run_due`, one turn of the loop;
`report`, what `/readyz` answers.
"""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import close_old_connections
from django.db.models import QuerySet
from django.utils import timezone

from security.models import HousekeepingRun
from security.outages import OUTAGES

logger = logging.getLogger("site.housekeeping")

# Seconds between two notes of an uneventful task; each note is a write.
NOTE_EVERY = 10
# The rows that a task changes in a turn, and the seconds after each batch in which it leaves the database to others.
# Who waits for SQLite's lock looks for it only now and then, and would miss a shorter gap. A longer turn would also
# keep the denylist waiting for its own: its lease would run out, and each request would read the list anew.
ROWS, PAUSE = 250, 0.02


class Unfinished(str):
    """What a task returns that has more to do: it is due again at once."""

    __slots__ = ()


class Turn:
    """What a task changes in one turn, in batches: no request waits long for a lock, and no other task for this one."""

    def __init__(self) -> None:
        self.left = ROWS

    def batches(self, rows: QuerySet[Any], size: int) -> Iterator[list[Any]]:
        """The keys of so many of these rows at a time. What the caller does with them takes them out of `rows`.

        An index must find `rows`, in their order; or each batch would read the whole table.
        """
        while keys := list(rows.values_list("pk", flat=True)[: min(size, self.left)]):
            self.left -= len(keys)
            yield keys
            time.sleep(PAUSE)

    def outcome(self, text: str) -> str:
        """What the task returns."""
        return text if self.left else Unfinished(text)


@dataclass
class Task:
    """A function to call every so many seconds. It returns what it did in a few words, "" for nothing.

    One that returns `Unfinished` is called again at the next turn of the loop.

    `waits`: for a server that may hang, and no other task may wait with it.
    """

    name: str
    every: int
    run: Callable[[], str]
    waits: bool = False
    last: datetime | None = None
    noted: datetime | None = None
    turn: Future[None] | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether it is time again."""
        return self.last is None or now - self.last >= timedelta(seconds=self.every)


TASKS: dict[str, Task] = {}


def task(name: str, every: int, waits: bool = False) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Adds the decorated function to the loop, to be called every `every` seconds; see `Task` for `waits`."""

    def register(run: Callable[[], str]) -> Callable[[], str]:
        TASKS[name] = Task(name, every, run, waits)
        return run

    return register


def run_due(apart: ThreadPoolExecutor | None = None) -> None:
    """Runs each task whose time has come. One that fails is logged and tried again; the others go on.

    `apart` runs those that wait, if it is given; one that has not come back is not begun again.
    """
    for entry in TASKS.values():
        if entry.is_due(timezone.now()) and (entry.turn is None or entry.turn.done()):
            if apart and entry.waits:
                entry.turn = apart.submit(_run, entry)
            else:
                _run(entry)


def is_unfinished() -> bool:
    """Whether a task has more to do, after a turn of the loop."""
    return any(entry.last is None for entry in TASKS.values())


def _run(entry: Task) -> None:
    close_old_connections()
    entry.last = timezone.now()
    try:
        done = entry.run()
        if done or entry.noted is None or entry.last - entry.noted >= timedelta(seconds=NOTE_EVERY):
            HousekeepingRun.finished(entry.name, done or "nothing to do")
            entry.noted = entry.last
    except OUTAGES as error:
        logger.warning("housekeeping task failed", extra={"task": entry.name, "error": type(error).__name__})
    except Exception:
        # Whatever it was, the other tasks must go on and this one must be tried again.
        logger.exception("housekeeping task failed", extra={"task": entry.name})
    else:
        if done:
            logger.info("housekeeping", extra={"task": entry.name, "done": done})
        if isinstance(done, Unfinished):
            entry.last = None


def report() -> dict[str, Any]:
    """When each task last ran, in UTC and in seconds ago, and whether that is too long ago."""
    runs = {run.task: run for run in HousekeepingRun.objects.all()}
    return {name: _state(entry, runs.get(name)) for name, entry in TASKS.items()}


def _state(entry: Task, run: HousekeepingRun | None) -> dict[str, Any]:
    if run is None:
        return {"lastRun": None, "late": True}
    ago = round((timezone.now() - run.at).total_seconds())
    late = ago > 3 * max(entry.every, NOTE_EVERY)
    return {"lastRun": run.at.isoformat(timespec="seconds"), "secondsAgo": ago, "outcome": run.outcome, "late": late}
