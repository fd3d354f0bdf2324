"""A case is one attack on a weak variant, one attack on the project's own code, or one legitimate use of that code.

What the servers saw decides whether a case succeeded.
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
    # Our code with some of its defences switched off, which shows that these defences stop the attack.
    WITHOUT = "without"


@dataclass(frozen=True)
class Seen:
    """The outcome of a case: whether the attack, or the legitimate use, succeeded; what was seen, in a sentence; and
    details for a page or a proof, which can be written as JSON."""

    succeeded: bool
    text: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One case. `id` is its name, such as `xss/local-storage/read`, and `tried` says in a clause what is tried.

    `expected` is whether it should succeed. A legitimate use should. An attack on a weak variant should, unless the
    browser or a defence of the variant stops it. An attack on our code should not, unless `limit` is true: such a case
    shows an attack that our code does not stop.
    """

    id: str
    variant: Variant
    tried: str
    expected: bool
    run: Callable[[Scene], Seen]
    limit: bool = False

    @property
    def attack(self) -> str:
        """The attack that the case belongs to: the first part of its id."""
        return self.id.partition("/")[0]


@dataclass
class Result:
    """A case that was run, and its outcome."""

    case: Case
    seen: Seen

    @property
    def as_expected(self) -> bool:
        return self.seen.succeeded is self.case.expected

    def as_json(self) -> dict[str, Any]:
        """The result for the pages and the site's proofs."""
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
    """Adds cases to `CASES`. Raises `ValueError` for an id that is already there."""
    for case in cases:
        if case.id in CASES:
            raise ValueError(f"There are two cases {case.id}.")
        CASES[case.id] = case


def select(ids: Iterable[str]) -> list[Case]:
    """The cases with these ids. An id that ends with `/` stands for all ids that begin with it.

    Raises `KeyError` for an id without a case.
    """
    found: dict[str, Case] = {}
    for wanted in ids:
        those = {name: case for name, case in CASES.items() if name == wanted or _is_under(name, wanted)}
        if not those:
            raise KeyError(wanted)
        found |= those
    return list(found.values())


def _is_under(name: str, wanted: str) -> bool:
    return wanted.endswith("/") and name.startswith(wanted)
