import re
from typing import Any

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.models import OutgoingMail, User
from security import passwords
from security.client import Client
from security.models import SecurityEvent
from tests.conftest import PASSWORDS, Browser
from tests.running import ROOT


def change(browser: Browser, user: User, new: str) -> int:
    """The status of a password change through the page: 302 for an accepted password, 200 for a refused one."""
    browser.force_login(user)
    data = {"old_password": PASSWORDS[user.email], "new_password1": new, "new_password2": new}
    return int(browser.submit("/accounts/password/", data).status_code)


@pytest.mark.parametrize(
    "new",
    [
        "kqzvwxyj",  # eight letters of one case
        "vqkz wmrt",
        "73915820463",  # Django's NumericPasswordValidator is not used: digits are accepted if not common
        "\U0001f984\U0001f40c\U0001f996\U0001f9a5\U0001f9ad\U0001fab2\U0001fab8\U0001fabc",
        "ab" * 32,
        "correct horse battery staple " * 4,
        "z" * passwords.MAXIMUM_LENGTH,
    ],
)
def test_what_is_long_enough_and_not_common_may_be_a_password(alice: User, browser: Browser, new: str) -> None:
    assert change(browser, alice, new) == 302
    alice.refresh_from_db()
    assert alice.check_password(new)
    assert not alice.check_password(new[:-1])


@pytest.mark.parametrize(
    "new",
    [
        "kqzvwxy",  # seven letters
        "password",
        "PASSWORD123",
        "qwertyuiop",
        "12345678",
        "iloveyou1",
        "alice@example.com",
        "alice@exampl",
        "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44",  # "password" in full-width letters, hashed as "password"
        "\uff41\uff4c\uff49\uff43\uff45\uff20\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45.com",
        "",
        "z" * (passwords.MAXIMUM_LENGTH + 1),
        "with a \0 in it",
    ],
)
def test_what_is_short_common_or_the_address_may_not(alice: User, browser: Browser, new: str) -> None:
    assert change(browser, alice, new) == 200
    alice.refresh_from_db()
    assert alice.check_password(PASSWORDS[alice.email])
    assert not OutgoingMail.objects.exists()


def test_ones_own_name_is_no_password(db: None) -> None:
    user = User(email="bob@example.com", name="Bartholomew Cubbins")
    with pytest.raises(ValidationError):
        validate_password("bartholomewcubbins", user)


def test_both_new_passwords_must_agree(alice: User, browser: Browser) -> None:
    browser.force_login(alice)
    data = {"old_password": PASSWORDS[alice.email], "new_password1": "kqzvwxyj", "new_password2": "kqzvwxyk"}
    assert browser.submit("/accounts/password/", data).status_code == 200


def test_a_replaced_password_is_recorded_and_its_owner_told(
    alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    alice.set_password("another password")
    with django_capture_on_commit_callbacks(execute=True):
        passwords.replace(alice, Client("192.0.2.1", "browser"))
    event = SecurityEvent.objects.get(name="authn_password_change")
    assert (event.name, event.user_key, event.address) == ("authn_password_change", str(alice.pk), "192.0.2.1")
    assert OutgoingMail.objects.get().to == alice.email


def test_storing_a_password_stores_nothing_else(alice: User) -> None:
    alice.role, alice.is_superuser = User.Role.ADMIN, True
    alice.set_password("another password")
    passwords.replace(alice, Client())
    alice.refresh_from_db()
    assert (alice.role, alice.is_superuser) == (User.Role.MEMBER, False)


def test_no_page_of_a_part_cuts_a_password_that_the_api_accepts() -> None:
    """A browser drops what is over `maxlength` without a word, and the login then fails."""
    fields = [
        field
        for app in ("security", "sessions_demo", "jwt_demo")
        for page in (ROOT / app / "templates").rglob("*.html")
        for field in re.findall(r"<input[^>]*type=\"password\"[^>]*>", page.read_text())
    ]
    assert len(fields) >= 5
    assert [field for field in fields if f'maxlength="{passwords.MAXIMUM_LENGTH}"' not in field] == []
