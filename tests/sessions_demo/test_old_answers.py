"""An answer about an old id never changes the cookie of a newer one (C15)."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from accounts.models import User
from sessions_demo.flow import FLOW
from sessions_demo.middleware import SessionMiddleware
from sessions_demo.models import DeviceSession
from sessions_demo.store import digest
from tests.access import version_of
from tests.conftest import Clock
from tests.running import Store
from tests.sampling import sampled
from tests.sessions_demo.conftest import (
    CSRF,
    DEVICES,
    DEVICES_PAGE,
    EVERYWHERE,
    EVERYWHERE_PAGE,
    LOGIN_PAGE,
    LOGOUT,
    LOGOUT_PAGE,
    NEW,
    PASSWORD,
    PASSWORD_PAGE,
    PROFILE,
    PROFILE_PAGE,
    REAUTHENTICATE,
    RIGHT,
    SESSION,
    WHOAMI,
    Visitor,
    after,
    assert_cleared,
    keys,
    logged_in,
)

committed = pytest.mark.django_db(transaction=True)
BY_PAGE = {"old_password": RIGHT, "new_password1": NEW, "new_password2": NEW}
Act = Callable[[Visitor], Any]


def ended(visitor: Visitor) -> None:
    """An administrator ends all sessions of the user. The browser still has its cookie."""
    FLOW.end_others(visitor.row.user, None, "ended by an administrator")


# Actions that give the browser a newer id.
RENEWALS: dict[str, Act] = {
    "reauthenticate": lambda visitor: visitor.call("POST", REAUTHENTICATE, {"password": RIGHT}),
    "password": lambda visitor: visitor.call("POST", PASSWORD, {"current": RIGHT, "new": NEW}),
    "password by page": lambda visitor: visitor.submit(PASSWORD_PAGE, BY_PAGE),
    "login again": lambda visitor: visitor.sign_in(),
    "login again by page": lambda visitor: visitor.sign_in_by_page(),
    "ended, and login": lambda visitor: (visitor.call("POST", LOGOUT), visitor.sign_in())[1],
    "ended by an administrator, and login": lambda visitor: (ended(visitor), visitor.sign_in())[1],
}
# Requests with the old id.
READS: dict[str, Act] = {
    "whoami": lambda visitor: visitor.get(WHOAMI),
    "profile": lambda visitor: visitor.get(PROFILE),
    "devices": lambda visitor: visitor.get(DEVICES),
    "profile by page": lambda visitor: visitor.get(PROFILE_PAGE),
    "devices by page": lambda visitor: visitor.get(DEVICES_PAGE),
    "login page": lambda visitor: visitor.get(LOGIN_PAGE),
    "password page": lambda visitor: visitor.get(PASSWORD_PAGE),
    "home": lambda visitor: visitor.get("/"),
    "admin": lambda visitor: visitor.get("/admin/"),
}
WRITES: dict[str, Act] = {
    "reauthenticate": lambda visitor: visitor.call("POST", REAUTHENTICATE, {"password": RIGHT}),
    "password": lambda visitor: visitor.call("POST", PASSWORD, {"current": RIGHT, "new": NEW}),
    "password by page": lambda visitor: visitor.submit(PASSWORD_PAGE, BY_PAGE),
    "everywhere": lambda visitor: visitor.call("POST", EVERYWHERE),
    "everywhere by page": lambda visitor: visitor.submit(EVERYWHERE_PAGE),
    "end the others": lambda visitor: visitor.call("DELETE", DEVICES),
    "end one by page": lambda visitor: visitor.submit(DEVICES_PAGE, {"others": "1"}),
    "admin logout": lambda visitor: visitor.submit("/admin/logout/"),
    "wrong login": lambda visitor: visitor.sign_in(password="wrong"),
}
LOGOUTS: dict[str, Act] = {
    "logout": lambda visitor: visitor.call("POST", LOGOUT),
    "logout by page": lambda visitor: visitor.submit(LOGOUT_PAGE),
}
EACH_RENEWAL = pytest.mark.parametrize("renew", RENEWALS.values(), ids=RENEWALS)


def same_browser(visitor: Visitor) -> Visitor:
    """Another tab of this browser, with its current cookies."""
    tab = Visitor()
    for name in (SESSION, CSRF):
        tab.cookies[name] = visitor.cookies[name].value
    return tab


def assert_untouched(answer: Any) -> None:
    assert answer.cookies.keys() & {SESSION, CSRF} == set(), answer.wsgi_request.path


@committed
@EACH_RENEWAL
def test_no_answer_about_an_id_that_was_replaced_touches_a_cookie(alice: User, clock: Clock, renew: Act) -> None:
    clock(0)
    visitor = logged_in()
    tab = same_browser(visitor)
    assert renew(visitor).status_code in (200, 302)
    clock(11)
    for name, ask in (READS | WRITES).items():
        answer = ask(same_browser(tab))
        assert answer.status_code in (200, 302, 401), name
        assert_untouched(answer)
    assert visitor.whoami() == visitor.get(PROFILE_PAGE).status_code == 200


@committed
@EACH_RENEWAL
@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("seconds", sampled([1, 60], [60]))
def test_an_answer_that_was_under_way_touches_no_cookie(
    alice: User, clock: Clock, monkeypatch: pytest.MonkeyPatch, renew: Act, read: Act, seconds: int
) -> None:
    """The session gets a new id after a request has read the old record. After a minute it also notes its use."""
    clock(0)
    visitor = logged_in()
    tab = same_browser(visitor)
    clock(seconds)
    answered: list[Any] = []
    after(monkeypatch, "sessions_demo.store.SessionStore.load", lambda: answered.append(renew(visitor)))
    answer = read(tab)
    monkeypatch.undo()
    assert answer.status_code in (200, 302, 401)
    assert_untouched(answer)
    assert [done.status_code for done in answered] in ([200], [302], [])
    assert visitor.whoami() == 200


@committed
@pytest.mark.parametrize("renew", [name for name in RENEWALS if name != "ended, and login"])
@pytest.mark.parametrize("log_out", LOGOUTS.values(), ids=LOGOUTS)
def test_a_logout_under_an_id_that_was_replaced_touches_no_cookie(
    alice: User, clock: Clock, renew: str, log_out: Act
) -> None:
    clock(0)
    visitor = logged_in()
    tab = same_browser(visitor)
    assert RENEWALS[renew](visitor).status_code in (200, 302)
    clock(11)
    answer = log_out(tab)
    assert answer.status_code == 200
    assert_untouched(answer)
    assert visitor.whoami() == 200


@committed
@pytest.mark.parametrize("renew", ["reauthenticate", "password", "password by page"])
@pytest.mark.parametrize("log_out", LOGOUTS.values(), ids=LOGOUTS)
def test_a_logout_that_was_under_way_ends_the_session_and_clears_the_cookie(
    alice: User, clock: Clock, store: Store, renew: str, log_out: Act
) -> None:
    clock(0)
    visitor = logged_in()
    tab = same_browser(visitor)
    RENEWALS[renew](visitor)
    clock(9)
    assert_cleared(log_out(tab))
    assert visitor.whoami() == 401
    assert keys(store) == set()


@pytest.mark.parametrize("log_out", LOGOUTS.values(), ids=LOGOUTS)
@pytest.mark.parametrize("dead", ["never was", "logged out", "ended by an administrator"])
def test_a_logout_with_another_dead_id_clears_it(alice: User, log_out: Act, dead: str) -> None:
    visitor = logged_in()
    tab = same_browser(visitor)
    if dead == "never was":
        tab.cookies[SESSION] = "a" * 32
    elif dead == "logged out":
        visitor.call("POST", LOGOUT)
    else:
        FLOW.end(alice, visitor.row.pk, "ended by administrator 1")
    assert_cleared(log_out(tab))


def test_a_revoked_session_keeps_its_cookie_and_opens_nothing(at_alice: Visitor, alice: User) -> None:
    FLOW.end_all(str(alice.pk), version_of(alice) + 1, "test")
    for ask in READS.values():
        assert_untouched(ask(at_alice))
    assert at_alice.whoami() == 401
    assert at_alice.sign_in().status_code == 200
    assert at_alice.whoami() == 200


def test_a_session_that_djangos_own_check_empties_keeps_its_cookie(alice: User, clock: Clock) -> None:
    """Django empties this session, and another request may give it a new id meanwhile."""
    visitor = logged_in()
    with connection.cursor() as cursor:  # SQL, so that no signal revokes access
        cursor.execute("UPDATE security_useraccess SET token_version = token_version + 1")
    answer = visitor.get(PROFILE_PAGE)
    assert answer.status_code == 302
    assert_untouched(answer)


def test_a_view_that_empties_a_session_leaves_the_cookie_alone(at_alice: Visitor) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        request.session.flush()
        return HttpResponse()

    request = RequestFactory().get("/")
    request.COOKIES[SESSION] = at_alice.session_id
    assert not SessionMiddleware(view)(request).cookies
    assert at_alice.whoami() == 401


# ── Two requests that both change the id ──────────────────────────────────────────────────────


@committed
def test_of_two_changes_at_once_the_second_is_refused_and_the_first_stays(
    alice: User, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the row named another id, the session could not be ended."""
    visitor = logged_in()
    tab, reauthenticate = same_browser(visitor), RENEWALS["reauthenticate"]
    after(monkeypatch, "sessions_demo.views.verify", lambda: reauthenticate(visitor))
    late = reauthenticate(tab)
    monkeypatch.undo()
    assert late.status_code == 401
    assert_untouched(late)
    assert visitor.whoami() == 200
    assert keys(store) == {visitor.key}
    assert DeviceSession.objects.live().get().digest == digest(visitor.session_id)


@committed
def test_a_password_change_that_is_overtaken_by_a_new_id_ends_that_one_too(
    alice: User, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = logged_in()
    tab = same_browser(visitor)
    after(monkeypatch, "sessions_demo.views.verify", lambda: RENEWALS["reauthenticate"](visitor))
    RENEWALS["password"](tab)
    monkeypatch.undo()
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert visitor.whoami() == tab.whoami() == 401
    assert keys(store) == set()
