"""The lab's index, and the five questions."""

import re

import pytest

from lab.claims.catalogue import CLAIMS
from lab.claims.evidence import PROOFS
from lab.pages.interview import QUESTIONS
from tests.conftest import Browser
from tests.sessions_demo.conftest import cheap_hashes as cheap_hashes  # noqa: PLC0414  (a fixture)


def test_the_index_names_only_what_is_there_and_counts_the_proofs(browser: Browser) -> None:
    # That the home page does without it is told in tests/config, which stand without the lab.
    assert "lab/home" in browser.get("/").content.decode()
    page = browser.get("/lab/").content.decode()
    assert f"{len(CLAIMS)} claims are made again and again. {len(PROOFS)} of them have a proof" in page
    addresses = set(re.findall(r'href="(/lab/[a-z]+/|/claims/|/)"', page))
    assert {"/", "/claims/", "/lab/decide/", "/lab/interview/", "/lab/remember/"} <= addresses
    assert {browser.get(address).status_code for address in addresses} == {200}


def test_every_page_of_the_lab_is_in_the_index(browser: Browser) -> None:
    from lab.urls import urlpatterns

    routes = {str(route.pattern) for route in urlpatterns}
    pages = {f"/{route}" for route in routes if re.fullmatch(r"lab/[a-z]+/", route)}
    page = browser.get("/lab/").content.decode()
    assert [address for address in sorted(pages) if f'href="{address}"' not in page] == []


def test_a_question_is_answered_and_its_proof_run(db: None, browser: Browser) -> None:
    page = browser.get("/lab/interview/").content.decode()
    for one in QUESTIONS:
        assert f'id="{one.id}"' in page
        assert (f'value="{one.id}"' in page) is (one.id in PROOFS)
    assert "it needs the page gateway" in page
    page = browser.submit("/lab/interview/", {"claim": "C102"}).content.decode()
    assert 'data-verdict="holds"' in page
    assert "one refresh, with the cookie alone" in page


@pytest.mark.parametrize("claim", ["", "C1", "C104", "C102\x00"])
def test_only_the_proofs_of_the_five_are_run(claim: str, browser: Browser) -> None:
    assert browser.submit("/lab/interview/", {"claim": claim}).status_code == 400
