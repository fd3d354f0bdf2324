"""What the documents name must be there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SECURITY = (ROOT / "docs" / "security.md").read_text()
NAMES = set(re.findall(r"`(test_\w+)`", SECURITY))
FILES = set(re.findall(r"`(tests/[\w/]+\.py)`", SECURITY))


@pytest.fixture(scope="module")
def tests() -> str:
    return "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


def test_there_is_something_to_check() -> None:
    assert len(NAMES) > 20
    assert FILES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_test_that_is_named_exists(tests: str, name: str) -> None:
    assert f"def {name}(" in tests


@pytest.mark.parametrize("name", sorted(FILES))
def test_each_file_that_is_named_exists(name: str) -> None:
    assert (ROOT / name).exists()
