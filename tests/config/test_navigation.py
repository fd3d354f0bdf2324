"""The links at the top: the same ones in the same order, whoever is logged in, and on error pages too."""

import re

import pytest
from pytest_django import Settings

from accounts.models import User
from config.navigation import links
from tests.conftest import Browser

LINK = re.compile(r'<li><a href="([^"]+)"(?: aria-current="(page|true)")?>([^<]+)</a></li>')
PERSONAL = {"Log in", "Register"}


def shown(page: str) -> list[str]:
    """The addresses in the navigation, without the links that depend on who is logged in."""
    navigation = page.partition("<nav")[2].partition("</nav>")[0]
    return [address for address, _, label in LINK.findall(navigation) if label not in PERSONAL]


def test_the_links_are_the_same_whoever_is_logged_in_and_on_an_error_page(
    alice: User, admin: User, browser: Browser
) -> None:
    pages = [browser.get("/"), browser.get("/nothing/")]
    for user in (alice, admin):
        browser.force_login(user)
        pages += [browser.get("/"), browser.get("/nothing/")]
    first, *others = [shown(page.content.decode()) for page in pages]
    assert len(first) > 8
    assert all(other == first for other in others)


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
def test_an_error_page_does_not_ask_a_user_to_log_in(
    alice: User, browser: Browser, settings: Settings, status: int
) -> None:
    settings.ROOT_URLCONF = "tests.config.test_errors"
    browser.force_login(alice)
    page = browser.get(f"/answer/{status}").content.decode()
    assert "/session/login/" not in page
    assert "/session/profile/" in page


@pytest.mark.parametrize(
    ("path", "marked"),
    [
        ("/", {"Home": "page"}),
        ("/lab/", {"Lab": "page"}),
        ("/lab/token/", {"Lab": "true"}),
        ("/claims/c22/", {"Claims": "true"}),
        ("/session/profile/", {"Session": "page"}),
        ("/session/devices/", {"Devices": "page"}),
        ("/session/staff/", {"Session": "true"}),
        ("/accounts/register/", {}),
    ],
)
def test_the_current_part_of_the_site_is_marked(path: str, marked: dict[str, str]) -> None:
    assert {link.label: link.current for link in links(path) if link.current} == marked


def test_outside_the_demo_only_staff_see_the_link_to_the_admin(settings: Settings) -> None:
    settings.DEMO = False
    assert "Admin" not in [link.label for link in links("/")]
    assert "Admin" in [link.label for link in links("/", is_staff=True)]
