"""The pages: they do the same as the JSON endpoints, without JavaScript."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from pytest_django.asserts import assertContains, assertNotContains

from accounts.models import User
from security.models import UserAccess
from sessions_demo import store
from sessions_demo.models import DeviceSession
from tests.conftest import Browser
from tests.running import Store
from tests.sessions_demo.conftest import (
    CSRF,
    DEVICES_PAGE,
    EVERYWHERE_PAGE,
    LOGIN_PAGE,
    LOGOUT_PAGE,
    PASSWORD_PAGE,
    PROFILE_PAGE,
    RIGHT,
    SESSION,
    Visitor,
    assert_cleared,
    fingerprint,
    keys,
    logged_in,
    thief,
)

STAFF_PAGE = "/session/staff/"
CLOSED = [PROFILE_PAGE, DEVICES_PAGE, STAFF_PAGE, PASSWORD_PAGE, EVERYWHERE_PAGE]


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("cookie", ["", "a" * 32])
def test_a_page_asks_for_a_login_and_says_where_to_go_on(db: None, path: str, cookie: str) -> None:
    visitor = thief(cookie) if cookie else Visitor()
    asked = visitor.get(path)
    assert (asked.status_code, asked["Location"]) == (302, f"{LOGIN_PAGE}?next={path}")
    assert not asked.cookies
    if cookie:
        assert asked["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", [PROFILE_PAGE, DEVICES_PAGE, PASSWORD_PAGE])
def test_a_login_goes_where_she_wanted(alice: User, path: str) -> None:
    visitor = Visitor()
    done = visitor.submit(f"{LOGIN_PAGE}?next={path}", {"email": alice.email, "password": RIGHT, "next": path})
    assert (done.status_code, done["Location"]) == (302, path)
    assert visitor.get(path).status_code == 200
    assert logged_in().submit(LOGIN_PAGE, {"email": alice.email, "password": RIGHT})["Location"] == PROFILE_PAGE


ELSEWHERE = [
    "//evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "///evil.example",
    "https://evil.example/",
    "http:evil.example",
    "javascript:alert(1)",
    "\thttps://evil.example",
    "https:///evil.example",
    "/%0d%0aSet-Cookie:x=y/../..//evil.example\r\nX: y",
]


@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_login_goes_nowhere_else(alice: User, where: str) -> None:
    for extra in ({"query_params": {"next": where}}, {}):
        visitor, form = Visitor(), {"email": alice.email, "password": RIGHT}
        done = visitor.submit(LOGIN_PAGE, form if extra else form | {"next": where}, **extra)
        assert done.status_code == 302
        assert re.match(r"/[^/\\]", done["Location"])
        assert visitor.whoami() == 200


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"email": "alice@example.com"},
        {"password": RIGHT},
        {"email": "alice@example.com", "password": ""},
        {"email": "a" * 255, "password": RIGHT},
        {"email": "alice@example.com", "password": "x" * 1025},
        {"email": "alice@example.com\0", "password": RIGHT},
        {"email": "alice@example.com", "password": "\0"},
    ],
)
def test_a_form_that_is_not_filled_in_is_shown_again(alice: User, store: Store, form: dict[str, Any]) -> None:
    visitor = Visitor()
    shown = visitor.submit(LOGIN_PAGE, form)
    assert shown.status_code == 200
    assert shown.context["form"].errors
    assert (visitor.session_id, keys(store)) == ("", set())


def test_a_password_is_never_shown_again(alice: User) -> None:
    shown = Visitor().sign_in_by_page(password="wrong but mine")
    assert shown.status_code == 401
    assert b"wrong but mine" not in shown.content


def test_every_form_carries_the_token_and_asks_by_post(at_alice: Visitor) -> None:
    for path in (PROFILE_PAGE, DEVICES_PAGE, LOGIN_PAGE, "/"):
        page = at_alice.get(path).content.decode()
        forms = re.findall(r"<form[^>]*method=\"?post\"?.*?</form>", page, re.S | re.I)
        assert all("csrfmiddlewaretoken" in form for form in forms)
        assert not re.findall(r"<a[^>]*logout", page)


@pytest.mark.parametrize(("email", "status"), [("alice@example.com", 403), ("admin@example.com", 200)])
def test_the_staff_page_is_for_administrators(alice: User, admin: User, email: str, status: int) -> None:
    assert logged_in(email).get(STAFF_PAGE).status_code == status


def test_the_devices_page_lists_hers_alone(at_alice: Visitor, second: Visitor, at_bob: Visitor) -> None:
    shown = at_alice.get(DEVICES_PAGE)
    assert {device.id for device in shown.context["devices"]} == {at_alice.row.pk, second.row.pk}
    assert shown.context["current"] == str(at_alice.row.pk)
    page = shown.content.decode()
    assert at_alice.session_id not in page
    assert at_alice.row.digest not in page


def test_one_device_is_ended_by_page(at_alice: Visitor, second: Visitor) -> None:
    row = second.row
    DeviceSession.objects.filter(pk=row.pk).update(user_agent="Mozilla/5.0 (iPhone) Safari/604.1")
    done = at_alice.submit(DEVICES_PAGE, {"end": str(row.pk)})
    assert (done.status_code, done["Location"]) == (302, f"{DEVICES_PAGE}?ended={row.pk}")
    assert (at_alice.whoami(), second.whoami()) == (200, 401)
    assertContains(at_alice.get(done["Location"]), "<strong>Safari on iPhone</strong> was ended.")


def test_the_others_are_ended_by_page(at_alice: Visitor, second: Visitor, at_bob: Visitor) -> None:
    assertContains(at_alice.get(DEVICES_PAGE), "Yes, end it")
    done = at_alice.submit(DEVICES_PAGE, {"others": "1"})
    assert (done.status_code, done["Location"]) == (302, f"{DEVICES_PAGE}?ended=others")
    assert [visitor.whoami() for visitor in (at_alice, second, at_bob)] == [200, 401, 200]
    shown = at_alice.get(done["Location"])
    assertContains(shown, "All your other sessions were ended.")
    assertNotContains(shown, 'name="others"')


def test_a_link_cannot_say_that_the_others_were_ended(at_alice: Visitor, second: Visitor) -> None:
    assertNotContains(at_alice.get(f"{DEVICES_PAGE}?ended=others"), "were ended")


def test_this_browser_comes_first_in_the_list(at_alice: Visitor, second: Visitor) -> None:
    for visitor in (at_alice, second):
        first, other = visitor.get(DEVICES_PAGE).context["devices"]
        assert (first.id, other.id != first.id) == (visitor.row.pk, True)


@pytest.mark.parametrize("ended", ["bob's", "live", "x", "\0", "<b>Safari</b>"])
def test_the_page_says_of_nothing_else_that_it_was_ended(
    at_alice: Visitor, second: Visitor, at_bob: Visitor, ended: str
) -> None:
    ids = {"bob's": str(at_bob.row.pk), "live": str(second.row.pk)}
    at_bob.submit("/session/logout/")
    assertNotContains(at_alice.get(DEVICES_PAGE, {"ended": ids.get(ended, ended)}), "ended.</p>")


def test_this_device_is_ended_by_page_like_a_logout(at_alice: Visitor, second: Visitor) -> None:
    done = at_alice.submit(DEVICES_PAGE, {"end": str(at_alice.row.pk)})
    assert_cleared(done)
    assert (at_alice.whoami(), second.whoami()) == (401, 200)


def test_anothers_device_is_left_alone(at_alice: Visitor, at_bob: Visitor, store: Store) -> None:
    before = fingerprint(store)
    for device in (at_bob.row.pk, uuid4()):
        assert at_alice.submit(DEVICES_PAGE, {"end": str(device)}).status_code in (302, 404)
    assert fingerprint(store) == before
    assert at_bob.whoami() == 200


@pytest.mark.parametrize("device", ["", "x", "1", "\0", "*", "\u00fc", "a" * 5000])
def test_what_is_no_device_is_400(at_alice: Visitor, store: Store, device: str) -> None:
    before = fingerprint(store)
    assert at_alice.submit(DEVICES_PAGE, {"end": device}).status_code == 400
    assert at_alice.submit(DEVICES_PAGE, {}).status_code == 400
    assert fingerprint(store) == before


def test_a_name_is_shown_as_text(at_alice: Visitor, alice: User) -> None:
    payload = '"><script>alert(1)</script>'
    User.objects.filter(pk=alice.pk).update(name=payload)
    DeviceSession.objects.update(user_agent=payload, address="192.0.2.1")
    for path in (PROFILE_PAGE, DEVICES_PAGE, "/"):
        assert b"<script>alert(1)" not in at_alice.get(path).content


def test_a_browser_that_keeps_no_cookie_is_told_what_to_do(alice: User) -> None:
    visitor = Visitor()
    visitor.get(LOGIN_PAGE)
    token = visitor.cookies.pop(CSRF).value
    refused = visitor.post(LOGIN_PAGE, {"email": alice.email, "password": RIGHT, "csrfmiddlewaretoken": token})
    assert refused.status_code == 403
    assert b"HTTPS=1" in refused.content
    assert visitor.session_id == ""


@pytest.mark.parametrize("path", [LOGIN_PAGE, LOGOUT_PAGE, PROFILE_PAGE, DEVICES_PAGE])
def test_a_page_for_who_asked_json_is_an_error_in_json(at_alice: Visitor, path: str) -> None:
    refused = at_alice.call("PATCH", path, {})
    assert refused.status_code == 405
    assert refused.json() == {"error": "Method not allowed"}
    assert SESSION not in refused.cookies


@pytest.mark.parametrize(
    ("reason", "code", "sentence"),
    [
        ("deactivated", "revoked", "Your access was revoked"),
        ("ended by administrator 1", "revoked", "Your access was revoked"),
        ("ended by its owner", "owner", "This session was ended"),
        ("expired", "expired", "Your session has run out"),
    ],
)
def test_whoever_was_in_a_moment_ago_is_told_why_she_is_out(
    at_alice: Visitor, reason: str, code: str, sentence: str
) -> None:
    row = at_alice.row
    store.delete([row.digest])
    DeviceSession.objects.filter(pk=row.pk).mark_ended(reason)
    answer = at_alice.get(PROFILE_PAGE)
    assert answer["Location"] == f"{LOGIN_PAGE}?next={PROFILE_PAGE}&over={code}"
    assert sentence in at_alice.get(answer["Location"]).content.decode()


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        (lambda: None, "lost", "The server no longer has your session"),
        # In an outage a revocation can be incomplete: the user's access has changed, and the row is not yet marked.
        (lambda: UserAccess.objects.update(token_version=9), "revoked", "Your access was revoked"),
        (lambda: User.objects.update(is_active=False), "revoked", "Your access was revoked"),
    ],
    ids=["lost", "revoked", "banned"],
)
def test_a_session_that_redis_has_lost_is_told_from_a_revoked_one(
    at_alice: Visitor, change: Callable[[], object], code: str, sentence: str
) -> None:
    store.delete([at_alice.row.digest])
    change()
    assert at_alice.row.ended is None
    answer = at_alice.get(PROFILE_PAGE)
    assert answer["Location"] == f"{LOGIN_PAGE}?next={PROFILE_PAGE}&over={code}"
    assert sentence in at_alice.get(answer["Location"]).content.decode()


@pytest.mark.parametrize("text", ["", "<b>", "Call+0900+now"])
def test_the_login_page_repeats_nothing_that_its_address_says(db: None, browser: Browser, text: str) -> None:
    page = browser.get(f"{LOGIN_PAGE}?over={text}").content.decode()
    assert 'role="status"' not in page
    assert "0900" not in page


def test_who_is_logged_in_is_not_told_that_her_session_has_ended(at_alice: Visitor) -> None:
    page = at_alice.get(f"{LOGIN_PAGE}?over=revoked").content.decode()
    assert "You are logged in as" in page
    assert "Your access was revoked" not in page
