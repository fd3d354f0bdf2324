"""The claims in a browser, with and without a script."""

import re

import pytest

from lab.claims.catalogue import CLAIMS
from lab.claims.evidence import PROOFS
from lab.pages import claims
from tests.conftest import Browser


def text_of(response: object) -> str:
    """The page as it is read."""
    content = response.content.decode()  # type: ignore[attr-defined]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", content))


def test_every_claim_is_listed_and_nothing_is_said_to_be_proved_before_it_was(browser: Browser) -> None:
    response = browser.get("/claims/")
    assert [f'id="{claim.id}"' in response.content.decode() for claim in CLAIMS] == [True] * len(CLAIMS)
    assert f"{len(PROOFS)} of the {len(CLAIMS)} claims have a proof, and none of them was run yet" in text_of(response)
    assert b'data-status="proved">proved</span>' not in response.content
    # The code that makes it so; and every page that a claim names is there.
    assert b"lab/claims/proofs/sessions.py: no_session_before_login" in response.content
    assert b'href="/lab/scale/"' in response.content
    assert b"not built yet" not in response.content


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
    assert browser.get(f"/claims/?{query}").content.count(b'<li class="claim"') == number


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
    assert text_of(page).count("Seen just now.") == sum(c.part == "introduction" and c.id in PROOFS for c in CLAIMS)
    monkeypatch.setattr(claims, "MAX_SECONDS", 0)
    page = browser.submit("/claims/", {"part": "introduction"})
    assert "Seen just now." not in text_of(page)
    assert "were not run" in text_of(page)


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
