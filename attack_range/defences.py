"""The rows of `defences.toml`: what holds, what is tried against it, and what must be away for that to succeed."""

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True)
class Mutation:
    """A change to one place of a source file that takes a defence away: `old` becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Defence:
    """One row. `off` are the switches that all must be off, or `mutation` is what must be changed.

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
    """Every row, in the order of the file."""
    rows = tomllib.loads(FILE.read_text())["defence"]
    return [Defence(**row | {"mutation": Mutation(**row["mutation"]) if "mutation" in row else None}) for row in rows]
