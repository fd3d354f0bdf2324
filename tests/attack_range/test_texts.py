"""The pages' texts about each attack are complete, and the code that they quote is in the files that they name."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.running import ROOT, Range

FILES = sorted((ROOT / "attack_range" / "texts").glob("*.toml"))
TEXTS = {file.stem: tomllib.loads(file.read_text()) for file in FILES}
FIELDS = {"title", "theory", "clue", "guess", "options", "answer", "explanation", "try", "hints", "claims", "code"}
CODE_FIELDS = {"title", "weak_from", "strong_from", "weak", "strong"}
DIFFERENCE_MARK = "> "
pytestmark = pytest.mark.parametrize("slug", TEXTS)


def test_every_field_is_there_and_filled(slug: str) -> None:
    text = TEXTS[slug]
    assert text.keys() == FIELDS
    assert all(text[name] or name == "answer" for name in FIELDS)
    assert all(hint.keys() == {"text", "case"} and all(hint.values()) for hint in text["hints"])
    assert all(code.keys() == CODE_FIELDS and all(code.values()) for code in text["code"])


def test_the_theory_is_three_sentences(slug: str) -> None:
    assert len(re.findall(r"[.!?](?=\s|$)", TEXTS[slug]["theory"].strip())) == 3


def test_the_guess_has_an_answer_among_its_options(slug: str) -> None:
    text = TEXTS[slug]
    assert text["guess"].strip().endswith("?")
    assert 2 <= len(set(text["options"])) == len(text["options"]) <= 4
    assert text["answer"] in range(len(text["options"]))
    assert 2 <= len(text["hints"]) <= 4


@pytest.mark.parametrize("side", ["weak", "strong"])
def test_every_line_of_code_stands_in_the_file_named(slug: str, side: str) -> None:
    for code in TEXTS[slug]["code"]:
        there = {line.strip() for line in source(code, side).splitlines()}
        lines = code[side].strip("\n").splitlines()
        assert [line for line in lines if line.removeprefix(DIFFERENCE_MARK).strip() not in there] == []
        assert len([line for line in lines if line.startswith(DIFFERENCE_MARK)]) == 1


def source(code: dict[str, Any], side: str) -> str:
    path = Path(code[f"{side}_from"])
    assert not path.is_absolute()
    assert ".." not in path.parts
    return (ROOT / path).read_text()


def test_every_claim_is_in_the_catalogue(slug: str) -> None:
    catalogue = tomllib.loads((ROOT / "lab/claims/catalogue.toml").read_text())
    assert {*TEXTS[slug]["claims"]} <= {claim["id"] for claim in catalogue["claims"]}


@pytest.mark.site
def test_the_case_of_every_hint_can_be_run(attack_range: Range, slug: str) -> None:
    cases = {case["id"] for case in attack_range.get("/api/cases")["cases"]}
    assert {hint["case"] for hint in TEXTS[slug]["hints"]} <= cases
    assert all(hint["case"].startswith(f"{slug}/") for hint in TEXTS[slug]["hints"])
