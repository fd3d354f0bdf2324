"""The texts of the attacks' pages, read from `attack_range/texts/`."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "texts"
DIFFERENCE_MARK = "> "
# The order of the attacks on every page.
ORDER = ("xss", "csrf", "alg", "secret", "fixation", "enumeration", "replay")


@dataclass(frozen=True)
class Line:
    """A line of code, and whether it is marked as the one that differs."""

    text: str
    differs: bool


@dataclass(frozen=True)
class Code:
    """Weak and strong code for comparison, each with the file that it is from."""

    title: str
    weak_from: str
    weak: list[Line]
    strong_from: str
    strong: list[Line]


@dataclass(frozen=True)
class Hint:
    """A hint, and the id of the case that shows it."""

    text: str
    case: str


@dataclass(frozen=True)
class Text:
    """All texts of one attack. `answer` is the index of the right option."""

    slug: str
    title: str
    theory: str
    clue: str
    guess: str
    options: list[str]
    answer: int
    explanation: str
    by_hand: str
    hints: list[Hint]
    claims: list[str]
    code: list[Code]


@cache
def find(slug: str) -> Text | None:
    """The texts of an attack, or `None` when there is no such attack. Raises `KeyError` when the file lacks a field."""
    file = FOLDER / f"{slug}.toml"
    if slug not in ORDER or not file.is_file():
        return None
    found = tomllib.loads(file.read_text())
    plain = ("title", "theory", "clue", "guess", "options", "answer", "explanation", "claims")
    return Text(
        slug=slug,
        by_hand=found["try"],
        hints=[Hint(**hint) for hint in found["hints"]],
        code=[_read_code(one) for one in found["code"]],
        **{name: found[name] for name in plain},
    )


def find_all() -> list[Text]:
    """The texts of all attacks, in their order."""
    return [text for slug in ORDER if (text := find(slug))]


def _read_code(found: dict[str, Any]) -> Code:
    return Code(
        found["title"], found["weak_from"], _lines(found["weak"]), found["strong_from"], _lines(found["strong"])
    )


def _lines(code: str) -> list[Line]:
    lines = code.strip("\n").splitlines()
    return [Line(line.removeprefix(DIFFERENCE_MARK), line.startswith(DIFFERENCE_MARK)) for line in lines]
