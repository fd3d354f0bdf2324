"""The results of `make bench` as tables of text: the documents and the lab's page show the same ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Results = dict[str, Any]
OURS = "ours"
# It has a weaker password hash, and is therefore listed last.
WEAKER = "express-bcrypt"
OPERATIONS = ("whoami", "profile", "login", "refresh", "logout", "nothing")
FLOWS = {"session": "with a session", "token": "with a token", "": ""}
NOTHING = "an answer without any work"
SPEED = (
    "contestant",
    "requests a second\nlowest to highest",
    "ratio\nlowest to highest",
    "p50\np95\np99, ms",
    "CPU time, µs",
)


@dataclass(frozen=True)
class Table:
    """A title, the columns' names, and rows whose first cell names them. A cell may hold several values, in lines."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def tables(results: Results) -> list[Table]:
    """All tables that have a row, in the order in which they are read."""
    every = [
        _contestants(results),
        *(speed_table(results, operation, flow) for operation in OPERATIONS for flow in FLOWS),
        _workers(results),
        _flood(results),
        _growth(results),
        _housekeeping(results),
        _memory(results),
        _stored(results),
    ]
    return [table for table in every if table.rows]


def speed_table(results: Results, operation: str, flow: str) -> Table:
    """One operation in one flow, the fastest contestant first."""
    rows = [
        (
            name(results, row),
            f"{number(row['rate'])}\n{number(min(row['rates']))}–{number(max(row['rates']))}",
            f"{number(row['ratio'])}\n{number(min(row['ratios']))}–{number(max(row['ratios']))}",
            "\n".join(number(row[key]) for key in ("p50", "p95", "p99")),
            number(row["cpu"]),
        )
        for row in fastest_first(results, operation, flow)
    ]
    return Table(act(operation, flow), SPEED, rows)


def fastest_first(results: Results, operation: str, flow: str) -> list[dict[str, Any]]:
    """The rows of one operation in one flow."""
    rows = select(results, "speed", operation=operation, flow=flow)
    return sorted(rows, key=lambda row: (row["contestant"] == WEAKER, -row["rate"]))


def select(results: Results, part: str, **wanted: Any) -> list[dict[str, Any]]:
    """The rows of `part` that have these values. A part that was not measured has no rows."""
    return [row for row in results.get(part, []) if all(row[key] == value for key, value in wanted.items())]


def name(results: Results, row: dict[str, Any]) -> str:
    """The name of a row's contestant, with its variant."""
    contestant = contestant_name(results, row["contestant"])
    return f"{contestant} ({row['variant']})" if row.get("variant") else contestant


def contestant_name(results: Results, key: str) -> str:
    """The name of a contestant; its key, if it was left out and has no name."""
    return next((one["name"] for one in results["contestants"] if one["key"] == key), key)


def act(operation: str, flow: str) -> str:
    """An operation in words: `whoami with a session`."""
    return NOTHING if operation == "nothing" else f"{operation} {FLOWS[flow]}".strip()


def number(value: float | None) -> str:
    """Three digits or more; a dash where nothing was measured."""
    if value is None:
        return "–"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"


def _contestants(results: Results) -> Table:
    rows = [(one["name"], one["note"]) for one in results["contestants"]]
    return Table("the contestants", ("contestant", "what it is"), rows)


def _workers(results: Results) -> Table:
    rows = [
        (
            f"{name(results, row)}: {act(row['operation'], row['flow'])}",
            number(row["one"]),
            number(row["two"]),
            number(row["two"] / row["one"]),
        )
        for row in results.get("workers", [])
    ]
    return Table("two workers", ("contestant", "one worker, requests a second", "two workers", "times"), rows)


def _flood(results: Results) -> Table:
    rows = [
        (
            name(results, row),
            f"{number(row['quiet_p50'])}\n{number(row['quiet_p99'])}",
            "\n".join(number(ms) for ms in (row["flood_p50"], row["flood_p99"], row["flood_p99"] / row["quiet_p99"])),
            f"{number(row['seconds'])}\n{row['refused']:.0f}\n{number(row['memory'])}",
        )
        for row in results.get("flood", [])
    ]
    columns = ("whoami, ms: p50\np99", "meanwhile: p50\np99\ntimes", "logins, s\nwith 503\nMiB then")
    return Table(f"{results['method']['users']} logins at once", ("contestant", *columns), rows)


def _growth(results: Results) -> Table:
    sizes = sorted({row["rows"] for row in results.get("growth", [])})
    rows = []
    for key, found in by_operation(results).items():
        cells = {row["rows"]: f"{number(row['rate'])}\n{number(row['p50'])}\n{number(row['p95'])}" for row in found}
        rows.append((key, *(cells.get(size, "–") for size in sizes)))
    columns = [f"{size:,} rows\np50, ms\np95" for size in sizes]
    return Table("requests a second as the tables grow", ("contestant", *columns), rows)


def by_operation(results: Results) -> dict[str, list[dict[str, Any]]]:
    """The rows of `growth` by contestant and operation, the smallest table first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(results.get("growth", []), key=lambda row: row["rows"]):
        found.setdefault(f"{name(results, row)}: {act(row['operation'], row['flow'])}", []).append(row)
    return found


def _housekeeping(results: Results) -> Table:
    rows = [
        (f"{row['rows']:,}", number(row["turn"]), number(row["longest_lock"]))
        for row in results.get("housekeeping", [])
    ]
    return Table("a turn of housekeeping", ("rows", "the turn, ms", "longest write lock, ms"), rows)


def _memory(results: Results) -> Table:
    rows = [(name(results, row), number(row["before"]), number(row["after"])) for row in results.get("memory", [])]
    return Table("memory of the fullest worker", ("contestant", "at the start, MiB", "after logins, MiB"), rows)


def _stored(results: Results) -> Table:
    rows = [(name(results, row), row["flow"], number(row["bytes"])) for row in results.get("stored", [])]
    return Table("what a login keeps in Valkey", ("contestant", "flow", "bytes"), rows)
