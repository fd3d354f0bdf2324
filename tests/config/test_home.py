import pytest
from django.apps import apps
from pytest_django import Settings

from accounts.models import User
from tests.conftest import Browser


def test_the_home_page_is_for_everyone(alice: User, browser: Browser) -> None:
    assert browser.get("/").status_code == 200
    browser.force_login(alice)
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize("demo", [True, False])
def test_the_mailbox_is_linked_where_there_is_one(db: None, browser: Browser, settings: Settings, demo: bool) -> None:
    settings.DEMO = demo
    page = browser.get("/")
    assert page.context["demo"] is demo
    assert (b'href="/accounts/mail/"' in page.content) is demo


def test_the_home_page_stands_without_the_lab(db: None, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda name: name != "lab" and installed(name))
    page = browser.get("/").content
    assert b'id="token-step-8"' in page
    assert b"lab/" not in page
