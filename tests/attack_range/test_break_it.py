"""Each attack of the table fails, succeeds without the defences that its row names, and fails again afterwards."""

import re
import tomllib
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.running import ROOT, Range
from tests.sampling import sampled

pytestmark = pytest.mark.browser
ROWS: list[dict[str, Any]] = tomllib.loads((ROOT / "attack_range/defences.toml").read_text())["defence"]
CASES = {row["case"]: row["off"] for row in ROWS if "case" in row}
FORM = "broken/sibling-form"


@pytest.mark.parametrize("case", sampled(CASES, ["broken/sibling-form", "broken/public-key"]))
def test_an_attack_succeeds_without_its_defences_and_with_no_fewer(
    chromium: None, attack_range: Range, case: str
) -> None:
    result = attack_range.run(case)[case]
    assert result["as_expected"], result
    assert result["succeeded"]
    off = CASES[case]
    assert result["detail"]["back"].keys() == (set(off) if len(off) > 1 else set())


def test_every_row_with_a_switch_has_its_case(attack_range: Range) -> None:
    ids = {case["id"] for case in attack_range.get("/api/cases")["cases"] if case["id"].startswith("broken/")}
    assert ids == CASES.keys() | {"broken/restored"}


def test_after_a_try_that_broke_off_every_defence_is_back(chromium: None, attack_range: Range) -> None:
    result = attack_range.run("broken/restored")["broken/restored"]
    assert result["as_expected"], result
    assert not result["succeeded"]


def post(attack_range: Range, **fields: Any) -> tuple[int, str]:
    """Submits the page's form; returns the status and the page."""
    host = {"Host": f"range.localhost:{attack_range.port}"}
    url, body = f"http://127.0.0.1:{attack_range.port}/break/", urlencode(fields, doseq=True).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, host), timeout=120) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def outcome(page: str) -> str:
    [said] = re.findall(r"<p[^>]* data-outcome>(.*?)</p>", page)
    return re.sub(r"<[^>]+>", "", said)


def test_the_page_attacks_without_what_the_visitor_took_away(chromium: None, attack_range: Range) -> None:
    """The next attack meets all defences again."""
    case, [first, second] = "broken/own-key", CASES["broken/own-key"]
    for on, begins in (
        ([first, second], "Refused. Still on: Exact header, Keys from the settings."),
        ([first], "Refused. Still on: Exact header."),
        ([second], "Refused. Still on: Keys from the settings."),
        ([], "Got through."),
        ([first, second], "Refused. Still on: Exact header, Keys from the settings."),
    ):
        status, page = post(attack_range, case=case, on=on)
        assert (status, outcome(page)[: len(begins)]) == (200, begins)
        assert re.findall(r'value="([a-z-]+)" checked', section(page, "own-key")) == on


def section(page: str, slug: str) -> str:
    return page.partition(f'id="{slug}"')[2].partition("</section>")[0]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"case": ""},
        {"case": "broken/nothing"},
        {"case": "broken/restored"},
        {"case": FORM, "on": "nothing"},
        {"case": FORM, "on": ["origin-gate", "httponly"]},
    ],
    ids=str,
)
def test_an_unknown_name_is_400_with_a_sentence(attack_range: Range, fields: dict[str, Any]) -> None:
    status, page = post(attack_range, **fields)
    assert status == 400
    assert "There is no such attack, or it has no such defence." in page
    assert "data-outcome" not in page


def test_every_row_is_on_the_page_with_its_layers(attack_range: Range) -> None:
    url = f"http://127.0.0.1:{attack_range.port}/break/"
    request = urllib.request.Request(url, headers={"Host": f"range.localhost:{attack_range.port}"})
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        page = answer.read().decode()
    for row in ROWS:
        assert row["test"] in page
        if "case" in row:
            on = re.findall(r'value="([a-z-]+)" checked', section(page, row["case"].rpartition("/")[2]))
            assert on == row["off"]
        else:
            assert row["mutation"]["file"] in page
    assert "<script" not in page
    assert " style=" not in page
