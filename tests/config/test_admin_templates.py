"""The templates that replace Django's own in the admin."""

import pytest
from django.test import Client

from accounts.admin import UserAdmin
from accounts.models import User


def test_a_list_without_actions_carries_no_inline_style(
    client: Client, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(admin)
    monkeypatch.setattr(UserAdmin, "actions_on_top", False)
    page = client.get("/admin/accounts/user/").content.decode()
    assert "<style" not in page
    assert "admin-without-actions.css" in page


def test_a_list_with_actions_is_djangos_own(client: Client, admin: User) -> None:
    client.force_login(admin)
    page = client.get("/admin/accounts/user/").content.decode()
    assert "admin-without-actions.css" not in page
    assert "admin/css/changelists.css" in page
