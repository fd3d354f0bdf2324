"""A claim is added by writing a block in `catalogue.toml`; a mistake there is a sentence that says where it is."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import lab.claims.proofs  # noqa: F401  (registers them)
from lab.claims import evidence
from lab.claims.catalogue import BY_ID, CLAIMS, FILE, Claim, Verdict, read
from lab.claims.evidence import PROOFS, Evidence, holds, proves
from lab.claims.sandbox import Sandbox
from tests.conftest import Browser

NEW = f"C{len(CLAIMS) + 1}"
GOOD = f"""
[[claims]]
id = "{NEW}"
part = "tokens"
text = "A claim."
expected = "does not hold"
proof = "a request"
condition = "It does not."
"""


def with_block(tmp_path: Path, block: str) -> Path:
    file = tmp_path / "catalogue.toml"
    file.write_text(FILE.read_text() + block)
    return file


def test_a_claim_that_is_added_is_one_of_them(tmp_path: Path) -> None:
    _, claims = read(with_block(tmp_path, GOOD))
    assert len(claims) == len(CLAIMS) + 1
    assert (claims[-1].id, claims[-1].number, claims[-1].expected) == (NEW, len(claims), Verdict.WRONG)


def a_proof(sandbox: Sandbox) -> Iterator[Evidence]:
    status = sandbox.browser().get("/session/api/whoami").status
    yield holds("a request", status, status == 200)


def test_a_claim_that_is_added_is_listed_and_its_proof_is_run(
    db: None, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, claims = read(with_block(tmp_path, GOOD))
    monkeypatch.setattr(evidence, "CLAIMS", claims)
    monkeypatch.setitem(BY_ID, NEW, claims[-1])
    page = browser.get("/claims/?part=tokens").content.decode()
    assert f'<li class="claim" id="{NEW}">' in page
    assert "A claim." in page
    assert "without a proof" in browser.get(f"/claims/{NEW}/").content.decode()
    # Put there first, so that what the decorator registers is removed after the test.
    monkeypatch.setitem(PROOFS, NEW, a_proof)
    del PROOFS[NEW]
    proves(NEW)(a_proof)
    result = browser.submit(f"/claims/{NEW}/", headers={"Accept": "application/json"}).json()
    assert (result["id"], result["status"], result["verdict"]) == (NEW, "proved", "does not hold")


def test_the_file_says_at_its_top_how_a_claim_is_added() -> None:
    head = FILE.read_text().partition("\n\n")[0].splitlines()
    assert len(head) <= 10
    assert all(line.startswith("#") for line in head)
    for field in fields(Claim):
        assert any(re.search(rf"\b{field.name} = ", line) for line in head), field.name


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (f'"{NEW}"', '"C1"', "C1 is there twice"),
        (f'"{NEW}"', '"118"', "claim 118: an id is C and a number"),
        (f'id = "{NEW}"', "", "claim without an id: id is missing"),
        ('proof = "a request"', "", f"claim {NEW}: proof is missing"),
        ("proof =", "prove =", f"claim {NEW}: there is no field prove"),
        ('"tokens"', '"token"', f"claim {NEW}: part must be one of introduction, "),
        ('"does not hold"', '"no"', f"claim {NEW}: expected must be one of holds, "),
        ('"does not hold"', '"holds"', f"claim {NEW}: a condition belongs to"),
        ('condition = "It does not."', "", f"claim {NEW}: a condition belongs to"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in GOOD
    with pytest.raises(ValueError, match=sentence):
        read(with_block(tmp_path, GOOD.replace(old, new)))
