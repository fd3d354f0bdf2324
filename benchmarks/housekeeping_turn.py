"""`python -m benchmarks.housekeeping_turn`: runs every task of housekeeping once and prints the milliseconds as JSON.

The environment names the site. A task that waits for another server, such as the mail server, is left out, because its
time would be that of the other server.
"""

import json
import sys
import time
from collections.abc import Callable

import django


def main() -> None:
    """Runs one turn. Exits with a sentence when a task fails."""
    django.setup()
    from security.housekeeping import TASKS, run_due

    took: dict[str, float] = {}
    for name in [name for name, entry in TASKS.items() if entry.waits]:
        del TASKS[name]
    for name, entry in TASKS.items():
        entry.run = _timed(entry.run, name, took)
    started = time.perf_counter()
    run_due()
    turn = round((time.perf_counter() - started) * 1000, 1)
    if missing := TASKS.keys() - took.keys():
        sys.exit(f"These tasks of housekeeping failed: {', '.join(missing)}")
    # The tasks log to standard output too. The caller reads the last line.
    print(json.dumps({"turn": turn, "tasks": took}))


def _timed(run: Callable[[], str], name: str, took: dict[str, float]) -> Callable[[], str]:
    def timed() -> str:
        started = time.perf_counter()
        done = run()
        took[name] = round((time.perf_counter() - started) * 1000, 1)
        return done

    return timed


if __name__ == "__main__":
    main()
