"""A session and a token side by side, and the visitor's own session alone, without what could be misused."""

import re
from typing import Any

import pytest

from accounts.models import User
from lab.pages import inspect
from tests.conftest import Browser
from tests.jwt_demo.conftest import logged_in

PAGE = "/lab/inspect/"


def test_one_person_is_opened_in_both_ways_and_is_gone(db: None, browser: Browser) -> None:
    page = browser.submit(PAGE, {"do": "both"}).content.decode()
    users = set(re.findall(r"(?:_auth_user_id|&quot;sub)&quot;: &quot;(\d+)&quot;", page))
    assert len(users) == 1
    assert re.search(r":1:session:[0-9a-f]{64}", page)
    assert not User.objects.filter(pk=users.pop()).exists()


def test_only_ones_own_session_is_opened_and_its_secrets_are_masked(
    alice: Any, browser: Browser, mallory: Browser
) -> None:
    browser.submit("/session/login/", {"email": "alice@example.com", "password": "correct horse alice"})
    assert browser.session_id
    page = browser.submit(PAGE, {"do": "mine"}).content.decode()
    assert f"&quot;_auth_user_id&quot;: &quot;{alice.pk}&quot;" in page
    assert browser.session_id not in page
    assert alice.get_session_auth_hash() not in page
    assert "This browser is not logged in with a session" in mallory.submit(PAGE, {"do": "mine"}).content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_changed_role_is_noticed_at_once_but_where_only_expiry_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "ACCESS_LIFETIME", 2)
    monkeypatch.setattr(inspect, "POLL_INTERVAL", 0.01)
    rows = {row.name: row for row in inspect.change_role("admin", "member")["rows"]}
    assert list(rows) == ["session", "denylist", "version", "expiry"]
    assert [row.seconds for row in rows.values()][:3] == [0, 0, 0]
    assert all(row.ended for row in rows.values())
    assert rows["expiry"].first == "200 admin"
    assert 0 < rows["expiry"].seconds <= inspect.ACCESS_LIFETIME
    assert [row.lookups for row in rows.values()] == ["GET", "MGET", "1 SQL", "nothing"]


def test_a_token_is_read_whatever_it_is(alice: Any, browser: Browser) -> None:
    page = browser.submit(PAGE, {"do": "token", "token": logged_in().access}).content.decode()
    assert f"&quot;sub&quot;: &quot;{alice.pk}&quot;" in page
    assert browser.submit(PAGE, {"do": "token", "token": "x" * 20_000}).status_code == 400
    assert browser.submit(PAGE, {"do": "no such thing", "token": "a.b"}).status_code == 200
