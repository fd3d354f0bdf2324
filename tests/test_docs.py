"""What the documents name must be there: tests, files, addresses of other documents, and places in them."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SECURITY = (ROOT / "docs" / "security.md").read_text()
NAMES = set(re.findall(r"`(test_\w+)`", SECURITY))
FILES = set(re.findall(r"`(tests/[\w/]+\.py)`", SECURITY))
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
DOCUMENTS = [name for name in TRACKED if name.endswith(".md")]
# Lines. Data and documents may be longer, and so may tests.
LONGEST = 400
DATA = (".md", ".json", ".svg", ".png", ".toml", ".txt")


def words(name: str) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", (ROOT / name).read_text(), flags=re.M | re.S)


def anchors(name: str) -> set[str]:
    """The places of a document that a link can name, as GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.+)$", words(name), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(name: str) -> list[str]:
    """Where a document's links and pictures lead, but for other sites."""
    found = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", words(name))
    return [link for pair in found for link in pair if link and "://" not in link]


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


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_link_of_a_document_leads_somewhere(name: str) -> None:
    broken = []
    for link in links(name):
        path, _, anchor = link.partition("#")
        target = ((ROOT / name).parent / path).resolve() if path else ROOT / name
        if not target.exists() or (anchor and anchor not in anchors(str(target.relative_to(ROOT)))):
            broken.append(link)
    assert broken == []


def test_the_links_are_found() -> None:
    assert {"docs/reading.md", "docs/pictures/lanes-dark.png"} <= set(links("README.md"))
    assert "every-command" in anchors("docs/running.md")


@pytest.mark.parametrize("folder", ["docs", "docs/decisions"])
def test_the_index_names_every_document(folder: str) -> None:
    there = {path.name for path in (ROOT / folder).glob("*.md")} - {"README.md"}
    assert there - {link.partition("#")[0] for link in links(f"{folder}/README.md")} == set()


def test_the_heart_of_each_flow_is_as_short_as_the_reading_path_says() -> None:
    rows = re.findall(r"^\| \[`([\w/.]+)`\]\(.+?\) \| (\d+) \|", (ROOT / "docs" / "reading.md").read_text(), re.M)
    lengths = [(int(shown), len((ROOT / name).read_text().splitlines())) for name, shown in rows]
    assert len(rows) == 6
    assert [pair for pair in lengths if abs(pair[0] - pair[1]) > 15] == []
    for flow in (lengths[:3], lengths[3:]):
        assert sum(there for _, there in flow) <= 620


def test_no_file_is_long() -> None:
    """The rest of a long file is not read."""
    checked = [name for name in TRACKED if not name.startswith(("docs/", "tests/")) and not name.endswith(DATA)]
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name in checked if (ROOT / name).is_file()}
    assert len(lengths) > 200
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_no_function_is_long() -> None:
    """Its lines of code, comments and docstring."""
    long = []
    for name in (name for name in TRACKED if name.endswith(".py")):
        for node in ast.walk(ast.parse((ROOT / name).read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                long += [f"{name}: {node.name}"] * (lines > 25)
    assert long == []
