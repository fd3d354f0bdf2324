"""A form that is older than the last login or logout in the same browser: in another tab, or sent twice."""

import html
import re
from typing import Any

import pytest
from django.conf import settings

from accounts.models import OutgoingMail, User
from config.errors import NO_COOKIE, OLD_PAGE
from security.models import SecurityEvent
from sessions_demo.models import DeviceSession
from tests.conftest import PASSWORDS, Browser
from tests.sessions_demo.conftest import cheap_hashes  # noqa: F401  (a fixture)

LOGIN, LOGOUT, DEVICES, PROFILE = "/session/login/", "/session/logout/", "/session/devices/", "/session/profile/"
OUTDATED = "This form was older than your last login or logout. You did nothing wrong. Please try again."
EVIL = ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "\t//evil.example"]
TABS = ["/accounts/register/", "/accounts/password/reset/", "/accounts/password/", "/admin/login/", DEVICES]


def token_in(page: Any) -> str:
    """The token of the first form of a page."""
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())
    assert found, page.status_code
    return found[1]


def fill(email: str = "alice@example.com", **more: str) -> dict[str, str]:
    return {"email": email, "password": PASSWORDS[email], **more}


@pytest.fixture
def old(alice: User, browser: Browser) -> dict[str, str]:
    """Correct data for the login form, with the CSRF token that the form had before this browser logged in."""
    old = {"csrfmiddlewaretoken": token_in(browser.get(f"{LOGIN}?next={DEVICES}"))}
    assert browser.post(LOGIN, fill() | old).status_code == 302
    return fill() | old


def test_a_login_form_that_is_sent_twice_leads_where_the_user_wanted_to_go(browser: Browser, old: Any) -> None:
    for path, more, leads in (
        (LOGIN, {}, PROFILE),
        (f"{LOGIN}?next={DEVICES}", {}, DEVICES),
        (LOGIN, {"next": "/"}, "/"),
    ):
        answer = browser.post(path, old | more)
        assert (answer.status_code, answer["Location"]) == (302, leads)
    assert browser.get(PROFILE).status_code == 200
    # The second login was refused and changed nothing.
    assert DeviceSession.objects.count() == 1
    assert SecurityEvent.objects.filter(name="authn_login_success").count() == 1


@pytest.mark.parametrize("target", EVIL)
def test_it_leads_to_no_other_site(browser: Browser, old: Any, target: str) -> None:
    assert browser.post(LOGIN, old | {"next": target})["Location"] == PROFILE
    assert browser.post(f"{LOGIN}?next={target}", old)["Location"] == PROFILE


def test_after_a_logout_in_another_tab_the_login_form_comes_again_fresh(browser: Browser, old: Any) -> None:
    assert browser.submit(LOGOUT).status_code == 200
    answer = browser.post(f"{LOGIN}?next={DEVICES}", old | {"remember": "on"})
    text = html.unescape(answer.content.decode())
    assert answer.status_code == 403
    assert "no-store" in answer["Cache-Control"]
    assert OUTDATED in text
    assert 'value="alice@example.com"' in text
    assert re.search(r'name="remember"[^>]*checked', text)
    assert PASSWORDS["alice@example.com"] not in text
    assert not browser.session_id
    again = browser.post(f"{LOGIN}?next={DEVICES}", fill() | {"csrfmiddlewaretoken": token_in(answer)})
    assert (again.status_code, again["Location"]) == (302, DEVICES)
    assert browser.get(DEVICES).status_code == 200


@pytest.mark.parametrize("typed", ["<script>alert(1)</script>", "\0", "a" * 60_000, "\ud800"])
def test_what_was_typed_comes_back_inert(browser: Browser, old: Any, typed: str) -> None:
    browser.submit(LOGOUT)
    typed = typed.encode("utf-8", "replace").decode()
    answer = browser.post(LOGIN, old | {"email": typed})
    assert answer.status_code == 403
    assert "<script>alert" not in answer.content.decode()


@pytest.mark.parametrize("path", TABS)
def test_any_other_old_page_says_so_and_can_be_loaded_again(alice: User, browser: Browser, path: str) -> None:
    before = browser.get(path) if path in ("/accounts/register/", "/accounts/password/reset/") else browser.get(LOGIN)
    old = {"csrfmiddlewaretoken": token_in(before)}
    assert browser.post(LOGIN, fill() | old).status_code == 302
    events = SecurityEvent.objects.count()
    answer = browser.post(f"{path}?page=1", old | {"email": "a@example.com", "name": "A", "others": "1"})
    text = html.unescape(answer.content.decode())
    assert answer.status_code == 403
    assert OLD_PAGE in text
    assert f'href="{path}?page=1">Load that page again' in text
    assert (OutgoingMail.objects.filter(kind="register").count(), SecurityEvent.objects.count()) == (0, events)
    assert browser.get(PROFILE).status_code == 200


def test_an_old_logout_button_leads_back_to_the_page_it_stood_on(browser: Browser, old: Any) -> None:
    for referer, link in ((f"http://testserver{DEVICES}?a=b&c", f"{DEVICES}?a=b&c"), (None, None)):
        answer = browser.post(LOGOUT, old, headers={"Referer": referer} if referer else {})
        text = html.unescape(answer.content.decode())
        assert (answer.status_code, OLD_PAGE in text) == (403, True)
        assert "<title>This page is out of date ·" in text
        assert "<h1>This page is out of date</h1>" in text
        # Without a Referer there is no page to load again: the address that the button posts to shows none.
        assert (f'href="{link}">Load that page again' in text) is ("Load that page again" in text) is (link is not None)
    assert browser.get(PROFILE).status_code == 200


@pytest.mark.parametrize(
    "referer",
    [
        *("http://testserver//evil.example/", "http://testserver/\\evil.example/", "https://evil.example/", "http://["),
        *("http://testserver.evil.example/", "http://testserver@evil.example/", "javascript:alert(1)", "\x00"),
        'http://testserver/"><script>alert(1)</script>',
    ],
)
def test_the_link_leads_to_no_other_site(browser: Browser, old: Any, referer: str) -> None:
    text = browser.post(LOGOUT, old, headers={"Referer": referer}).content.decode()
    assert OLD_PAGE in html.unescape(text)
    assert "evil" not in text
    assert "<script>alert" not in text


def test_a_form_without_a_token_is_not_called_old(browser: Browser, old: Any) -> None:
    for path in (LOGIN, LOGOUT, DEVICES):
        answer = browser.post(path, {"email": "alice@example.com"})
        assert answer.status_code == 403
        assert "CSRF check: the token is missing." in html.unescape(answer.content.decode())


def test_a_browser_that_keeps_no_cookie_is_told_that(db: None, browser: Browser) -> None:
    answer = browser.post(LOGIN, fill() | {"csrfmiddlewaretoken": "a" * 32})
    assert (answer.status_code, NO_COOKIE in html.unescape(answer.content.decode())) == (403, True)
    assert settings.CSRF_COOKIE_NAME not in answer.cookies


def test_an_old_form_is_answered_in_json_where_json_was_asked_for(browser: Browser, old: Any) -> None:
    answer = browser.post(LOGIN, old, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (403, "Forbidden")
    assert answer.json()["detail"].startswith("CSRF check: the token does not match")
