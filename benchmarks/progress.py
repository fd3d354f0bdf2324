"""Compares the results from before this project was made faster with the latest results.

The old results are those of one machine. That is why the table is in the project's documents and not on the lab's page.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from statistics import median

from benchmarks.tables import OURS, Results, Table, act, contestant_name, number, select

BEFORE = Path(__file__).parent / "results" / "before.json"
# Operation, flow, our variant; the other contestant and its variant.
RATES = (
    ("whoami", "session", "", "stock", "DRF"),
    ("whoami", "session", "", "stock", "no DRF, no SQL"),
    ("whoami", "session", "", "express", ""),
    ("whoami", "token", "denylist", "stock", "DRF"),
    ("whoami", "token", "denylist", "express", "string secret"),
    ("whoami", "token", "expiry", "stock", "stateless"),
    ("profile", "session", "", "stock", "DRF"),
    ("profile", "token", "denylist", "stock", "DRF"),
    ("refresh", "token", "denylist", "stock", "DRF"),
    ("login", "session", "", "stock", "DRF"),
    ("login", "session", "", "express", ""),
    ("login", "token", "denylist", "express", "string secret"),
)
COLUMNS = ("this project", "before", "after")
EXPLAINED = (
    "“Times as many” is the requests a second of this project, divided by those of the other contestant: the median of "
    "the rounds. Above 1 this project is the faster one."
)


def caption(after: Results) -> str:
    """When and where both results were measured, and how to read the table."""
    first, last = (_origin(results) for results in (json.loads(BEFORE.read_text()), after))
    return f"Before: {first}. After: {last}. {EXPLAINED}"


def _origin(results: Results) -> str:
    made = datetime.fromisoformat(results["made"])
    machine = f"{results['machine']['processor']}, {results['machine']['cores']} cores"
    return f"“{results['command']}” on {made.day} {made:%b %Y, %H:%M} UTC, {machine}"


def table(after: Results) -> Table:
    """The measures of the latest results beside the old ones. Raises `OSError` if the old results are missing."""
    before = json.loads(BEFORE.read_text())
    first, last = dict(_lines(before)), dict(_lines(after))
    rows = [(name, first.get(name, "–"), value) for name, value in last.items()]
    return Table("before and after", COLUMNS, rows)


def _lines(results: Results) -> Iterator[tuple[str, str]]:
    for operation, flow, variant, contestant, other in RATES:
        ours = select(results, "speed", operation=operation, flow=flow, contestant=OURS, variant=variant)
        theirs = select(results, "speed", operation=operation, flow=flow, contestant=contestant, variant=other)
        if ours and theirs:
            what = f"{act(operation, flow)}{f' ({variant})' if variant else ''}"
            beside = f"{contestant_name(results, contestant)}{f' ({other})' if other else ''}"
            pairs = zip(ours[0]["ratios"], theirs[0]["ratios"], strict=True)
            yield f"{what}, times as many as {beside}", number(median(mine / its for mine, its in pairs))
    yield from _of_the_check(results)
    yield from _of_growth(results)
    for row in select(results, "flood", contestant=OURS):
        times = row["flood_p99"] / row["quiet_p99"]
        yield "whoami with a session, p99 during a flood of logins, times the quiet p99", number(times)
        yield "memory of a worker after the flood, MiB", number(row["memory"])
    yield from _of_memory(results)


def _of_the_check(results: Results) -> Iterator[tuple[str, str]]:
    cpu = {
        variant: select(results, "speed", operation="whoami", flow="token", contestant=OURS, variant=variant)
        for variant in ("denylist", "expiry")
    }
    if all(cpu.values()):
        times = cpu["denylist"][0]["cpu"] / cpu["expiry"][0]["cpu"]
        yield "whoami with a token, CPU time under denylist, times that under expiry", number(times)


def _of_growth(results: Results) -> Iterator[tuple[str, str]]:
    ours = select(results, "growth", contestant=OURS)
    for operation, flow in dict.fromkeys((row["operation"], row["flow"]) for row in ours):
        p50 = {row["rows"]: row["p50"] for row in ours if (row["operation"], row["flow"]) == (operation, flow)}
        few, many = min(p50), max(p50)
        yield f"{act(operation, flow)}, p50 at {many:,} rows, times that at {few:,}", number(p50[many] / p50[few])
    for row in results.get("housekeeping", [])[-1:]:
        yield f"housekeeping of {row['rows']:,} rows, longest write lock, ms", number(row["longest_lock"])


def _of_memory(results: Results) -> Iterator[tuple[str, str]]:
    for row in select(results, "memory", contestant=OURS):
        yield "memory of a worker after logins, MiB", number(row["after"])
    for row in select(results, "stored", contestant=OURS, flow="session"):
        yield "a session in Valkey, bytes", number(row["bytes"])
