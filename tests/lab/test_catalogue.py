"""A claim is added by writing a block in `catalogue.toml`; a mistake there is a sentence that says where it is."""

from pathlib import Path

import pytest

from lab.claims.catalogue import CLAIMS, FILE, Verdict, read

GOOD = """
[[claims]]
id = "C118"
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
    assert (claims[-1].id, claims[-1].number, claims[-1].expected) == ("C118", 118, Verdict.WRONG)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"C118"', '"C1"', "C1 is there twice"),
        ('"C118"', '"118"', "claim 118: an id is C and a number"),
        ('id = "C118"', "", "claim without an id: id is missing"),
        ('proof = "a request"', "", "claim C118: proof is missing"),
        ("proof =", "prove =", "claim C118: there is no field prove"),
        ('"tokens"', '"token"', "claim C118: part must be one of introduction, "),
        ('"does not hold"', '"no"', "claim C118: expected must be one of holds, "),
        ('"does not hold"', '"holds"', "claim C118: a condition belongs to"),
        ('condition = "It does not."', "", "claim C118: a condition belongs to"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in GOOD
    with pytest.raises(ValueError, match=sentence):
        read(with_block(tmp_path, GOOD.replace(old, new)))
