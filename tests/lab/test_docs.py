"""What the lab's document and the README say of it must be so."""

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


def test_the_readme_gives_the_true_numbers() -> None:
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert f"lists {len(CLAIMS)} things" in readme
    assert f"Of the {len(CLAIMS)}, {len(PROOFS)} have a proof" in readme
    assert count_missing_proofs() == []
    assert f"{len(BY_ATTACK)} proofs are of attacks" in readme
    assert f"{len(BY_SERVICES)} proofs ask the services" in readme


def test_the_readme_has_the_table_that_is_measured() -> None:
    assert f"| {' | '.join(COLUMNS.values())} |" in (ROOT / "README.md").read_text()
