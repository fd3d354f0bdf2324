"""A visitor becomes a user."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.mailbox import link_in, open_mail
from tests.running import Site
from tests.sampling import sampled
from tests.site.backstage import Backstage

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery staple"


@pytest.mark.parametrize("javascript", sampled([True, False], {True}), ids=["with-javascript", "without-javascript"])
def test_a_visitor_registers_by_mail_and_sets_a_password(
    visit: Callable[..., Page], site: Site, backstage: Backstage, javascript: bool
) -> None:
    page = visit(java_script_enabled=javascript)
    email = f"carol-{javascript}@example.com".lower()
    page.goto(site.url)
    page.get_by_role("main").get_by_role("link", name="Register").click()
    ask(page, email, "Carol")
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your mail")

    link_in(open_mail(page, site, email, "Finish your registration")).click()
    set_password(page, PASSWORD, PASSWORD + "!")
    expect(page.get_by_role("alert")).to_contain_text("didn’t match")
    set_password(page, PASSWORD, PASSWORD)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account exists")

    assert backstage.ask("account", email, PASSWORD) == [True, "member"]


def test_the_mailbox_shows_a_mail_that_arrives_later_and_can_be_cleared(visit: Callable[..., Page], site: Site) -> None:
    page, other = visit(), visit()
    page.goto(f"{site.url}/accounts/mail/")
    other.goto(f"{site.url}/accounts/register/")
    ask(other, "later@example.com", "Later")
    expect(page.get_by_text("later@example.com", exact=True)).to_be_visible()
    page.get_by_role("button", name="Delete all mails").click()
    expect(page.get_by_text("The mailbox was cleared.")).to_be_visible()


@pytest.mark.exhaustive
def test_registering_a_taken_address_says_the_same_and_tells_its_owner(page: Page, site: Site) -> None:
    said = []
    for email in ("nobody-yet@example.com", "alice@example.com"):
        page.goto(f"{site.url}/accounts/register/")
        ask(page, email, "Someone")
        expect(page).to_have_url(f"{site.url}/accounts/register/sent/")
        said.append(page.get_by_role("main").inner_text())
    assert said[0] == said[1]

    mail = open_mail(page, site, "alice@example.com", "You already have an account")
    expect(mail).to_contain_text("nothing about it has changed")
    link_in(mail).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Set a new password")


def test_a_registration_link_works_once(page: Page, site: Site, cast: dict[str, Any]) -> None:
    page.goto(site.url + cast["register"].replace("/register/", "/register/x"))
    expect(page.get_by_role("heading", level=1)).to_have_text("This link no longer works")
    ask_for = page.get_by_role("link", name="ask for a new link")
    ask_for.click()
    ask(page, "kim@example.com", "Kim")
    link = link_in(open_mail(page, site, "kim@example.com", "Finish your registration")).get_attribute("href")
    page.goto(str(link))
    set_password(page, PASSWORD, PASSWORD)
    response = page.goto(str(link))
    assert response is not None
    assert response.status == 410
    expect(page.get_by_role("heading", level=1)).to_have_text("This link no longer works")


@pytest.mark.exhaustive
def test_a_domain_that_the_browser_writes_in_ascii_is_the_one_that_was_typed(
    page: Page, site: Site, backstage: Backstage
) -> None:
    typed, posted = "jo@m\u00fcnchen.example", "jo@xn--mnchen-3ya.example"
    page.goto(f"{site.url}/accounts/register/")
    ask(page, typed, "Jo")
    link_in(open_mail(page, site, posted, "Finish your registration")).click()
    set_password(page, PASSWORD, PASSWORD)
    for spelling in (typed, posted):
        assert backstage.ask("account", spelling, PASSWORD) == [True, "member"]
        login = {"email": spelling, "password": PASSWORD}
        answer = page.request.post(f"{site.url}/jwt/auth/login", data=login | {"transport": "body"})
        assert answer.status == 200


def ask(page: Page, email: str, name: str) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Send me the link").click()


def set_password(page: Page, first: str, second: str) -> None:
    page.get_by_label("New password", exact=True).fill(first)
    page.get_by_label("New password confirmation", exact=True).fill(second)
    page.get_by_role("button", name="Register").click()
