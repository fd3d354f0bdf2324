"""A case is one thing that is tried in one go. It is an attack on a weak variant, the same attack on the project's own
code, or a legitimate use of that code. The servers decide whether it succeeded.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from attack_range.scene import Scene


class Variant(StrEnum):
    """What a case is run against."""

    WEAK = "weak"
    OURS = "ours"
    LEGITIMATE = "legitimate"
    # Ours while one of its defences is away, to show that it is the one that stops the attack.
    WITHOUT = "without"


@dataclass(frozen=True)
class Seen:
    """What came of a case: whether the attack, or the legitimate use, succeeded; what was seen, in a sentence; details
    for a page or a proof, as JSON."""

    succeeded: bool
    text: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One of them. `id` is its address, such as `xss/local-storage/read`; `tried` says in a clause what is tried.

    `expected` is whether it succeeds in an honest run. An attack on a weak variant does, and so does a legitimate use.
    An attack on ours does not, unless it shows where our protection ends. Then `limit` is true.
    """

    id: str
    variant: Variant
    tried: str
    expected: bool
    run: Callable[[Scene], Seen]
    limit: bool = False

    @property
    def attack(self) -> str:
        """The attack it belongs to: the first part of its id."""
        return self.id.partition("/")[0]


@dataclass
class Result:
    """A case that was run."""

    case: Case
    seen: Seen

    @property
    def as_expected(self) -> bool:
        return self.seen.succeeded is self.case.expected

    def as_json(self) -> dict[str, Any]:
        """What the pages and the site's proofs read."""
        return {
            "id": self.case.id,
            "variant": self.case.variant,
            "tried": self.case.tried,
            "limit": self.case.limit,
            "succeeded": self.seen.succeeded,
            "expected": self.case.expected,
            "as_expected": self.as_expected,
            "seen": self.seen.text,
            "detail": self.seen.detail,
        }


CASES: dict[str, Case] = {}


def register(cases: Iterable[Case]) -> None:
    """Adds cases to those that can be run. Raises `ValueError` for an id that is taken."""
    for case in cases:
        if case.id in CASES:
            raise ValueError(f"There are two cases {case.id}.")
        CASES[case.id] = case


def select(ids: Iterable[str]) -> list[Case]:
    """The cases with these ids; an id that ends with `/` stands for all that begin with it. Raises `KeyError`."""
    found: dict[str, Case] = {}
    for wanted in ids:
        those = {name: case for name, case in CASES.items() if name == wanted or _is_under(name, wanted)}
        if not those:
            raise KeyError(wanted)
        found |= those
    return list(found.values())


def _is_under(name: str, wanted: str) -> bool:
    return wanted.endswith("/") and name.startswith(wanted)
