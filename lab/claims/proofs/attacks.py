"""Tokens and cookies that are forged without a script in the page, and all attacks on this project's own code together.
The attack range tries them.
"""

from collections.abc import Iterator

from lab.claims.attacks import Listed, Tried, fails, list_cases, proves_by_attack, run, succeeds
from lab.claims.evidence import Evidence, holds
from lab.claims.sandbox import Sandbox

# The kinds of attack. A kind that the range does not try makes the proof of C117 fail.
ATTACKS = ("xss", "csrf", "alg", "secret", "fixation", "enumeration", "replay")
# Attacks on `ours` must fail, and `legitimate` uses must work. Cases `without` a defence are not part of the claim.
PROTECTED = ("ours", "legitimate")
# The range tries six spellings of the algorithm "none".
SPELLINGS = range(1, 7)


@proves_by_attack("C87")
def one_key_for_both_kinds(_: Sandbox) -> Iterator[Evidence]:
    cases = run("secret/one-key/weak", "secret/one-key/ours", "secret/legitimate")
    yield succeeds(cases["secret/one-key/weak"])
    yield fails(cases["secret/one-key/ours"])
    yield succeeds(cases["secret/legitimate"])


@proves_by_attack("C88")
def an_open_algorithm(_: Sandbox) -> Iterator[Evidence]:
    pairs = [(f"alg/none-{number}/weak", f"alg/none-{number}/ours") for number in SPELLINGS]
    cases = run(*(name for pair in pairs for name in pair), "alg/legitimate")
    for weak, ours in pairs:
        yield succeeds(cases[weak])
        yield fails(cases[ours])
    yield succeeds(cases["alg/legitimate"])


@proves_by_attack("C92")
def a_guessed_key(_: Sandbox) -> Iterator[Evidence]:
    cases = run("secret/signed-cookie/weak", "secret/unsigned-cookie/weak", "secret/random-id/ours")
    yield succeeds(cases["secret/signed-cookie/weak"])
    yield succeeds(cases["secret/unsigned-cookie/weak"])
    yield fails(cases["secret/random-id/ours"], ends_the_claim=True)


@proves_by_attack("C117")
def every_attack_on_ours(_: Sandbox) -> Iterator[Evidence]:
    """Each kind of attack succeeds against weak code and fails against ours, except the cases marked as limits."""
    chosen = [case for case in list_cases() if case.variant in PROTECTED or _shows_the_attack(case)]
    tried = run(*(case.id for case in chosen)).values()
    for attack in dict.fromkeys((*ATTACKS, *map(_attack_of, tried))):
        yield from _sums_of(attack, [case for case in tried if _attack_of(case) == attack])
    for case in tried:
        if case.limit:
            yield succeeds(case, ends_the_claim=True)


# One cell of each matrix stands for its weak code here. Other claims try the other cells.
OF_THE_MATRICES = "xss/local-storage/read", "csrf/session-unset/form/none"


def _shows_the_attack(case: Listed) -> bool:
    return case.id in OF_THE_MATRICES or case.id.endswith("/weak")


def _attack_of(case: Listed) -> str:
    return case.id.partition("/")[0]


def _sums_of(attack: str, cases: list[Tried]) -> Iterator[Evidence]:
    weak, ours, legitimate = (
        [case for case in cases if case.variant == variant and not case.limit]
        for variant in ("weak", "ours", "legitimate")
    )
    yield holds(f"{attack}: attacks on weak code", _sum(weak), all(case.succeeded for case in weak) and bool(weak))
    yield holds(
        f"{attack}: the same on this project", _sum(ours), not any(case.succeeded for case in ours) and bool(ours)
    )
    allowed = all(case.succeeded for case in legitimate) and bool(legitimate)
    yield holds(f"{attack}: use that is allowed", _sum(legitimate), allowed)


def _sum(cases: list[Tried]) -> str:
    wrong = [case.id for case in cases if case.succeeded is not case.expected]
    named = f"; not as expected: {', '.join(wrong)}" if wrong else ""
    return f"{sum(case.succeeded for case in cases)} of {len(cases)} succeeded{named}"
