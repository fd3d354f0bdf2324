"""The lab's index, and the five questions."""

import re

import pytest

from lab.claims.catalogue import CLAIMS
from lab.claims.evidence import PROOFS
from lab.experiments.gateway import HOW_TO_START
from lab.pages import PAGES
from lab.pages.interview import QUESTIONS
from tests.conftest import Browser
from tests.sessions_demo.conftest import cheap_hashes as cheap_hashes  # noqa: PLC0414  (a fixture)


def test_the_index_names_only_what_is_there_and_counts_the_proofs(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    # tests/config, which runs without the lab, tests the home page without it.
    home = browser.get("/").content.decode()
    assert "Log Dana in, both ways" in home
    assert '<a href="/lab/decide/">choose one</a>' in home
    page = browser.get("/lab/").content.decode()
    count = f"{len(CLAIMS)} common claims about sessions and tokens."
    assert f"{count} Each has a proof" in page
    monkeypatch.delitem(PROOFS, "C103")
    assert f"{count} {len(PROOFS)} of them have a proof" in browser.get("/lab/").content.decode()
    addresses = set(re.findall(r'href="(/lab/[a-z]+/|/claims/|/)"', page))
    assert {"/", "/claims/", "/lab/decide/", "/lab/interview/", "/lab/remember/"} <= addresses
    assert {browser.get(address).status_code for address in addresses} == {200}


def test_the_home_page_begins_with_the_story_and_leads_to_the_passwords_last(browser: Browser) -> None:
    page = browser.get("/").content.decode().partition("<main")[2]
    story, played, login = '<a class="button" href="/start/"', 'href="#live"', 'href="/session/login/"'
    order = [page.index(text) for text in (story, played, login, "Log Dana in, both ways", "demo-only-alice")]
    assert order == sorted(order)


def test_every_page_of_the_lab_is_in_the_index(browser: Browser) -> None:
    from lab.urls import urlpatterns

    routes = {str(route.pattern) for route in urlpatterns}
    pages = {f"/{route}" for route in routes if re.fullmatch(r"lab/[a-z]+/", route)}
    page = browser.get("/lab/").content.decode()
    assert [address for address in sorted(pages) if f'href="{address}"' not in page] == []


@pytest.mark.parametrize("name", [name for name, _, _ in PAGES])
def test_a_page_has_one_name_and_leads_to_its_neighbours(db: None, browser: Browser, name: str) -> None:
    names = [other for other, _, _ in PAGES]
    at = names.index(name)
    page, title = browser.get(f"/lab/{name}/").content.decode(), PAGES[at][1]
    assert f"<title>{title} · " in page
    assert f"<h1>{title}</h1>" in page
    assert f'<li aria-current="page">{title}</li>' in page
    assert f'<a href="/lab/{name}/">{title}</a>' in browser.get("/lab/").content.decode()
    neighbours = re.findall(r'href="/lab/([a-z]+)/" rel="(prev|next)"', page)
    assert neighbours == [(other, "prev") for other in names[:at][-1:]] + [
        (other, "next") for other in names[at + 1 :][:1]
    ]


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
