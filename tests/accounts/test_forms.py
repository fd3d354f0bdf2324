"""Forms ignore fields that they do not have, and validate those that they have."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import OutgoingMail, User
from tests.access import version_of
from tests.conftest import PASSWORDS, Browser, link_in

REGISTER, RESET, CHANGE = "/accounts/register/", "/accounts/password/reset/", "/accounts/password/"
NEW = "a new and longer one"
BOTH = {"new_password1": NEW, "new_password2": NEW}
EVERY_PRIVILEGE = {
    "role": "admin",
    "is_staff": "on",
    "is_superuser": "on",
    "is_active": "on",
    "token_version": "7",
    "user_permissions": "1",
    "groups": "1",
    "id": "4711",
    "user": "1",
    "pk": "4711",
}

Mailbox = Callable[[str], list[Any]]


def test_a_registration_takes_no_privilege(browser: Browser, mailbox: Mailbox) -> None:
    wanted = {"email": "carol@example.com", "name": "Carol"} | EVERY_PRIVILEGE
    browser.submit(REGISTER, wanted)
    browser.submit(link_in(mailbox("carol@example.com")[0]), BOTH | EVERY_PRIVILEGE | {"email": "admin@example.com"})
    carol = User.objects.get()
    assert carol.pk != 4711
    assert (carol.email, carol.role, carol.is_superuser, version_of(carol)) == (
        "carol@example.com",
        "member",
        False,
        0,
    )
    assert not carol.user_permissions.exists()


@pytest.mark.parametrize("act", ["change", "reset"])
def test_a_new_password_takes_no_privilege(
    alice: User, bob: User, browser: Browser, mailbox: Mailbox, act: str
) -> None:
    data = BOTH | EVERY_PRIVILEGE | {"email": "mallory@example.com", "user": bob.pk}
    path = CHANGE
    browser.force_login(alice)
    if act == "reset":
        browser.submit(RESET, {"email": alice.email})
        path = browser.get(link_in(mailbox(alice.email)[0]))["Location"]
    before = User.objects.filter(pk=alice.pk).values().get()
    answer = browser.submit(path, data | {"old_password": PASSWORDS[alice.email]})
    assert answer.status_code == 302
    after = User.objects.filter(pk=alice.pk).values().get()
    assert {name for name in after if after[name] != before[name]} == {"password"}
    bob.refresh_from_db()
    assert bob.check_password(PASSWORDS[bob.email])


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"email": "", "name": "Carol"},
        {"email": "carol", "name": "Carol"},
        {"email": "carol@example.com", "name": ""},
        {"email": "carol@example.com", "name": "x" * 151},
        {"email": "x" * 250 + "@example.com", "name": "Carol"},
        {"email": "carol@example.com\r\nBcc: mallory@example.com", "name": "Carol"},
        {"email": "carol@example.com,mallory@example.com", "name": "Carol"},
        {"email": "car\0ol@example.com", "name": "Carol"},
        {"email": "carol@e\u202example.com", "name": "Carol"},
        {"email": "c\u00e4rol@example.com", "name": "Carol"},
        {"email": "carol@example.com", "name": "Carol\u202egnp.exe"},
        {"email": "carol@example.com", "name": "Carol\r\n\r\nYour account is locked"},
    ],
)
def test_a_registration_that_is_not_one_sends_nothing(db: None, browser: Browser, data: dict[str, str]) -> None:
    answer = browser.submit(REGISTER, data)
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert not OutgoingMail.objects.exists()
