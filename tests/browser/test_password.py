"""A password is reset, changed, and guessed in vain."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import log_in
from tests.browser.mailbox import link_in, open_mail
from tests.running import Site
from tests.site.member import Member

pytestmark = pytest.mark.browser

NEW = "battery staple correct horse"
WRONG = "Your old password was entered incorrectly"


def test_a_reset_link_works_when_it_is_opened_on_another_site(page: Page, site: Site, cast: dict[str, Any]) -> None:
    request_reset(page, site, "frank@example.com")
    link = link_in(open_mail(page, site, "frank@example.com", "Set a new password")).get_attribute("href")
    with webmail(str(link)) as address:
        page.goto(address)
        page.get_by_role("link", name="Your mail").click()
        set_new_password(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your new password is saved")
    open_mail(page, site, "frank@example.com", "Your password was changed")
    page.goto(str(link))
    expect(page.get_by_role("heading", level=1)).to_have_text("This link no longer works")


@pytest.mark.exhaustive
def test_a_reset_works_without_javascript(visit: Callable[..., Page], site: Site, cast: dict[str, Any]) -> None:
    page = visit(java_script_enabled=False)
    request_reset(page, site, "grace@example.com")
    link = link_in(open_mail(page, site, "grace@example.com", "Set a new password")).get_attribute("href")
    with webmail(str(link)) as address:
        page.goto(address)
        page.get_by_role("link", name="Your mail").click()
        set_new_password(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your new password is saved")


def test_a_new_password_takes_the_place_of_the_current_one(
    visit: Callable[..., Page], site: Site, cast: dict[str, Any]
) -> None:
    page = visit()
    log_in(page, site, "erin@example.com", "correct horse erin", then="/accounts/password/")
    change(page, "not the current one", NEW)
    expect(page.get_by_role("alert")).to_contain_text(WRONG)
    change(page, "correct horse erin", NEW)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your password is changed")
    expect(page.get_by_role("banner")).to_contain_text("Logged in as Erin")

    elsewhere = visit()
    log_in(elsewhere, site, "erin@example.com", "correct horse erin")
    expect(elsewhere.get_by_text("Please enter the correct")).to_be_visible()
    log_in(elsewhere, site, "erin@example.com", NEW)
    expect(elsewhere.get_by_role("heading", level=1)).to_have_text("Users, sessions, tokens")


@pytest.mark.exhaustive
def test_the_eleventh_wrong_current_password_is_refused_unread(page: Page, site: Site, cast: dict[str, Any]) -> None:
    log_in(page, site, "heidi@example.com", "correct horse heidi", then="/accounts/password/")
    change(page, "a guess", NEW)
    expect(page.get_by_role("alert")).to_contain_text(WRONG)
    guess(site, "heidi@example.com", 9)
    with page.expect_response(f"{site.url}/accounts/password/") as answer:
        change(page, "correct horse heidi", NEW)
    assert_throttled(page, answer.value)


@pytest.mark.exhaustive
def test_the_eleventh_wrong_login_at_the_admin_is_refused_unread(page: Page, site: Site) -> None:
    log_in(page, site, "bob@example.com", "a guess")
    expect(page.get_by_text("Please enter the correct")).to_be_visible()
    guess(site, "bob@example.com", 9)
    with page.expect_response(lambda response: response.request.method == "POST") as answer:
        log_in(page, site, "bob@example.com", "demo-only-bob")
    assert_throttled(page, answer.value)


def test_a_password_can_be_shown_and_is_hidden_again(page: Page, site: Site, cast: dict[str, Any]) -> None:
    page.goto(site.url + cast["register"])
    field = page.get_by_label("New password", exact=True)
    field.fill(NEW)
    page.get_by_role("button", name="Show New password", exact=True).click()
    expect(field).to_have_attribute("type", "text")
    page.get_by_role("button", name="Hide New password", exact=True).click()
    expect(field).to_have_attribute("type", "password")
    expect(field).to_have_value(NEW)


def guess(site: Site, email: str, number: int) -> None:
    """Fails to log in `number` times. All ways to log in share one count."""
    for _ in range(number):
        assert Member(site).log_in(email, "a guess").status == 401


def assert_throttled(page: Page, response: Any) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Too many attempts")
    expect(page.get_by_role("link", name="Go to the home page")).to_be_visible()
    assert response.status == 429
    assert int(response.headers["retry-after"]) > 0


def request_reset(page: Page, site: Site, email: str) -> None:
    page.goto(f"{site.url}/accounts/password/reset/")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_role("button", name="Send me the link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your mail")


def set_new_password(page: Page) -> None:
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_label("New password confirmation", exact=True).fill(NEW)
    page.get_by_role("button", name="Save the password").click()


def change(page: Page, current: str, new: str) -> None:
    page.get_by_label("Old password", exact=True).fill(current)
    page.get_by_label("New password", exact=True).fill(new)
    page.get_by_label("New password confirmation", exact=True).fill(new)
    page.get_by_role("button", name="Change the password").click()


@contextmanager
def webmail(link: str) -> Iterator[str]:
    """A page on another site with this link in it: 127.0.0.1 is not localhost."""

    class Inbox(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f'<!doctype html><link rel="icon" href="data:,"><a href="{link}">Your mail</a>'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Inbox)
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
