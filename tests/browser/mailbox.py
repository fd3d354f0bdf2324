"""Reads mails in the demo's mailbox."""

from playwright.sync_api import Locator, Page

from tests.running import Site, until


def open_mail(page: Page, site: Site, to: str, subject: str) -> Locator:
    """The newest mail with this subject to this address, once it has arrived."""
    letters = page.get_by_role("article").filter(has_text=subject).filter(has=page.get_by_text(to, exact=True))

    def arrived() -> bool:
        page.goto(f"{site.url}/accounts/mail/")
        return letters.count() > 0

    until(arrived)
    return letters.first


def link_in(mail: Locator) -> Locator:
    """The link that the mail is about: the last one in it."""
    return mail.get_by_role("link").last
