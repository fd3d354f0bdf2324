"""The rows of `defences.toml`: a property, the attack on it, and the defences without which the attack succeeds."""

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True)
class Mutation:
    """A change of a source file that removes a defence: the text `old` becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Defence:
    """One row. The attack succeeds when all switches in `off` are off, or after the change `mutation`.

    `test` is the project's own test that fails without the defence.
    """

    id: str
    property: str
    attack: str
    test: str
    off: list[str] = field(default_factory=list)
    case: str = ""
    mutation: Mutation | None = None


@cache
def all_of_them() -> list[Defence]:
    """All rows, in the order of the file."""
    rows = tomllib.loads(FILE.read_text())["defence"]
    return [Defence(**row | {"mutation": Mutation(**row["mutation"]) if "mutation" in row else None}) for row in rows]
