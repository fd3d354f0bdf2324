"""The claims in a browser, with and without a script."""

import dataclasses
import html
import re

import pytest

from lab.claims.catalogue import BY_ID, CLAIMS, PARTS, Verdict
from lab.claims.evidence import PROOFS, Result
from lab.pages import PAGES, claims
from tests.conftest import Browser


def text_of(response: object) -> str:
    """The page as it is read."""
    content = response.content.decode()  # type: ignore[attr-defined]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", content))


def test_every_claim_is_a_cell_with_its_text_and_nothing_is_said_to_be_run_before_it_was(browser: Browser) -> None:
    response = browser.get("/claims/")
    page = response.content.decode()
    for claim in CLAIMS:
        cell = page.split(f'<li id="{claim.id}"')[1].split("</li>")[0]
        assert f'<a class="cell" href="/claims/{claim.id}/" data-state="">' in cell
        assert f"{html.escape(claim.text)} <em>Expected: {claim.expected}. Now: <span data-now>not run</span>" in cell
    assert f"{len(PROOFS)} proofs, none run yet." in text_of(response)
    assert all(f'<a href="?part={part}">' in page for part in PARTS)


def test_a_part_shows_the_code_of_each_proof_and_the_pages_to_try_it_on(browser: Browser) -> None:
    page = "".join(browser.get(f"/claims/?part={part}").content.decode() for part in PARTS)
    assert "lab/claims/proofs/sessions.py: no_session_before_login" in page
    assert 'href="/lab/scale/"' in page
    assert "not built yet" not in page
    named = {slug for claim in CLAIMS for slug in claim.pages}
    titles = {slug: title for slug, title, _ in PAGES if slug in named}
    assert titles
    for slug, title in titles.items():
        assert f'<a href="/lab/{slug}/">{title}</a>' in page


def test_a_claim_has_its_text_as_title_and_leads_back_to_its_part_and_its_cell(browser: Browser) -> None:
    page = browser.get("/claims/C22/").content.decode()
    assert f"<title>C22: {html.escape(BY_ID['C22'].text)}" in page
    assert f'href="/claims/?part={BY_ID["C22"].part}#C22"' in page
    assert 'href="/claims/#C22"' in page


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("part=sessions", sum(claim.part == "sessions" for claim in CLAIMS)),
        ("verdict=wrong", sum(claim.expected == "does not hold" for claim in CLAIMS)),
        ("part=sessions&verdict=if", 1),
        ("stands=none", len(CLAIMS) - len(PROOFS)),
        ("verdict=wrong&part=rules", 0),
    ],
)
def test_the_filter_shows_those_and_no_others(browser: Browser, query: str, number: int) -> None:
    page = browser.get(f"/claims/?{query}").content
    assert page.count(b'<li class="claim"' if "part=" in query else b'class="cell"') == number


def test_a_filter_that_finds_nothing_says_which_filter_to_take_away(browser: Browser) -> None:
    page = browser.get("/claims/?verdict=wrong&part=rules").content.decode()
    assert '<a href="?part=rules">all claims of this part</a>' in page
    assert '<a href="?verdict=wrong">all claims with this expected verdict</a>' in page


def test_a_wrong_claim_is_said_to_be_shown_wrong_and_not_proved(db: None, browser: Browser) -> None:
    wrong = BY_ID["C14"].id
    row = dataclasses.replace(BY_ID[wrong], expected=Verdict.WRONG)
    assert Result(row, verdict=Verdict.WRONG).outcome == "shown to be wrong, as expected"
    assert Result(row, verdict=Verdict.HOLDS).outcome == "not as expected: holds"
    assert "Now holds, as expected" in text_of(browser.submit(f"/claims/{wrong}/"))


def test_one_is_run_by_a_form_and_by_a_script(db: None, browser: Browser) -> None:
    page = browser.submit("/claims/C14/")
    assert "Verdict: holds" in text_of(page)
    assert "with an invented id (as said) 401" in text_of(page)
    body = browser.submit("/claims/C14/", headers={"Accept": "application/json"}).json()
    assert (body["id"], body["status"], body["verdict"]) == ("C14", "proved", "holds")
    assert [item["true"] for item in body["evidence"]] == [True] * 3


def test_a_part_is_run_by_a_form_for_so_long_and_no_longer(
    db: None, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = browser.submit("/claims/", {"part": "introduction"})
    assert "As expected 2: 2 hold, 0 hold if, 0 do not." in text_of(page)
    assert text_of(page).count("Seen just now.") == sum(c.part == "introduction" and c.id in PROOFS for c in CLAIMS)
    monkeypatch.setattr(claims, "MAX_SECONDS", 0)
    page = browser.submit("/claims/", {"part": "introduction"})
    assert "Seen just now." not in text_of(page)
    assert "2 of this part were not run" in text_of(page)


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ([Verdict.HOLDS], "as expected 1: 1 holds, 0 hold if, 0 do not"),
        (
            [Verdict.HOLDS, Verdict.HOLDS, Verdict.CONDITIONAL, Verdict.WRONG],
            "as expected 4: 2 hold, 1 holds if, 1 does not",
        ),
        ([], ""),
    ],
)
def test_results_are_counted_in_the_right_number(verdicts: list[Verdict], said: str) -> None:
    by_verdict = {claim.expected: claim for claim in CLAIMS}
    assert claims._count([Result(by_verdict[verdict], verdict=verdict) for verdict in verdicts]) == said


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/claims/c9/", 301),
        ("get", f"/claims/C{len(CLAIMS) + 1}/", 404),
        ("get", "/claims/x/", 404),
        ("get", "/claims/?part=x", 400),
        ("get", "/claims/?verdict=x", 400),
        ("get", "/claims/?stands=x", 400),
        ("submit", "/claims/", 400),
        ("submit", "/claims/?part=sessions", 400),
        ("post", "/claims/C14/", 403),
    ],
)
def test_what_there_is_not_is_refused(browser: Browser, method: str, path: str, status: int) -> None:
    assert getattr(browser, method)(path).status_code == status
