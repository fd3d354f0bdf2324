"""Background work, done in one loop by `manage.py housekeeping`.

Gives `task`, a decorator by which an app adds work; `Turn`, for work on many rows; `run_due`, one pass of the loop; and
`report`, which `/readyz` answers with.
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

# Seconds after which the run of a task with nothing to do is stored again. Each time is a write.
NOTE_EVERY = 10
# The most rows that a task changes in a turn, and the seconds after each batch in which it leaves the database to
# others. A writer that waits for SQLite's lock tries only now and then, and would miss a shorter pause. A longer turn
# would also delay the task of the denylist: its lease would expire, and a request would have to rebuild the list.
ROWS, PAUSE = 250, 0.02


class Unfinished(str):
    """The result of a task that has more to do. The task is due again at once."""

    __slots__ = ()


class Turn:
    """Splits the work of a task into turns and batches, so that requests and other tasks do not wait long for it."""

    def __init__(self) -> None:
        self.left = ROWS

    def batches(self, rows: QuerySet[Any], size: int) -> Iterator[list[Any]]:
        """Yields the keys of at most `size` rows at a time. The caller must change each batch so that it leaves `rows`.

        `rows` needs an index for its filter and order. Otherwise each batch would read the whole table.
        """
        while keys := list(rows.values_list("pk", flat=True)[: min(size, self.left)]):
            self.left -= len(keys)
            yield keys
            time.sleep(PAUSE)

    def outcome(self, text: str) -> str:
        """The result that the task must return: `Unfinished` if the turn has used up its rows."""
        return text if self.left else Unfinished(text)


@dataclass
class Task:
    """A function to call every `every` seconds. It returns in a few words what it did, "" for nothing.

    If it returns `Unfinished`, it is called again in the next pass of the loop.

    `waits` is for a task whose server may hang: it runs in a thread apart, so that no other task waits with it.
    """

    name: str
    every: int
    run: Callable[[], str]
    waits: bool = False
    last: datetime | None = None
    noted: datetime | None = None
    turn: Future[None] | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether it is time to run the task again."""
        return self.last is None or now - self.last >= timedelta(seconds=self.every)


TASKS: dict[str, Task] = {}


def task(name: str, every: int, waits: bool = False) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Adds the decorated function to the loop, to be called every `every` seconds; see `Task` for `waits`."""

    def register(run: Callable[[], str]) -> Callable[[], str]:
        TASKS[name] = Task(name, every, run, waits)
        return run

    return register


def run_due(apart: ThreadPoolExecutor | None = None) -> None:
    """Runs each task that is due. If a task fails, this is logged, the task is tried again later, and the others run.

    `apart`, if given, runs the tasks with `waits`. A task that is still running is not started again.
    """
    for entry in TASKS.values():
        if entry.is_due(timezone.now()) and (entry.turn is None or entry.turn.done()):
            if apart and entry.waits:
                entry.turn = apart.submit(_run, entry)
            else:
                _run(entry)


def is_unfinished() -> bool:
    """Whether a task has more to do after a pass of the loop."""
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
        # Any other error must not end the loop: the other tasks must run, and this one must be tried again.
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
