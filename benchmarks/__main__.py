"""`make bench`: measures all contestants and writes `benchmarks/results/`, `docs/benchmarks.md` and the README."""

import argparse
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import growth, load, machine, report, servers
from benchmarks.contestant import USERS, CannotRun
from benchmarks.contestants import CONTESTANTS
from benchmarks.measures import LOGGED_IN, LOGGED_OUT, Bench


def main(arguments: list[str]) -> None:
    """Measures everything and writes the results. Exits with one sentence if something is missing or fails."""
    options = _parser().parse_args(arguments)
    # Without this, a SIGTERM would leave the servers running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not load.is_available():
        sys.exit(load.MISSING)
    if len(servers.CORES) < 2:
        sys.exit("Two cores are needed: one for the server, and one for the load generator.")
    started = time.monotonic()
    skipped = {name: reason for name, it in CONTESTANTS.items() if (reason := it.missing())}
    # If the machine cannot be described, this fails now and not after everything is measured.
    describe(options, skipped)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Path(folder), options.seconds, [name for name in CONTESTANTS if name not in skipped], say)
        try:
            found = measure(bench, options.rounds, skipped)
        except (CannotRun, RuntimeError) as error:
            sys.exit(f"Not measured: {error}")
    made = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    command = " ".join(["python -m benchmarks", *arguments]) if arguments else "make bench"
    results = {"made": made, "seconds": round(time.monotonic() - started), "command": command}
    report.write(results | describe(options, skipped) | found, Path(options.results))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=int, choices=range(1, 11), default=2, metavar="1-10", help="for each load")
    parser.add_argument("--rounds", type=int, choices=range(1, 21), default=3, metavar="1-20", help="of measuring")
    parser.add_argument("--results", default=report.RESULTS, help="the folder for the results")
    return parser


def measure(bench: Bench, number: int, skipped: dict[str, str]) -> dict[str, Any]:
    """Measures everything and returns the lists of the results. Adds to `skipped` what cannot be prepared."""
    with servers.running_store(bench.store):
        skipped |= bench.prepare()
        for name, reason in skipped.items():
            say(f"{name} is left out: {reason}")
        for done in range(number):
            say(f"── round {done + 1} of {number} ──")
            bench.round()
        say("── two workers ──")
        bench.round_of_two_workers()
        found = {"speed": bench.speed(), "workers": bench.workers(), "memory": bench.memory(), "stored": bench.stored()}
        found["flood"] = bench.flood(number)
        return found | growth.measure(bench.folder, bench.seconds, say)


def describe(options: argparse.Namespace, skipped: dict[str, str]) -> dict[str, Any]:
    """What was measured, on which machine, and how."""
    contestants = reversed(CONTESTANTS.values())
    # This project is started once for each variant. The results name it once, by its first entry.
    named = {it.result_key: {"key": it.result_key, "name": it.name, "note": it.note} for it in contestants}
    return {
        "machine": machine.describe(),
        "versions": machine.versions(),
        "method": {
            "connections": load.CONNECTIONS,
            "seconds": options.seconds,
            "rounds": options.rounds,
            "users": USERS,
            "logins": LOGGED_IN,
            "logouts": LOGGED_OUT,
        },
        "contestants": [*reversed(named.values())],
        "skipped": [{"key": key, "reason": reason} for key, reason in skipped.items()],
    }


def say(text: str) -> None:
    """Prints progress to standard error."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
