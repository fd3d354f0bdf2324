"""The page `wire`: its plays leave no data and show no secret; a visitor can record requests."""

import re
import subprocess
from typing import Any

import pytest
from django.conf import settings

from accounts.models import User
from lab.claims import sandbox
from lab.experiments.scenarios import SCENARIOS
from lab.tracing import runs
from lab.tracing.curl import curl_command
from tests.conftest import Browser
from tests.lab.test_proofs import everything
from tests.running import Store

WIRE = "/lab/wire/"
FIRST_LINES = {
    "session-login": [
        "GET /session/api/",
        "POST /session/auth/login",
        "GET /session/api/whoami",
        "GET /session/api/profile",
        "POST /session/auth/logout",
    ],
    "token-login": [
        "POST /jwt/auth/login",
        "GET /jwt/api/whoami",
        "GET /jwt/api/profile",
        "POST /jwt/auth/refresh",
        "POST /jwt/auth/logout",
    ],
}
STATUSES = {
    "session-login": [200] * 5,
    "token-login": [200] * 5,
    "old-cookie": [200, 200, 200, 401],
    "old-refresh": [200, 200, 401, 401, 401],
    "strangers": [401] * 4,
    "roles": [401, 403, 200] * 2,
}


@pytest.fixture
def secrets_seen(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every password, cookie and token that the plays' browsers received."""
    seen: set[str] = set()
    ask, person = sandbox.Browser.ask, sandbox.Sandbox.person

    def asking(self: sandbox.Browser, *args: Any, **options: Any) -> sandbox.Answer:
        answer = ask(self, *args, **options)
        seen.update(cookie.value or "" for cookie in self.http.cookies.jar)
        seen.add(answer.json.get("accessToken", ""))
        return answer

    def making(self: sandbox.Sandbox, **fields: Any) -> sandbox.Person:
        created = person(self, **fields)
        seen.add(created.password)
        return created

    monkeypatch.setattr(sandbox.Browser, "ask", asking)
    monkeypatch.setattr(sandbox.Sandbox, "person", making)
    return seen


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_shown_and_leaves_nothing_behind(
    db: None, browser: Browser, secrets_seen: set[str], store: Store, name: str
) -> None:
    before = everything(store)
    response = browser.submit(f"{WIRE}?scenario={name}", {"scenario": name})
    assert response.status_code == 200
    exchanges = response.context["exchanges"]
    assert [entry["status"] for entry in exchanges] == STATUSES[name]
    page = response.content.decode()
    request_lines = re.findall(r"Browser → Django</span> <strong>(.*?)</strong>", page)
    assert request_lines == [f"{entry['method']} {entry['path']}" for entry in exchanges]
    assert request_lines == FIRST_LINES.get(name, request_lines)
    secrets_seen -= {"", "a" * 32}
    assert len(secrets_seen) >= (0 if name == "strangers" else 2)
    assert [secret for secret in secrets_seen if secret in page] == []
    assert everything(store) == before


def test_what_there_is_not_is_refused(db: None, browser: Browser) -> None:
    for body in ({"scenario": "<script>"}, {"scenario": ""}, {"action": "fly"}, {}):
        response = browser.submit(WIRE, body)
        assert response.status_code == 400
        assert "There is no such scenario." in response.content.decode()
        assert '<script>"' not in response.content.decode()


def test_a_link_names_the_scenario_and_plays_nothing(db: None, browser: Browser) -> None:
    response = browser.get(f"{WIRE}?scenario=roles")
    assert response.content.decode().count("data-chosen") == 1
    assert "recorded-title" not in response.content.decode()
    assert browser.get(f"{WIRE}?scenario=nothing").status_code == 200


def test_a_recording_without_a_script(alice: User, browser: Browser, mallory: Browser) -> None:
    assert "Recording: 0 exchanges" in browser.submit(WIRE, {"action": "record"}).content.decode()
    browser.get("/session/api/whoami")
    assert "GET /session/api/whoami" in browser.get(WIRE).content.decode()
    assert "GET /session/api/whoami" not in mallory.get(WIRE).content.decode()
    stopped = browser.submit(WIRE, {"action": "stop"})
    assert "GET /session/api/whoami" in stopped.content.decode()
    assert stopped.cookies[runs.COOKIE]["max-age"] == 0
    assert "GET /session/api/whoami" not in browser.get(WIRE).content.decode()


@pytest.mark.parametrize("path", ["/lab/", "/claims/", "/start/"])
def test_the_pages_of_the_lab_are_not_part_of_a_recording(db: None, browser: Browser, path: str) -> None:
    browser.submit(WIRE, {"action": "record"})
    browser.get(path)
    assert browser.get(WIRE).context["exchanges"] == []


def test_a_curl_line_is_one_command_that_asks_the_same(db: None, browser: Browser) -> None:
    browser.submit(WIRE, {"action": "record"})
    browser.get("/session/api/whoami?" + "a" * 40, headers={"Origin": "it's $(here)"})
    entry = browser.get(WIRE).context["exchanges"][0]
    # A shell prints the arguments that curl would get.
    lines = _words(curl_command(entry | {"path": "/it's/$(echo here)/\x1b[201~\n"}))
    assert lines[:4] == ["curl", "-i", "--globoff", f"{settings.SITE_URL}/it's/$(echo%20here)/%1B[201~%0A"]
    assert f"{settings.CSRF_COOKIE_NAME}=its-token" in lines
    login = SCENARIOS["session-login"]
    entries = browser.submit(WIRE, {"scenario": login.name}).context["exchanges"]
    words = _words(curl_command(entries[1]))
    assert words[words.index("-X") + 1] == "POST"
    assert "X-CSRFToken: its-token" in words
    assert words[-1] == '{"email": "YOUR E-MAIL", "password": "YOUR PASSWORD"}'


def _words(line: str) -> list[str]:
    script = f'CSRF_TOKEN=its-token; curl() {{ printf "%s\\n" curl "$@"; }}; {line}'
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
