"""The coat check: what its requests prove, what they leave behind, and what its pages accept."""

import re
from typing import Any

import pytest

from accounts.models import User
from lab.experiments import coat_check
from lab.experiments.coat_check import STEPS
from lab.experiments.scenarios import SCENARIOS
from lab.pages.start import address
from security.waits import Busy
from sessions_demo import views
from sessions_demo.models import DeviceSession
from tests.conftest import Browser

# The statuses of each step's requests, and the answer that they prove.
PLAYED = {
    "come-in": ([200, 200], "letter"),
    "come-back": ([200, 200], "number"),
    "banned": ([401, 200, 401, 401], "letter"),
    "stolen": ([200, 200, 401, 200, 401], "letter"),
    "short": ([200, 401, 401], "ended"),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", STEPS)
def test_each_step_is_really_played_and_leaves_nobody_behind(name: str) -> None:
    outcome = coat_check.play(STEPS[name])
    assert ([entry["status"] for entry in outcome.exchanges], outcome.right) == PLAYED[name]
    assert not User.objects.exists()
    assert not DeviceSession.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_only_the_number_is_looked_up() -> None:
    number, letter = coat_check.play(STEPS["come-back"]).exchanges
    assert (number["redis"], letter["redis"] + letter["sql"]) == (1, 0)
    assert letter["sent"] > number["sent"]


@pytest.mark.parametrize("name", STEPS)
def test_a_step_has_a_page_with_a_picture_for_each_half_and_links_to_its_neighbours(
    browser: Browser, name: str
) -> None:
    page = browser.get(address(name)).content.decode()
    names = list(STEPS)
    at = names.index(name)
    assert page.count("<svg viewBox") == 2
    for other, rel in ((at - 1, "prev"), (at + 1, "next")):
        link = re.search(f'href="([^"]+)" rel="{rel}"', page)
        assert (link and link[1]) == (address(names[other]) if 0 <= other < len(names) else None)
    assert ("Which one for me?" in page) is (at == len(names) - 1)


def test_a_page_does_not_give_the_answer_away(browser: Browser) -> None:
    for name in ("come-back", "banned", "stolen", "short"):
        page = browser.get(address(name)).content.decode()
        assert [picture.note for picture in STEPS[name].pictures if picture.note in page] == []


def test_every_step_leads_to_a_scenario_of_the_wire() -> None:
    assert {step.scenario for step in STEPS.values()} <= set(SCENARIOS)


def test_every_question_offers_the_answer_that_is_right() -> None:
    assert {name for name, step in STEPS.items() if PLAYED[name][1] not in step.answers} == set()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("guess", "said"), [("number", "You guessed it"), ("letter", "You guessed “The letter”"), ("", "You made no guess")]
)
def test_the_answer_says_what_is_so_whatever_was_guessed(browser: Browser, guess: str, said: str) -> None:
    page = browser.submit("/start/come-back/", {"ask": "1", "guess": guess}).content.decode()
    assert said in page
    assert "The server says: The number" in page
    assert "/lab/whoami/expiry" in page


def test_an_unknown_guess_is_refused_with_a_sentence(db: None, browser: Browser) -> None:
    answer = browser.submit("/start/", {"ask": "1", "guess": "the coat"})
    assert (answer.status_code, "There is no such answer." in answer.content.decode()) == (400, True)
    answer = browser.submit("/start/", {"guess": "letter"})
    assert (answer.status_code, "Press “Ask the server”." in answer.content.decode()) == (400, True)


def test_a_body_that_does_not_ask_plays_nothing(db: None, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coat_check, "play", pytest.fail)
    assert browser.submit("/start/", {"guess": "letter"}).status_code == 400
    assert browser.submit("/", {"guess": "letter"}).status_code == 400


def busy(*_: Any, **__: Any) -> None:
    raise Busy


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("address", "body"), [("/", {"play": "1"}), ("/start/", {"ask": "1"})])
def test_while_no_login_is_possible_a_demonstration_is_unavailable(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, address: str, body: dict[str, str]
) -> None:
    monkeypatch.setattr(views, "verify", busy)
    assert browser.submit(address, body).status_code == 503


@pytest.mark.django_db(transaction=True)
def test_an_outage_in_the_middle_is_not_told_as_a_refusal(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views.Whoami, "get", busy)
    assert browser.submit("/start/come-back/", {"ask": "1", "guess": "letter"}).status_code == 503
    assert not User.objects.exists()


def test_an_unknown_step_is_not_found_and_the_first_has_one_address(db: None, browser: Browser) -> None:
    assert browser.get("/start/nowhere/").status_code == 404
    assert browser.get("/start/come-in/")["Location"] == "/start/"


@pytest.mark.django_db(transaction=True)
def test_the_visitors_own_login_takes_no_part(alice: User, browser: Browser) -> None:
    browser.force_login(alice)
    before = {name: morsel.value for name, morsel in browser.cookies.items()}
    browser.submit("/start/banned/", {"ask": "1", "guess": "letter"})
    assert {name: browser.cookies[name].value for name in before} == before
    assert browser.get("/session/api/whoami").status_code == 200
