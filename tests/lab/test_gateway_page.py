"""The gateway's page when no services run, or another program has their ports. tests/services has the other tests."""

from collections.abc import Iterator

import pytest

from lab.experiments.gateway import DESIGNS, HIGHEST_PORT, HOW_TO_START, PORTS, WAYS
from tests.conftest import Browser
from tests.lab.test_attacks import Server, serving

PAGE = "/lab/gateway/"
JSON = {"Accept": "application/json"}


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Another program at the gateway's port."""
    with serving() as server:
        monkeypatch.setenv("SERVICES_PORT", str(server.server_port))
        yield server


def test_the_page_names_the_designs_and_has_a_button_for_each_request(browser: Browser) -> None:
    answer = browser.get(PAGE)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert [design.title for design in DESIGNS if design.title not in page] == []
    assert [way.name for way in WAYS if f'name="way" value="{way.name}"' not in page] == []
    assert "<sequence-diagram" not in page
    assert browser.get(PAGE, headers=JSON).json() == {}


@pytest.mark.parametrize("way", ["", "nothing", "through\x00"])
def test_an_unknown_request_is_not_sent(browser: Browser, way: str) -> None:
    answer = browser.submit(PAGE, {"way": way}, headers=JSON)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert 'role="alert"' in browser.submit(PAGE, {"way": way}).content.decode()


@pytest.mark.parametrize("way", [way.name for way in WAYS])
def test_without_services_the_page_says_how_to_start_them(db: None, browser: Browser, way: str) -> None:
    answer = browser.submit(PAGE, {"way": way}, headers=JSON)
    assert (answer.status_code, answer.json()) == (503, {"error": f"Nothing answers on port 3. {HOW_TO_START}"})
    page = browser.submit(PAGE, {"way": way})
    assert page.status_code == 503
    assert HOW_TO_START in page.content.decode()
    assert "<title>Error: " in page.content.decode()


@pytest.mark.parametrize("port", ["eighty", "0", "-1", str(HIGHEST_PORT - len(PORTS) + 2), "9" * 20])
def test_a_port_there_cannot_be_is_named(
    db: None, browser: Browser, monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    monkeypatch.setenv("SERVICES_PORT", port)
    answer = browser.submit(PAGE, {"way": "through"}, headers=JSON)
    assert answer.status_code == 503
    assert answer.json()["error"].startswith("SERVICES_PORT must be a number from 1 to ")
    assert port in answer.json()["error"]


STRANGE: list[tuple[object, int]] = [({}, 404), ([1], 200), ("text", 200), (b"<html>", 200), ({}, 502)]


@pytest.mark.parametrize("way", [way.name for way in WAYS if way.name != "around"])
def test_where_something_else_listens_the_page_says_so(db: None, browser: Browser, stranger: Server, way: str) -> None:
    for body, status in STRANGE:
        stranger.give(body, status)
        answer = browser.submit(PAGE, {"way": way}, headers=JSON)
        says = f"What answers on port {stranger.server_port} is another server. Choose another SERVICES_PORT."
        assert (answer.status_code, answer.json()) == (503, {"error": says}), (body, status)
