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
)

COMPARED = ("whoami", "profile", "login", "refresh", "logout")
# Each server without a framework, and the contestant that runs on it.
BARE = {"bare-gunicorn": OURS, "bare-node": "express"}


def caption(results: Results) -> list[str]:
    """When, where and how it was measured, and what was left out."""
    machine, method = results["machine"], results["method"]
    made = datetime.fromisoformat(results["made"])
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}, {machine['system']}"
    return [
        f"Measured by “{results['command']}” on {made.day} {made:%b %Y, %H:%M} UTC, in "
        f"{results['seconds'] / 60:.0f} minutes, on {where}.",
        f"In each of {method['rounds']} rounds the contestants ran in turn, {method['connections']} connections for "
        f"{method['seconds']} s each, or until {method['logins']} logins or {method['logouts']} logouts were answered. "
        "A number is the median of the rounds. For the ratio, each round's requests a second are divided by those of "
        "this project in the same round. For an answer without any work, they are divided by those of this project's "
        "whoami with a session.",
        "Two workers and a turn of housekeeping are measured once, each size of the tables twice.",
        "A ratio can be compared between machines. Requests a second, milliseconds and MiB are those of this machine.",
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
        *_flood(results),
        *_spread(results),
    ]


def ours(results: Results, operation: str, flow: str) -> dict[str, Any] | None:
    """This project's own row. Of several variants it is the one that the ratios refer to."""
    found = select(results, "speed", operation=operation, flow=flow, contestant=OURS)
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
    beside = f"{inside(name(results, mine))} answers {number(mine['rate'])}"
    return f"{fastest}: {rate}; {beside}. The ratio is {number(rows[0]['ratio'])}."


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
    """A phrase for each contestant that is not this project. The variants of a contestant become a range."""
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
        nothing = select(results, "speed", operation="nothing", contestant=bare)
        whoami = select(results, "speed", operation="whoami", flow="session", contestant=contestant)
        if nothing and whoami and nothing[0]["cpu"] and whoami[0]["cpu"]:
            share = nothing[0]["cpu"] / whoami[0]["cpu"]
            said.append(
                f"{name(results, nothing[0])} takes {number(nothing[0]['cpu'])} µs for {NOTHING}: "
                f"{share:.0%} of a whoami with a session of {inside(name(results, whoami[0]))}."
            )
    return said


def _workers(results: Results) -> list[str]:
    times: dict[str, list[float]] = {}
    for row in results.get("workers", []):
        called = inside(contestant_name(results, row["contestant"]))
        times.setdefault(called, []).append(row["two"] / row["one"])
    return [
        f"With two workers, on all cores, one of which the generator uses too, {called} answers {_span(found)} times "
        "as many requests a second."
        for called, found in times.items()
    ]


def growth(results: Results) -> list[str]:
    """For each contestant, what slows down most as the tables grow, and how much of its speed is left."""
    groups: dict[str, list[tuple[float, dict[str, Any], dict[str, Any]]]] = {}
    for found in by_operation(results).values():
        if len(found) == 1:
            continue
        worst = min(found[1:], key=lambda row: row["rate"])
        kept = worst["rate"] / found[0]["rate"]
        groups.setdefault(inside(contestant_name(results, worst["contestant"])), []).append((kept, found[0], worst))
    said = []
    for called, measured in groups.items():
        share, first, worst = min(measured, key=lambda one: one[0])
        few, many = f"{first['rows']:,}", f"{worst['rows']:,}"
        if round(share, 2) >= 1:
            said.append(f"With more rows than {few}, {called} answers about as many requests a second, or more.")
        else:
            slowest = act(worst["operation"], worst["flow"])
            kept = f"{share:.0%} of the requests a second that it answers with {few}"
            said.append(f"A {slowest} slows down most in {called}: with {many} rows it answers {kept}.")
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
    rows, method = select(results, "memory"), results["method"]
    held = ", ".join(f"{number(row['after'])} MiB in {inside(name(results, row))}" for row in rows)
    return [f"After logins, {method['connections']} at a time, a worker holds {held}."] if held else []


def _flood(results: Results) -> list[str]:
    users = results["method"]["users"]
    return [
        f"While {users} users log in at once, the p99 of a whoami is {number(row['flood_p99'])} ms in "
        f"{inside(name(results, row))}, {number(row['flood_p99'] / row['quiet_p99'])} times that of a quiet moment. A "
        f"worker holds {number(row['memory'])} MiB afterwards."
        for row in results.get("flood", [])
    ]


def _spread(results: Results) -> list[str]:
    rows = results.get("speed", [])
    spread = max(((max(row["rates"]) - min(row["rates"])) / row["rate"] for row in rows), default=None)
    if not spread:
        return []
    return [
        f"Rounds of the same measurement differ by up to {spread:.0%}. Where the lowest ratio is below 1 and the "
        "highest above it, the rounds do not say which contestant is faster."
    ]
