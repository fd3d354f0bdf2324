"""The lab's index, and the five questions."""

import re

import pytest

from lab.claims.catalogue import CLAIMS
from lab.claims.evidence import PROOFS
from lab.experiments.gateway import HOW_TO_START
from lab.pages.interview import QUESTIONS
from tests.conftest import Browser
from tests.sessions_demo.conftest import cheap_hashes as cheap_hashes  # noqa: PLC0414  (a fixture)


def test_the_index_names_only_what_is_there_and_counts_the_proofs(browser: Browser) -> None:
    # tests/config, which runs without the lab, tests the home page without it.
    assert "Log Dana in, both ways" in browser.get("/").content.decode()
    page = browser.get("/lab/").content.decode()
    counts = f"{len(CLAIMS)} common claims about sessions and tokens. {len(PROOFS)} of them have a proof"
    assert counts in page
    addresses = set(re.findall(r'href="(/lab/[a-z]+/|/claims/|/)"', page))
    assert {"/", "/claims/", "/lab/decide/", "/lab/interview/", "/lab/remember/"} <= addresses
    assert {browser.get(address).status_code for address in addresses} == {200}


def test_every_page_of_the_lab_is_in_the_index(browser: Browser) -> None:
    from lab.urls import urlpatterns

    routes = {str(route.pattern) for route in urlpatterns}
    pages = {f"/{route}" for route in routes if re.fullmatch(r"lab/[a-z]+/", route)}
    page = browser.get("/lab/").content.decode()
    assert [address for address in sorted(pages) if f'href="{address}"' not in page] == []


def test_a_question_is_answered_and_its_proof_run(db: None, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PROOFS, "C103")
    page = browser.get("/lab/interview/").content.decode()
    for one in QUESTIONS:
        assert f'id="{one.id}"' in page
        assert (f'value="{one.id}"' in page) is (one.id in PROOFS)
    assert "it needs a proof that is still to be written" in page
    page = browser.submit("/lab/interview/", {"claim": "C102"}).content.decode()
    assert 'data-verdict="holds"' in page
    assert "one refresh, with the cookie alone" in page


def test_a_question_whose_proof_needs_what_does_not_run_says_how_to_start_it(db: None, browser: Browser) -> None:
    answer = browser.submit("/lab/interview/", {"claim": "C104"})
    assert answer.status_code == 200
    assert HOW_TO_START in answer.content.decode()
    assert "data-verdict" not in answer.content.decode()


@pytest.mark.parametrize("claim", ["", "C1", "C105", "C102\x00"])
def test_only_the_proofs_of_the_five_are_run(claim: str, browser: Browser) -> None:
    assert browser.submit("/lab/interview/", {"claim": claim}).status_code == 400
