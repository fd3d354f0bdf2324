"""How speed changes with the number of stored logins: a thousand, a hundred thousand and a million.

Each size has a database and a store of its own. For this project, a turn of housekeeping is measured first; it finds
the logins that have expired. Then all sizes run at once, and each load visits them forwards and backwards
(A B C C B A), so that a machine that becomes slower meanwhile slows all sizes alike. `benchmarks/filling.py` says what
a login adds.
"""

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Any

from benchmarks import servers
from benchmarks.contestant import Contestant, Flow, Place
from benchmarks.contestants import CONTESTANTS
from benchmarks.load import Load
from benchmarks.measures import Target
from benchmarks.servers import Server
from config.environment import ROOT

SIZES = (1000, 100_000, 1_000_000)
# The measured operations by the kind of flow. The contestant's first flow of this kind is used.
OPERATIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "ours": {"session": ("whoami", "login"), "token": ("whoami", "refresh")},
    "stock": {"session": ("whoami",), "token": ("refresh",)},
}
# Seconds between two tries of the lock.
EVERY = 0.0005


def measure(
    folder: Path, seconds: int, say: Callable[[str], None], sizes: tuple[int, ...] = SIZES
) -> dict[str, list[dict[str, Any]]]:
    """Fills and measures `OPERATIONS` in a new folder. Returns the lists "growth" and "housekeeping" of the results."""
    growth, turns = [], []
    for name in OPERATIONS:
        contestant = CONTESTANTS[name]
        with ExitStack() as stack:
            places = {}
            for rows in sizes:
                say(f"growth: {name} with {rows} logins")
                places[rows] = _filled(stack, contestant, folder / f"{name}-{rows}", rows)
            if name == "ours":
                turns = [{"rows": rows, **housekeeping(contestant, place)} for rows, place in places.items()]
            running = {rows: stack.enter_context(servers.running(contestant, it)) for rows, it in places.items()}
            growth += _go_around(running, seconds)
    return {"growth": growth, "housekeeping": turns}


def _filled(stack: ExitStack, contestant: Contestant, folder: Path, rows: int) -> Place:
    """A place with `rows` logins. Its store runs until the end of `stack`."""
    place = Place(folder, folder / "valkey.sock", servers.free_port())
    folder.mkdir(parents=True)
    stack.enter_context(servers.running_store(place.store))
    contestant.prepare(place)
    fill(contestant, place, 0, rows)
    return place


def fill(contestant: Contestant, place: Place, first: int, last: int) -> None:
    """Adds the logins number `first` to `last` - 1. The contestant must not run."""
    _run("benchmarks.filling", contestant, place, str(first), str(last))


def _run(module: str, contestant: Contestant, place: Place, *words: str) -> str:
    command = [sys.executable, "-m", module, *words]
    done = subprocess.run(command, cwd=ROOT, env=contestant.environment(place), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{module} failed: {done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


def housekeeping(contestant: Contestant, place: Place) -> dict[str, Any]:
    """Runs one turn. Returns its milliseconds, those of each task, and the longest time for which the lock was held."""
    with watching_lock(place.folder / "db.sqlite3") as watch:
        lines = _run("benchmarks.housekeeping_turn", contestant, place).splitlines()
    return {**json.loads(lines[-1]), "longest_lock": round(watch.longest * 1000, 1)}


@dataclass
class LockWatch:
    """What another connection sees of a database's write lock: `longest` is the longest time in seconds it was held.

    The lock is tried every `EVERY` seconds: a shorter break is not noticed, and `longest` can be wrong by that time.
    """

    longest: float = 0
    tries: int = 0
    stop: Event = field(default_factory=Event)

    def watch(self, database: sqlite3.Connection) -> None:
        """Tries to take the lock, and gives it back at once, until `stop` is set."""
        held_since = None
        while not self.stop.is_set():
            now, self.tries = time.perf_counter(), self.tries + 1
            if _is_free(database):
                held_since = None
            else:
                held_since = now if held_since is None else held_since
                self.longest = max(self.longest, time.perf_counter() - held_since)
            time.sleep(EVERY)


def _is_free(database: sqlite3.Connection) -> bool:
    try:
        database.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        return False
    database.execute("ROLLBACK")
    return True


@contextmanager
def watching_lock(file: Path) -> Iterator[LockWatch]:
    """Inside, a second connection watches the write lock of this SQLite database."""
    watch = LockWatch()
    # With a timeout, the connection would wait for the lock and not notice that it is held.
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None, check_same_thread=False)) as database:
        thread = Thread(target=watch.watch, args=(database,))
        thread.start()
        try:
            yield watch
        finally:
            watch.stop.set()
            thread.join()


def _go_around(running: dict[int, Server], seconds: int) -> list[dict[str, Any]]:
    """A row for each size and operation: the median of the load on the way there and the one on the way back."""
    found, name = [], next(iter(running.values())).contestant.key
    for kind, operations in OPERATIONS[name].items():
        targets = {rows: Target(server, _first_flow(server.contestant, kind)) for rows, server in running.items()}
        for operation in operations:
            seen: dict[int, list[Load]] = {rows: [] for rows in targets}
            for rows in (*targets, *reversed(targets)):
                seen[rows].append(targets[rows].load(operation, seconds))
            for rows, loads in seen.items():
                row = {"contestant": name, "rows": rows, "operation": operation, "flow": kind}
                found.append(row | {key: _middle(loads, key) for key in ("rate", "p50", "p95")})
    return found


def _middle(loads: list[Load], name: str) -> float:
    return round(median(getattr(load, name) for load in loads), 1 if name == "rate" else 3)


def _first_flow(contestant: Contestant, kind: str) -> Flow:
    return next(flow for flow in contestant.flows if flow.kind == kind)
