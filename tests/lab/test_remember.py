"""Remember me: the lifetimes of both cookies, what the server accepts, and what remains after a browser is closed."""

import re
from typing import Any

from django.conf import settings
from pytest_django import Settings

import lab.claims.proofs  # noqa: F401  (registers them)
from accounts.models import User
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.conf import refresh_lifetime
from lab.claims.catalogue import BY_ID
from lab.claims.evidence import Status, prove
from tests.conftest import Browser
from tests.sessions_demo.conftest import cheap_hashes as cheap_hashes  # noqa: PLC0414  (a fixture)

PAGE = "/lab/remember/"
DAY = 24 * 60 * 60


def played(browser: Browser, remember: str) -> dict[str, Any]:
    answer = browser.submit(PAGE, {"remember": remember}, headers={"Accept": "application/json"})
    assert answer.status_code == 200
    return {lane["flow"]: lane for lane in answer.json()}


def seen(lane: dict[str, Any]) -> tuple[dict[str, int | None], list[int], int, int]:
    ages = {cookie["name"]: cookie["max_age"] for cookie in lane["cookies"]}
    for cookie in lane["cookies"]:
        assert re.match(r"[\w-]+=[\w-]{6}… \(\d+ characters\); ", cookie["line"]), "a value is masked"
    ages.pop(settings.CSRF_COOKIE_NAME, None)
    return ages, [round(end["seconds"] / 60) * 60 for end in lane["ends"]], lane["before"], lane["after"]


def test_with_the_box_both_cookies_outlive_the_browser(db: None, browser: Browser) -> None:
    lanes = played(browser, "yes")
    assert seen(lanes["session"]) == ({settings.SESSION_COOKIE_NAME: 30 * DAY}, [14 * DAY, 30 * DAY], 200, 200)
    expected = ({jwt_conf.JWT_REFRESH_COOKIE_NAME: 30 * DAY}, [900, 30 * DAY, 90 * DAY], 200, 200)
    assert seen(lanes["jwt"]) == expected


def test_without_it_the_refresh_cookie_ends_with_the_browser(db: None, browser: Browser) -> None:
    lanes = played(browser, "")
    assert seen(lanes["session"]) == ({settings.SESSION_COOKIE_NAME: DAY}, [DAY / 12, DAY], 200, 200)
    assert seen(lanes["jwt"]) == ({jwt_conf.JWT_REFRESH_COOKIE_NAME: None}, [900, 7 * DAY, 30 * DAY], 200, 401)


def test_the_page_says_so_and_shows_no_secret(db: None, browser: Browser) -> None:
    page = browser.submit(PAGE, {"remember": "yes"}).content.decode()
    assert "with the box ticked" in page
    assert f"Max-Age={30 * DAY}" in page
    assert "… (32 characters)" in page
    assert 'value="yes" checked' in browser.get(f"{PAGE}?remember=yes").content.decode()
    assert User.objects.count() == 0


def test_a_box_is_ticked_or_not(db: None, browser: Browser) -> None:
    assert browser.submit(PAGE, {"remember": "perhaps"}).status_code == 400
    assert browser.get(f"{PAGE}?remember=%00").status_code == 400


def test_a_token_that_ends_before_its_cookie_contradicts_the_claim(db: None, settings: Settings) -> None:
    settings.JWT_REFRESH_LIFETIME_REMEMBERED = refresh_lifetime()
    assert prove(BY_ID["C103"]).status is Status.CONTRADICTED
