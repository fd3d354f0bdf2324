"""The page about two servers when none run, or another program has their ports. tests/services has the other tests."""

import fcntl
from collections.abc import Iterator
from typing import Any

import pytest

from lab.claims.evidence import NotRunning
from lab.experiments import scale
from lab.experiments.gateway import HIGHEST_PORT, HOW_TO_START, PORTS
from lab.pages.scale import WAYS
from tests.conftest import Browser
from tests.lab.test_attacks import Server, serving

PAGE = "/lab/scale/"
JSON = {"Accept": "application/json"}


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Another program, which answers at each worker's port."""
    with serving() as server:
        monkeypatch.setattr(scale, "port", lambda _: server.server_port)
        yield server


def test_the_page_has_a_button_for_each(browser: Browser) -> None:
    answer = browser.get(PAGE)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert [way for way in WAYS if f'name="way" value="{way}"' not in page] == []
    assert "Seen just now" not in page
    assert browser.get(PAGE, headers=JSON).json() == {}


@pytest.mark.parametrize("way", ["", "nothing", "turn\x00"])
def test_what_there_is_not_is_not_done(browser: Browser, way: str) -> None:
    answer = browser.submit(PAGE, {"way": way}, headers=JSON)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert 'role="alert"' in browser.submit(PAGE, {"way": way}).content.decode()


@pytest.mark.parametrize("way", WAYS)
def test_without_workers_the_page_says_how_to_start_them(db: None, browser: Browser, way: str) -> None:
    answer = browser.submit(PAGE, {"way": way}, headers=JSON)
    assert answer.status_code == 503
    assert answer.json()["error"].endswith(f"worker does not answer. {HOW_TO_START}")
    page = browser.submit(PAGE, {"way": way})
    assert page.status_code == 503
    assert HOW_TO_START in page.content.decode()
    assert "<title>Error: " in page.content.decode()


@pytest.mark.parametrize("way", WAYS)
def test_a_port_there_cannot_be_is_named(db: None, browser: Browser, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    for port in ("eighty", str(HIGHEST_PORT - len(PORTS) + 2)):
        monkeypatch.setenv("SERVICES_PORT", port)
        answer = browser.submit(PAGE, {"way": way}, headers=JSON)
        assert answer.status_code == 503
        assert answer.json()["error"].startswith("SERVICES_PORT must be a number from 1 to ")


@pytest.mark.parametrize(("body", "status"), [({}, 404), ({}, 200), ([], 200), (b"<html>", 200), ({}, 502)])
def test_where_something_else_listens_the_page_says_that_it_is_no_worker(
    db: None, browser: Browser, stranger: Server, body: object, status: int
) -> None:
    stranger.give(body, status)
    for way in WAYS:
        answer = browser.submit(PAGE, {"way": way}, headers=JSON)
        assert answer.status_code == 503, (way, answer.json())
        assert "worker" in answer.json()["error"]


def test_a_worker_that_ends_under_its_visitors_is_no_mistake_of_the_page(stranger: Server) -> None:
    stranger.give({}, 503)
    with pytest.raises(NotRunning, match="is not a worker"):
        scale._growth("limited")


def test_two_do_not_ask_the_workers_at_once(db: None, browser: Browser, settings: Any) -> None:
    """Another process of the site may hold the file."""
    folder = settings.VAR_DIR / "services"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "asked.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answers = {way: browser.submit(PAGE, {"way": way}, headers=JSON) for way in WAYS}
    for way, answer in answers.items():
        assert answer.status_code == 503, way
        assert answer.json()["error"].startswith("Another run is using the two workers.")
    # The next one finds no workers here, but is let in.
    assert HOW_TO_START in browser.submit(PAGE, {"way": "restart"}, headers=JSON).json()["error"]
