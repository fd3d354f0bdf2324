"""What the results of `make bench` mean, in sentences that are computed from them."""

from datetime import datetime
from typing import Any

from benchmarks.tables import (
    NOTHING,
    OURS,
    Results,
    act,
    by_operation,
    contestant_name,
    fastest_first,
    name,
    number,
    select,
    with_more_workers,
)

COMPARED = ("whoami", "profile", "login", "refresh", "logout")
# The server without a framework, and the contestant that stands on it.
BARE = {"bare-gunicorn": OURS, "bare-node": "express"}


def caption(results: Results) -> list[str]:
    """When, where and how it was measured, and what was left out."""
    machine, method = results["machine"], results["method"]
    made = datetime.fromisoformat(results["made"])
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}, {machine['system']}"
    return [
        f"Measured by “{results['command']}” on {made.day} {made:%B %Y} at {made:%H:%M} UTC, in "
        f"{results['seconds'] / 60:.0f} minutes, on {where}.",
        f"In each of {method['rounds']} rounds the contestants ran in turn, {method['connections']} connections for "
        f"{method['seconds']} s each. A number is the median of the rounds; the ratio is the median of each round's "
        "requests a second, divided by this project's in the same round.",
        "The ratio means something on any machine. Requests a second, milliseconds and MiB are those of this one.",
        f"Versions: {', '.join(' '.join(item) for item in results['versions'].items())}.",
        *(f"Not measured: {contestant_name(results, one['key'])}. {one['reason']}" for one in results["skipped"]),
    ]


def sentences(results: Results) -> list[str]:
    """What the numbers mean, the most important first."""
    return [
        *_processor_time(results),
        *_bare(results),
        *_workers(results),
        *growth(results),
        *_housekeeping(results),
        *_memory(results),
        *_spread(results),
    ]


def ours(results: Results, operation: str, flow: str) -> dict[str, Any] | None:
    """This project's own row; of several variants the one that the ratios are taken against."""
    found = select(results, "speed", operation=operation, flow=flow, workers=1, contestant=OURS)
    return next((row for row in found if row["variant"] in ("", "denylist")), None)


def winner(results: Results, operation: str, flow: str) -> str:
    """Which contestant answers the most requests a second, and how many this project does."""
    rows, mine = fastest_first(results, operation, flow), ours(results, operation, flow)
    if not rows:
        return ""
    fastest = f"The fastest {act(operation, flow)} is that of {inside(name(results, rows[0]))}"
    rate = f"{number(rows[0]['rate'])} a second"
    if mine is None or rows[0] is mine:
        return f"{fastest}: {rate}."
    times = f"{number(rows[0]['ratio'])} times the {number(mine['rate'])}"
    return f"{fastest}: {rate}, {times} of {inside(name(results, mine))}."


def inside(called: str) -> str:
    """A name inside a sentence: `this project`, `stock Django`, but `Express`."""
    return called[:1].lower() + called[1:] if called.startswith(("This ", "Stock ")) else called


def _processor_time(results: Results) -> list[str]:
    said = []
    for operation in COMPARED:
        for flow in ("session", "token"):
            mine = ours(results, operation, flow)
            if mine and mine["cpu"] and (others := _against_others(results, mine)):
                subject = f"A {act(operation, flow)} takes {number(mine['cpu'])} µs of processor time"
                said.append(f"{subject}: {', '.join(others)}.")
    return said


def _against_others(results: Results, mine: dict[str, Any]) -> list[str]:
    """One part of a sentence for each contestant that is somebody else's code; its variants make a span."""
    times: dict[str, list[float]] = {}
    for row in fastest_first(results, mine["operation"], mine["flow"]):
        if not row["contestant"].startswith(OURS) and row["cpu"]:
            called = contestant_name(results, row["contestant"])
            times.setdefault(inside(called), []).append(mine["cpu"] / row["cpu"])
    return [f"{_span(found)} times that of {called}" for called, found in times.items()]


def _span(values: list[float]) -> str:
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"


def _bare(results: Results) -> list[str]:
    said = []
    for bare, contestant in BARE.items():
        nothing = select(results, "speed", operation="nothing", contestant=bare, workers=1)
        whoami = select(results, "speed", operation="whoami", flow="session", contestant=contestant, workers=1)
        if nothing and whoami:
            share = nothing[0]["cpu"] / whoami[0]["cpu"]
            said.append(
                f"{name(results, nothing[0])} takes {number(nothing[0]['cpu'])} µs for {NOTHING}: "
                f"{share:.0%} of a whoami with a session of {inside(name(results, whoami[0]))}."
            )
    return said


def _workers(results: Results) -> list[str]:
    times: dict[tuple[str, int], list[float]] = {}
    for one, many in with_more_workers(results):
        key = inside(contestant_name(results, many["contestant"])), many["workers"]
        times.setdefault(key, []).append(many["rate"] / one["rate"])
    return [
        f"With {workers} workers, on cores that the generator uses as well, {called} answers {_span(found)} times as "
        "many requests a second."
        for (called, workers), found in times.items()
    ]


def growth(results: Results) -> list[str]:
    """For each contestant, how much of its speed is left with the most rows."""
    groups: dict[str, list[tuple[float, list[dict[str, Any]]]]] = {}
    for found in by_operation(results).values():
        kept = found[-1]["rate"] / found[0]["rate"]
        groups.setdefault(inside(contestant_name(results, found[0]["contestant"])), []).append((kept, found))
    said = []
    for called, measured in groups.items():
        share, found = min(measured, key=lambda one: one[0])
        first, last = found[0], found[-1]
        said.append(
            f"With {last['rows']:,} rows, {called} answers at least {share:.0%} of the requests a second that it does "
            f"with {first['rows']:,}. What slows down most is {act(last['operation'], last['flow'])}."
        )
    return said


def _housekeeping(results: Results) -> list[str]:
    if not (turns := results.get("housekeeping")):
        return []
    longest = max(turns, key=lambda row: row["longest_lock"])
    return [
        f"A turn of housekeeping over {longest['rows']:,} rows takes {number(longest['turn'])} ms. It never holds the "
        f"database's write lock for longer than {number(longest['longest_lock'])} ms."
    ]


def _memory(results: Results) -> list[str]:
    rows, method = select(results, "memory", workers=1), results["method"]
    held = ", ".join(f"{number(row['after'])} MiB in {inside(name(results, row))}" for row in rows)
    return [f"After logins, {method['connections']} at a time, a worker holds {held}."] if held else []


def _spread(results: Results) -> list[str]:
    rows = results.get("speed", [])
    spread = max(((max(row["rates"]) - min(row["rates"])) / row["rate"] for row in rows), default=None)
    if spread is None:
        return []
    return [
        f"Rounds of the same measurement differ by up to {spread:.0%}. A smaller difference between two contestants "
        "says nothing."
    ]
