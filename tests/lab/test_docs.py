"""What docs/lab.md and docs/costs.md say of the lab must be so."""

import re

import lab.claims.proofs  # noqa: F401
from lab.claims.attacks import BY_ATTACK
from lab.claims.catalogue import CLAIMS
from lab.claims.evidence import PROOFS, count_missing_proofs
from lab.claims.services import BY_SERVICES
from lab.experiments.measure import COLUMNS
from tests.running import ROOT

TEXT = (ROOT / "docs" / "lab.md").read_text()


def test_each_test_and_file_that_is_named_exists() -> None:
    names, files = set(re.findall(r"`(test_\w+)`", TEXT)), set(re.findall(r"`(tests/[\w/]+\.py)`", TEXT))
    files |= {f"lab/{name}" for name in re.findall(r"\(\.\./lab/([\w./]+)\)", TEXT)}
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(names) > 15
    assert {name for name in names if f"def {name}(" not in tests} == set()
    assert {name for name in files if not (ROOT / name).exists()} == set()


def test_the_numbers_are_true() -> None:
    text, readme = " ".join(TEXT.split()), (ROOT / "README.md").read_text()
    assert f"{len(CLAIMS)} claims about sessions and tokens" in readme
    assert f"Of the {len(CLAIMS)} claims, {len(PROOFS)} have a proof" in text
    assert count_missing_proofs() == []
    assert f"{len(BY_ATTACK)} proofs are of attacks" in text
    assert f"{len(BY_SERVICES)} proofs ask the services" in text


def test_the_page_of_costs_has_the_table_that_is_measured() -> None:
    assert f"| {' | '.join(COLUMNS.values())} |" in (ROOT / "docs" / "costs.md").read_text()
