"""The table of defences: each row is complete, and true about the code and its tests."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.running import ROOT

ROWS: list[dict[str, Any]] = tomllib.loads((ROOT / "attack_range/defences.toml").read_text())["defence"]
MUTATIONS = [row for row in ROWS if "mutation" in row]
# Each of these must have a row. Others may have one.
IDS = {*(f"D{n}" for n in range(1, 10)), *(f"E{n}" for n in range(1, 5)), *(f"A{n}" for n in range(2, 6))}
SWITCHED_MIN = 8
# Seconds that the tests of one copy may take.
PATIENCE = 300
FAILED, PASSED = 1, 0


def test_every_property_has_a_row() -> None:
    assert {row["id"] for row in ROWS} >= IDS
    assert sum("off" in row for row in ROWS) >= SWITCHED_MIN


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['id']}-{row['test'].rpartition('_')[2]}")
def test_a_row_is_whole_and_names_a_test_that_exists(row: dict[str, Any]) -> None:
    by_switch, by_mutation = {"off", "case"}, {"mutation"}
    assert row.keys() in ({"id", "property", "attack", "test"} | more for more in (by_switch, by_mutation))
    assert row["property"].endswith(".")
    assert not row["attack"].endswith(".")
    file, _, name = row["test"].partition("[")[0].partition("::")
    assert f"\ndef {name}(" in (ROOT / file).read_text()


def test_no_row_names_a_defence_twice_or_a_case_that_another_names() -> None:
    cases = [row["case"] for row in ROWS if "case" in row]
    assert len(set(cases)) == len(cases)
    assert all(len(set(row["off"])) == len(row["off"]) >= 1 for row in ROWS if "off" in row)


def test_every_switch_is_used() -> None:
    switches = set(re.findall(r'^    "([a-z-]+)": Switch\(', (ROOT / "attack_range/switches.py").read_text(), re.M))
    assert len(switches) >= 10
    assert switches == {name for row in ROWS for name in row.get("off", [])}


@pytest.mark.parametrize("row", MUTATIONS, ids=lambda row: f"{row['id']}-{row['mutation']['file']}")
def test_a_mutation_applies_to_one_place(row: dict[str, Any]) -> None:
    mutation = row["mutation"]
    assert mutation["old"] != mutation["new"]
    assert (ROOT / mutation["file"]).read_text().count(mutation["old"]) == 1


def test_no_other_process_can_import_the_range() -> None:
    with pytest.raises(ImportError, match="a process of its own"):
        importlib.import_module("attack_range")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, as it stands in the working folder."""
    copy = tmp_path_factory.mktemp("tree")
    for name in subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0"):
        if name and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    return copy


def run_tests(tree: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """Runs these tests in that copy with a separate pytest, which stops at the first failure."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "VAR_DIR"))}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:randomly", "-n0", *names]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.exhaustive
def test_the_tests_pass_on_a_copy_that_nothing_was_taken_from(tree: Path) -> None:
    """The control: a test that fails on every copy would seem to test a defence."""
    result = run_tests(tree, *(row["test"] for row in MUTATIONS))
    assert result.returncode == PASSED, result.stdout


@pytest.mark.exhaustive
@pytest.mark.parametrize("row", MUTATIONS, ids=lambda row: f"{row['id']}-{row['mutation']['file']}")
def test_without_the_defence_its_test_fails(tree: Path, row: dict[str, Any]) -> None:
    mutation = row["mutation"]
    file = tree / mutation["file"]
    whole = file.read_text()
    file.write_text(whole.replace(mutation["old"], mutation["new"]))
    try:
        result = run_tests(tree, row["test"])
    finally:
        file.write_text(whole)
    assert result.returncode == FAILED, result.stdout + result.stderr
    # An error during collection or in a fixture does not count as a failure of the test.
    assert re.search(r"\b1 failed\b", result.stdout), result.stdout
    assert " error" not in result.stdout.splitlines()[-1]
