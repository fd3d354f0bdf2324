"""Whatever the documents name must exist."""

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


def test_make_test_leaves_none_of_them_out() -> None:
    """`make test` may leave out single parameters of such a test, but not the whole test."""
    left_out = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        text = path.read_text()
        whole = re.search(r"^pytestmark = .*exhaustive", text, re.M)
        assert not whole or path.relative_to(ROOT).as_posix() not in FILES
        for decorators, name in re.findall(r"((?:^@.*\n(?:^[ )\]].*\n)*)*)^def (test_\w+)\(", text, re.M):
            if whole or re.search(r"^@(pytest\.mark\.exhaustive|on_postgresql)$", decorators, re.M):
                left_out.add(name)
    assert len(left_out) > 10
    assert NAMES & left_out == set()


@pytest.mark.parametrize("name", sorted(FILES))
def test_each_file_that_is_named_exists(name: str) -> None:
    assert (ROOT / name).exists()
