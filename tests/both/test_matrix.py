"""How long what was revoked still works: each way to revoke against each way to check, by a frozen clock.

The table in docs/revocation.md is what this run finds; a table that says something else fails.
"""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from jwt_demo.models import TokenFamily
from security.hashers import Argon2id
from tests.conftest import Clock
from tests.jwt_demo import conftest as jwt
from tests.running import ROOT
from tests.sessions_demo import conftest as session

NEW = "a new and longer one"
# Seconds after the login at which something is revoked, and at which the old credential is tried.
REVOKED, TRIED = 60, (60, 61, 600, 899, 900)
COLUMNS = ("session", "expiry", "denylist", "version", "access token only")


class Member:
    """A user who is logged in in two browsers, with the credential that the column names."""

    def __init__(self, column: str) -> None:
        flow: Any = session if column == "session" else jwt
        body = {"refresh": False} if column == "access token only" else {}
        self.flow, self.here, self.there = flow, flow.logged_in(**body), flow.logged_in(agent=flow.SECOND)

    def post(self, who: Any, path: str, body: Any = None) -> None:
        assert who.call("POST", path, body).status_code == 200

    def replay(self) -> None:
        """Another client presents the refresh token before the current one."""
        old = self.there.refresh
        assert self.there.rotate().status_code == 200
        assert jwt.thief(old).rotate().status_code == 401


def save(**fields: Any) -> Callable[[Member], None]:
    def change(member: Member) -> None:
        user = User.objects.get()
        for name, value in fields.items():
            setattr(user, name, value)
        user.save()

    return change


ROWS: dict[str, Callable[[Member], Any]] = {
    "logout": lambda member: member.post(member.here, member.flow.LOGOUT),
    "logout everywhere": lambda member: member.post(member.there, member.flow.EVERYWHERE),
    "password change": lambda member: member.post(
        member.there, member.flow.PASSWORD, {"current": member.flow.RIGHT, "new": NEW}
    ),
    "deactivation": save(is_active=False),
    "deletion": lambda member: User.objects.get().delete(),
    "role change": save(role="admin"),
    "theft": lambda member: member.replay(),
}


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Argon2id, "memory_cost", 8)
    monkeypatch.setattr(Argon2id, "time_cost", 1)


@pytest.fixture
def table(settings: Settings, clock: Clock, transactional_db: None) -> dict[str, list[str]]:
    """The results, row by row."""
    return {row: [cell(row, column, settings, clock) for column in COLUMNS] for row in ROWS}


def cell(row: str, column: str, settings: Settings, clock: Clock) -> str:
    """When the first 401 comes, as the table in the documentation says it."""
    if (row, column) == ("theft", "session"):
        return "–"  # a stolen session id cannot be noticed: every request presents the same id
    settings.JWT_REVOCATION = {"session": "denylist", "access token only": "expiry"}.get(column, column)
    clock(0)
    TokenFamily.objects.all().delete()
    User.objects.all().delete()
    User.objects.create_user("alice@example.com", jwt.RIGHT)
    member = Member(column)
    clock(REVOKED)
    ROWS[row](member)
    return in_words(first_refusal(member.here, clock))


def first_refusal(holder: Any, clock: Clock) -> int:
    """Seconds from the revocation to the first 401."""
    for second in TRIED:
        clock(second)
        if holder.whoami() == 401:
            return second - REVOKED
    raise AssertionError("still in after its expiry")


def in_words(seconds: int) -> str:
    return "at once" if seconds == 0 else f"{seconds} s"


def test_the_table_in_the_docs_is_what_happens(table: dict[str, list[str]]) -> None:
    lines = [f"| revoked by | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [f"| {row} | {' | '.join(cells)} |" for row, cells in table.items()]
    assert "\n".join(lines) in (ROOT / "docs/revocation.md").read_text(), "\n" + "\n".join(lines)


def test_what_is_checked_ends_at_once_however_it_was_revoked(table: dict[str, list[str]]) -> None:
    for row, cells in table.items():
        found = dict(zip(COLUMNS, cells, strict=True))
        assert found["denylist"] == "at once"
        assert found["version"] == ("840 s" if row == "logout" else "at once")
        assert found["expiry"] == found["access token only"] == "840 s"
        assert found["session"] == ("–" if row == "theft" else "at once")
