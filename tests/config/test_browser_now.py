"""The strip's question: which logins this browser has, as they are now, without changing any of them."""

from typing import Any

import pytest
from django.conf import settings
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from jwt_demo.models import TokenFamily
from security.revocation import revoke_access
from tests.conftest import Browser, Clock
from tests.jwt_demo.conftest import COOKIE, Holder, logged_in, thief
from tests.running import Store

NOW = "/browser-now"
NOBODY = {"session": None, "token": None}


def told(browser: Any) -> dict[str, Any]:
    answer = browser.get(NOW)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    found: dict[str, Any] = answer.json()
    return found


def test_a_browser_without_a_login_costs_no_statement(
    browser: Browser, db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert told(browser) == NOBODY


def test_the_bytes_of_the_cookies_are_counted_as_they_were_sent(browser: Browser) -> None:
    # A server gives each byte as one character (PEP 3333). The UTF-8 of an accented letter has two.
    page = browser.get("/glossary/", headers={"Cookie": "a=é".encode().decode("latin-1")}).content.decode()
    assert "· 4 bytes of cookies" in page


def test_each_login_is_told_with_the_name_of_its_user(alice: User, bob: User) -> None:
    holder = logged_in("bob@example.com")
    assert told(holder)["session"] is None
    assert told(holder)["token"]["name"] == "Bob"
    holder.force_login(alice)
    assert told(holder)["session"]["name"] == "Alice"
    assert told(holder)["token"]["name"] == "Bob"


def test_the_question_rotates_nothing(alice: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    holder = logged_in()
    before, cookie = TokenFamily.objects.values().get(), holder.refresh
    with django_assert_num_queries(1):
        told(holder)
    assert (TokenFamily.objects.values().get(), holder.refresh) == (before, cookie)
    assert holder.rotate().status_code == 200


def test_the_time_left_is_that_of_the_newest_access_token(alice: User, clock: Clock) -> None:
    clock(0)
    holder = logged_in()
    clock(100)
    assert told(holder)["token"]["accessSecondsLeft"] == 800
    holder.rotate()
    assert told(holder)["token"]["accessSecondsLeft"] == 900
    clock(5000)
    assert told(holder)["token"]["accessSecondsLeft"] == 0


@pytest.mark.parametrize("end", ["elsewhere", "ban", "revocation", "theft", "nonsense"])
def test_a_token_login_that_is_over_is_not_told(alice: User, end: str) -> None:
    holder = logged_in()
    assert told(holder)["token"]
    if end == "elsewhere":
        TokenFamily.objects.all().mark_ended("ended by its owner")
    elif end == "ban":
        User.objects.filter(pk=alice.pk).update(is_active=False)
    elif end == "revocation":
        revoke_access(alice, "a test")
    elif end == "theft":
        other = thief(holder.refresh)
        assert [other.rotate().status_code for _ in range(2)] == [200, 200]
    else:
        holder.cookies[COOKIE] = "x.y.z"
    assert told(holder)["token"] is None


def test_a_session_that_is_over_is_not_told(alice: User, browser: Browser) -> None:
    browser.force_login(alice)
    assert told(browser)["session"]
    revoke_access(alice, "a test")
    assert told(browser)["session"] is None


def test_while_a_store_is_away_nothing_is_told(alice: User, store: Store) -> None:
    holder = logged_in()
    holder.force_login(alice)
    holder.raise_request_exception = False
    store.kill()
    assert holder.get(NOW).status_code == 503


def test_a_page_asks_nothing_about_the_token_login(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    holder = logged_in()
    with django_assert_num_queries(0):
        page = holder.get("/glossary/").content.decode()
    assert "data-asks" in page


@pytest.mark.parametrize("lab", [True, False])
def test_the_strip_works_without_the_lab(
    alice: User, browser: Browser, monkeypatch: pytest.MonkeyPatch, lab: bool
) -> None:
    monkeypatch.setattr("config.home.apps.is_installed", lambda name: lab and name == "lab")
    browser.force_login(alice)
    strip = browser.get("/glossary/").content.decode().partition('<section class="strip"')[2].partition("</section>")[0]
    assert "Session: <b>Alice</b>" in strip
    assert ("/lab/wire/" in strip) is ("/lab/inspect/" in strip) is lab


def test_logging_out_says_that_the_token_login_goes_on(alice: User) -> None:
    holder = logged_in()
    holder.force_login(alice)
    page = leave(holder)
    assert "Your session was ended" in page
    assert "Your token login goes on." in page
    assert told(holder) == {"session": None, "token": told(holder)["token"]}
    assert holder.whoami() == 200


@pytest.mark.parametrize("ended", [True, False])
def test_without_a_token_login_logging_out_speaks_of_none(alice: User, ended: bool) -> None:
    holder = logged_in() if ended else Holder()
    TokenFamily.objects.all().mark_ended("ended by its owner")
    holder.force_login(alice)
    page = leave(holder)
    assert "You are logged out" in page
    assert "Your token login goes on." not in page


def leave(holder: Holder) -> str:
    page = holder.get("/session/profile/").content.decode()
    token = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    assert holder.cookies[settings.CSRF_COOKIE_NAME].value
    answer = holder.post("/session/logout/", {"csrfmiddlewaretoken": token})
    assert answer.status_code == 200
    return answer.content.decode()
