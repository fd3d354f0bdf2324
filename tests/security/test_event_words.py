"""What administrators read of an event: what happened, by whom, and why."""

from typing import Any

import pytest

from accounts.models import User
from security.admin_users import users_by_key
from security.event_words import in_words, keys_in
from security.models import SecurityEvent

Name = SecurityEvent.Name
CASES: list[tuple[str, dict[str, Any], str]] = [
    (Name.LOGIN_SUCCESS, {"flow": "session", "new_client": False}, "Login succeeded: with a session"),
    (
        Name.LOGIN_SUCCESS,
        {"flow": "jwt", "new_client": True},
        "Login succeeded: with tokens, from a new browser or app",
    ),
    (
        Name.LOGIN_SUCCESS,
        {"flow": "jwt", "reauthenticated": True},
        "Login succeeded: with tokens, to confirm the password",
    ),
    (Name.LOGIN_FAIL, {"inactive": False}, "Login failed"),
    (Name.LOGIN_FAIL, {"inactive": True}, "Login failed: the account is not active"),
    (Name.LOGIN_FAIL, {"unknown": "ab12"}, "Login failed: no user has the name that was given"),
    (Name.PASSWORD_CHANGE, {}, "Password changed"),
    (Name.ACCESS_REVOKED, {"reason": "password changed", "token_version": 1}, "Access revoked: password changed"),
    (Name.SESSION_REVOKED, {"ended": 1, "reason": "by the owner"}, "Session ended: 1 login, by the owner"),
    (Name.TOKEN_REVOKED, {"ended": 2, "reason": "logged out"}, "Token login ended: 2 logins, logged out"),
    (Name.TOKEN_REUSED, {"everything": True}, "Refresh token used twice: all logins of the user were ended"),
    (Name.TOKEN_REUSED, {"everything": False}, "Refresh token used twice: this login was ended"),
    (Name.ADMIN_ACTION, {"by": "404", "action": "deleted"}, "Deleted by 404"),
    ("of_an_older_release", {"reason": "x"}, "of_an_older_release: x"),
    (Name.ADMIN_ACTION, {}, "Action of an administrator"),
]


@pytest.mark.parametrize(("name", "detail", "words"), CASES)
def test_each_kind_of_event_in_words(name: str, detail: dict[str, Any], words: str) -> None:
    assert in_words(SecurityEvent(name=name, detail=detail), {}) == words


def test_administrators_are_named(admin: User, alice: User) -> None:
    by = str(admin.pk)
    events = [
        SecurityEvent(
            name=Name.ADMIN_ACTION, user_key=str(alice.pk), detail={"by": by, "action": "banned", "reason": "spam"}
        ),
        SecurityEvent(name=Name.ADMIN_ACTION, detail={"by": by, "action": "changed", "fields": ["Role", "Active"]}),
        SecurityEvent(name=Name.SESSION_REVOKED, detail={"ended": 1, "reason": f"ended by administrator {by}"}),
    ]
    users = users_by_key(key for event in events for key in keys_in(event))
    assert set(users) == {by, str(alice.pk)}
    assert [in_words(event, users) for event in events] == [
        "Banned by admin@example.com: spam",
        "Changed by admin@example.com: Role, Active",
        "Session ended: 1 login, ended by administrator admin@example.com",
    ]


def test_a_key_that_no_user_of_this_project_can_have_is_no_error(alice: User) -> None:
    assert users_by_key(["x", "", "1" * 40, str(alice.pk)]) == {str(alice.pk): alice}
