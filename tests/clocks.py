"""The suite on other days: `python -m tests.clocks [clock …] [-- arguments for pytest]`, or `make test-clocks`.

Every process of a run, Chromium and the stores included, is told another time by libfaketime. Needs Debian's package
`faketime`.
"""

import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from tests.running import ROOT

# The time at which a run begins, and its time zone.
CLOCKS = {
    "leap-day": ("2028-02-29T12:00:00+00:00", "UTC"),
    "new-year": ("2026-12-31T23:55:00+00:00", "UTC"),
    # Five minutes before an hour is left out, and before one comes twice.
    "spring": ("2027-03-28T01:55:00+01:00", "Europe/Berlin"),
    "autumn": ("2027-10-31T02:55:00+02:00", "Europe/Berlin"),
    # The date with the longest text.
    "long-name": ("2027-09-29T20:28:28+00:00", "UTC"),
}


def library() -> Path | None:
    """Where libfaketime is, `None` if it is not installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return found[0] if found else None


def moved(seconds: int) -> dict[str, str]:
    """The environment of a process whose clock is so far ahead, or behind if below 0."""
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME": f"{seconds:+d}",
        # The files in the folder `moved_clock` say why.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": str(ROOT / "tests" / "moved_clock"),
    }


def run(clock: str, *arguments: str) -> int:
    """Runs pytest with these arguments at the time of this clock. Returns its exit status."""
    begin, zone = CLOCKS[clock]
    distance = round(datetime.fromisoformat(begin).timestamp() - time.time())
    environment = os.environ | moved(distance) | {"MACHINE_TZ": zone}
    # What sites prepared today does not belong to that day.
    environment.pop("PREPARED_FOLDER", None)
    print(f"── {clock}: as if it were {begin}, {zone} ──", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not exhaustive", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def main(words: list[str]) -> int:
    """Runs all clocks, or those that are named; returns how many found something."""
    if library() is None:
        sys.exit("libfaketime is not installed. On Debian: apt install faketime")
    end = words.index("--") if "--" in words else len(words)
    if unknown := set(words[:end]) - CLOCKS.keys():
        sys.exit(f"There is no clock {', '.join(sorted(unknown))}. There are: {', '.join(CLOCKS)}.")
    return sum(run(clock, *words[end + 1 :]) != 0 for clock in words[:end] or CLOCKS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
