"""The claims that are commonly made when sessions and tokens are compared, each with the verdict of an honest run.

The claims are data in `catalogue.toml`. The top of that file says how to add one. Needs nothing but Python. Gives
`PARTS`, `CLAIMS` in the order of the file, and `BY_ID`.
"""

import tomllib
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("catalogue.toml")


class Verdict(StrEnum):
    HOLDS = "holds"
    CONDITIONAL = "holds, if"
    WRONG = "does not hold"


@dataclass(frozen=True)
class Claim:
    """One claim. The top of `catalogue.toml` explains each field. A field with a default may be left out there."""

    id: str
    part: str
    text: str
    expected: Verdict
    proof: str
    condition: str = ""
    pages: tuple[str, ...] = ()
    needs: str = ""

    @property
    def number(self) -> int:
        """9 for "C9"."""
        return int(self.id[1:])


def read(file: Path = FILE) -> tuple[dict[str, str], tuple[Claim, ...]]:
    """The title of each part by its name, and the claims in the order of the file.

    Raises `ValueError` for a mistake in the file, with a sentence that names the claim and the field.
    """
    content = tomllib.loads(file.read_text())
    parts: dict[str, str] = content["parts"]
    claims = tuple(_claim(entry, parts) for entry in content["claims"])
    ids = [claim.id for claim in claims]
    if twice := {name for name in ids if ids.count(name) > 1}:
        raise ValueError(f"{file.name}: {', '.join(sorted(twice))} is there twice.")
    return parts, claims


def _claim(entry: dict[str, Any], parts: dict[str, str]) -> Claim:
    where = f"{FILE.name}, claim {entry.get('id', 'without an id')}"
    known = {field.name: field for field in fields(Claim)}
    if unknown := entry.keys() - known.keys():
        raise ValueError(f"{where}: there is no field {', '.join(sorted(unknown))}.")
    if missing := [name for name, field in known.items() if field.default is MISSING and not entry.get(name)]:
        raise ValueError(f"{where}: {', '.join(missing)} is missing.")
    if not (entry["id"].startswith("C") and entry["id"][1:].isdecimal()):
        raise ValueError(f"{where}: an id is C and a number.")
    if entry["part"] not in parts:
        raise ValueError(f"{where}: part must be one of {', '.join(parts)}.")
    if entry["expected"] not in list(Verdict):
        raise ValueError(f"{where}: expected must be one of {', '.join(Verdict)}.")
    if bool(entry.get("condition")) is (entry["expected"] == Verdict.HOLDS):
        raise ValueError(
            f"{where}: a condition belongs to every claim that is not expected to hold outright, and to no other."
        )
    return Claim(**entry | {"expected": Verdict(entry["expected"]), "pages": tuple(entry.get("pages", ()))})


PARTS, CLAIMS = read()
BY_ID = {claim.id: claim for claim in CLAIMS}
