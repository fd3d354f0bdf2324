import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import User
from security import events
from security.client import Client
from security.models import KnownClient, SecurityEvent
from tests.conftest import PASSWORDS, Browser

CLIENT = Client("192.0.2.1", "browser")


@pytest.fixture
def event(alice: User) -> SecurityEvent:
    events.record(SecurityEvent.Name.LOGIN_SUCCESS, alice, CLIENT, new_client=True)
    return SecurityEvent.objects.get()


def rows() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM security_securityevent ORDER BY id")
        return list(cursor.fetchall())


@pytest.mark.parametrize(
    "tidy_up",
    [
        lambda event: event.save(),
        lambda event: event.save(update_fields=["address"]),
        lambda event: event.delete(),
        lambda event: SecurityEvent(pk=event.pk, name=event.name).save(),
        lambda event: SecurityEvent.objects.update(address=""),
        lambda event: SecurityEvent.objects.filter(pk=event.pk).update(address=""),
        lambda event: SecurityEvent.objects.all().delete(),
        lambda event: SecurityEvent.objects.filter(pk=event.pk).delete(),
        lambda event: SecurityEvent.objects.bulk_update([event], ["address"]),
        lambda event: SecurityEvent.objects.update_or_create(pk=event.pk, defaults={"address": ""}),
    ],
)
def test_what_was_written_stays_as_it_was(event: SecurityEvent, tidy_up: Callable[[SecurityEvent], Any]) -> None:
    before = rows()
    event.address = ""
    with pytest.raises(TypeError, match="written once"), transaction.atomic():
        tidy_up(event)
    assert rows() == before


def test_deleting_a_user_changes_no_history(event: SecurityEvent, alice: User) -> None:
    KnownClient.remember(str(alice.pk), CLIENT)
    before = rows()
    alice.delete()
    *after, revoked = sorted(rows())
    assert after == sorted(before)
    assert revoked[2] == "authn_access_revoked"
    assert {event.email for event in SecurityEvent.objects.all()} == {"alice@example.com"}


def test_an_event_says_who_where_and_what(event: SecurityEvent, alice: User) -> None:
    assert (event.name, event.user_key, event.email) == ("authn_login_success", str(alice.pk), alice.email)
    assert (event.address, event.user_agent, event.detail) == ("192.0.2.1", "browser", {"new_client": True})


@pytest.mark.parametrize("typed", ["nobody@example.com", "correct horse alice", "\U0001f984@example.com"])
def test_an_address_nobody_has_is_nowhere_kept(alice: User, browser: Browser, log: Any, typed: str) -> None:
    browser.log_in(typed, "wrong")
    browser.log_in(typed, "wrong")
    kept = repr(rows()) + log.getvalue()
    assert "authn_login_fail" in kept
    assert typed not in kept
    assert json.dumps(typed)[1:-1] not in kept
    first, second = SecurityEvent.objects.all()
    assert (first.email, first.user_key) == ("", "")
    # Both events have the same digest, which shows that they belong together.
    assert first.detail == second.detail


def test_the_digest_of_an_unknown_address_cannot_be_guessed_at_without_the_key(settings: Any, db: None) -> None:
    for key in ("a" * 40, "b" * 40):
        settings.SECRET_KEY = key
        events.login_failed(None, "nobody@example.com", CLIENT)
    first, second = SecurityEvent.objects.all()
    assert first.detail["unknown"] != second.detail["unknown"]


def test_every_recorded_name_is_of_the_vocabulary(admin: User, browser: Browser) -> None:
    browser.log_in(admin.email, "wrong")
    browser.log_in(admin.email)
    names = list(SecurityEvent.objects.order_by("pk").values_list("name", flat=True))
    assert names == ["authn_login_fail", "authn_login_success"]
    assert set(names) <= set(SecurityEvent.Name.values)


def test_a_login_tells_a_new_client_from_a_known_one(admin: User, browser: Browser, mallory: Browser) -> None:
    for client in (browser, Browser(REMOTE_ADDR="192.0.2.99"), mallory):
        assert client.log_in(admin.email).status_code == 302
    found = SecurityEvent.objects.filter(name="authn_login_success").order_by("pk")
    assert [event.detail["new_client"] for event in found] == [True, False, True]
    assert KnownClient.objects.count() == 2


def test_each_event_is_one_log_line_of_json(alice: User, browser: Browser, log: Any) -> None:
    browser.log_in(alice.email, "wrong")
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    security = [line for line in lines if line["logger"] == "site.security"]
    assert [(line["event"], line["user_key"], line["address"]) for line in security] == [
        ("authn_login_fail", str(alice.pk), "127.0.0.1")
    ]
    assert all(line["at"] and line["level"] for line in lines)


def test_a_throttled_login_is_a_log_line_and_no_row(alice: User, browser: Browser, log: Any) -> None:
    for _ in range(11):
        browser.log_in(alice.email, "wrong")
    assert SecurityEvent.objects.count() == 10
    assert log.getvalue().count('"event": "excess_rate_limit_exceeded"') == 1


FORGERIES = [
    '\r\n{"level": "INFO", "event": "forged"}\r\n',
    '\n{"event": "forged"}',
    "\x1b[2K\x1b[1Aforged",
    '", "event": "forged',
    "\u2028forged\u2029",
    "\x9b2Jforged",
    "\x85forged",
]


@pytest.mark.parametrize("payload", FORGERIES)
@pytest.mark.parametrize(
    "act",
    [
        lambda payload: Browser({"User-Agent": payload}).log_in("alice@example.com", "wrong"),
        lambda payload: Browser().log_in(f"alice@example.com{payload}", "wrong"),
        lambda payload: Browser().log_in("alice@example.com", payload),
        lambda payload: Browser().get(f"/nothing/{payload}"),
        lambda payload: Browser().submit("/accounts/register/", {"email": "a@example.com" + payload, "name": payload}),
        lambda payload: Browser().get("/", headers={"Host": payload}),
        lambda payload: Browser({"X-Forwarded-For": payload}).get("/nothing"),
    ],
    ids=["user agent", "e-mail", "password", "path", "registration", "host", "forwarded"],
)
def test_nothing_that_is_sent_forges_a_log_line(alice: User, log: Any, act: Callable[[str], Any], payload: str) -> None:
    act(payload)
    written = log.getvalue()
    assert written.endswith("\n")
    assert all(c.isprintable() for c in written.replace("\n", ""))
    for line in written[:-1].split("\n"):
        assert "forged" not in str(json.loads(line).get("event"))


def test_a_stored_user_agent_forges_nothing_either(alice: User) -> None:
    Browser({"User-Agent": "\x1b[31mmallory\r\nadmin"}).log_in(alice.email, "wrong")
    assert SecurityEvent.objects.get().user_agent == "[31mmalloryadmin"


def test_passwords_reach_no_event(alice: User, browser: Browser) -> None:
    browser.log_in(alice.email)
    browser.log_in(alice.email, "a wrong password")
    assert PASSWORDS[alice.email] not in repr(rows())
    assert "a wrong password" not in repr(rows())
