"""The table of what became faster has the numbers of both results."""

import json
from copy import deepcopy
from statistics import median
from typing import Any

from benchmarks import progress
from benchmarks.tables import number


def cells(results: Any) -> dict[str, tuple[str, ...]]:
    return {name: values for name, *values in progress.table(results).rows}


def test_the_first_results_are_those_that_were_kept() -> None:
    kept = json.loads(progress.BEFORE.read_text())
    assert all(before == after for before, after in cells(kept).values())
    assert cells(kept)["a session in Valkey, bytes"][0] == "544"


def test_a_ratio_is_the_median_of_the_rounds(results: Any) -> None:
    stock = next(
        row
        for row in results["speed"]
        if (row["operation"], row["flow"], row["contestant"], row["variant"]) == ("whoami", "session", "stock", "DRF")
    )
    stock["ratios"] = [0.5, 0.25, 0.2]
    assert number(median([2, 4, 5])) == cells(results)["whoami with a session, times as many as Stock Django (DRF)"][1]


def test_a_change_is_seen_and_what_was_not_measured_is_left_out(results: Any) -> None:
    changed = deepcopy(results)
    for row in changed["memory"]:
        row["after"] *= 2
    first, second = cells(results), cells(changed)
    assert [name for name in first if first[name] != second[name]] == ["memory of a worker after logins, MiB"]
    changed["housekeeping"] = []
    assert not any("housekeeping" in name for name in cells(changed))


def test_the_caption_says_when_and_where(results: Any) -> None:
    kept = json.loads(progress.BEFORE.read_text())
    text = progress.caption(results)
    assert kept["machine"]["processor"] in text
    assert "27 Nov 2026, 11:54 UTC" in text
