"""Results as `make bench` writes them, with invented numbers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from tests.running import ROOT

SAMPLE = Path(__file__).with_name("latest.json")


@pytest.fixture
def results() -> Any:
    return json.loads(SAMPLE.read_text())


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Any], Path]:
    """Writes results beside copies of the documents; returns the folder that stands for the project's."""
    (tmp_path / "docs").mkdir()
    for name in ("README.md", "docs/benchmarks.md"):
        (tmp_path / name).write_text((ROOT / name).read_text())

    def write(results: Any) -> Path:
        report.write(results, tmp_path / "results", tmp_path)
        return tmp_path

    return write
