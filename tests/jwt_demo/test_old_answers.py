"""An answer to an old refresh token never changes the cookie with a newer one (C15)."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import DateTimeField, Value

from accounts.models import User
from jwt_demo.flow import FLOW
from tests.conftest import NOON, Clock
from tests.jwt_demo.conftest import (
    COOKIE,
    DEVICES,
    EVERYWHERE,
    LOGOUT,
    NEW,
    PASSWORD,
    PROFILE,
    REAUTHENTICATE,
    REFRESH,
    RIGHT,
    SECOND,
    WHOAMI,
    Holder,
    logged_in,
)

pytestmark = pytest.mark.django_db(transaction=True)
Act = Callable[[Holder], Any]


def ended(holder: Holder) -> None:
    """An administrator ends all logins of the user. The browser does not know this yet."""
    FLOW.end_others(User.objects.get(email="alice@example.com"), None, "ended by an administrator")


# What gives the browser a newer token.
RENEWALS: dict[str, Act] = {
    "refresh": lambda holder: holder.rotate(),
    "reauthenticate": lambda holder: holder.call("POST", REAUTHENTICATE, {"password": RIGHT}),
    "password": lambda holder: holder.call("POST", PASSWORD, {"current": RIGHT, "new": NEW}),
    "login again": lambda holder: holder.sign_in(),
    "ended, and login": lambda holder: (holder.call("POST", LOGOUT), holder.sign_in())[1],
    "ended by an administrator, and login": lambda holder: (ended(holder), holder.sign_in())[1],
}
REKEYS = [name for name in RENEWALS if name in ("reauthenticate", "password")]
# Requests whose answers may arrive later than that.
READS: dict[str, Act] = {
    "whoami": lambda holder: holder.call("GET", WHOAMI),
    "profile": lambda holder: holder.call("GET", PROFILE),
    "devices": lambda holder: holder.call("GET", DEVICES),
    "wrong login": lambda holder: holder.sign_in(password="wrong"),
    "wrong password": lambda holder: holder.call("POST", REAUTHENTICATE, {"password": "wrong"}),
}


def same_browser(holder: Holder) -> Holder:
    """Another tab of the browser, with its present cookie and access token."""
    tab = Holder()
    tab.cookies[COOKIE], tab.access = holder.refresh, holder.access
    return tab


def assert_cleared(answer: Any) -> None:
    assert (answer.cookies[COOKIE].value, answer.cookies[COOKIE]["max-age"]) == ("", 0)


@pytest.mark.parametrize("renew", RENEWALS)
@pytest.mark.parametrize("read", READS)
def test_no_answer_about_an_old_token_touches_the_cookie(alice: User, renew: str, read: str) -> None:
    holder = logged_in()
    tab = same_browser(holder)
    assert RENEWALS[renew](holder).status_code == 200
    answer = READS[read](tab)
    assert answer.status_code in (200, 401)
    assert COOKIE not in answer.cookies
    assert (holder.whoami(), holder.rotate().status_code) == (200, 200)


@pytest.mark.parametrize("renew", [name for name in RENEWALS if name != "refresh"])
def test_a_refresh_that_is_refused_touches_no_cookie(alice: User, renew: str) -> None:
    holder = logged_in()
    tab = same_browser(holder)
    assert RENEWALS[renew](holder).status_code == 200
    answer = tab.call("POST", REFRESH)
    assert (answer.status_code, COOKIE in answer.cookies) == (401, False)
    assert holder.rotate().status_code == 200


@pytest.mark.parametrize("renew", [name for name in RENEWALS if name != "refresh"])
def test_a_logout_with_a_token_that_was_replaced_touches_no_cookie(alice: User, clock: Clock, renew: str) -> None:
    clock(0)
    holder = logged_in()
    tab = same_browser(holder)
    assert RENEWALS[renew](holder).status_code == 200
    clock(10)
    answer = tab.call("POST", LOGOUT, access="")
    assert (answer.status_code, COOKIE in answer.cookies) == (200, False)
    assert (holder.whoami(), holder.rotate().status_code) == (200, 200)


@pytest.mark.parametrize("renew", REKEYS)
def test_a_logout_that_was_under_way_ends_the_family_and_clears_the_cookie(
    alice: User, clock: Clock, renew: str
) -> None:
    clock(0)
    holder = logged_in()
    tab = same_browser(holder)
    assert RENEWALS[renew](holder).status_code == 200
    clock(9)
    assert_cleared(tab.call("POST", LOGOUT, access=""))
    assert (holder.whoami(), holder.rotate().status_code) == (401, 401)


@pytest.mark.parametrize("apart", [-20, 20])
def test_a_logout_that_was_under_way_counts_by_the_databases_clock(
    alice: User, clock: Clock, monkeypatch: pytest.MonkeyPatch, apart: int
) -> None:
    clock(0)
    holder = logged_in()
    tab = same_browser(holder)
    assert RENEWALS["reauthenticate"](holder).status_code == 200
    monkeypatch.setattr("jwt_demo.lifecycle.database_now", lambda: Value(NOON, output_field=DateTimeField()))
    clock(apart)
    assert_cleared(tab.call("POST", LOGOUT, access=""))
    clock(0)
    assert holder.rotate().status_code == 401


@pytest.mark.parametrize("renew", REKEYS)
def test_a_rotation_since_gives_an_old_token_no_more_time(alice: User, clock: Clock, renew: str) -> None:
    """Each rotation changes `issued`, but the ten seconds count from `cycle_key`."""
    clock(0)
    holder = logged_in()
    tab = same_browser(holder)
    assert RENEWALS[renew](holder).status_code == 200
    clock(600)
    assert holder.rotate().status_code == 200
    clock(601)
    assert COOKIE not in tab.call("POST", LOGOUT, access="").cookies
    assert (holder.whoami(), holder.rotate().status_code) == (200, 200)


def test_a_generation_before_the_last_one_is_not_under_way(alice: User, clock: Clock) -> None:
    clock(0)
    holder = logged_in()
    tab = same_browser(holder)
    for renew in REKEYS:
        assert RENEWALS[renew](holder).status_code == 200
    assert COOKIE not in tab.call("POST", LOGOUT, access="").cookies
    assert holder.rotate().status_code == 200


@pytest.mark.parametrize("dead", ["never was", "logged out", "ended elsewhere", "rotated"])
def test_a_logout_with_another_dead_token_clears_it(alice: User, dead: str) -> None:
    holder = logged_in()
    tab = same_browser(holder)
    if dead == "never was":
        tab.cookies[COOKIE] = "a.b.c"
    elif dead == "logged out":
        holder.call("POST", LOGOUT)
    elif dead == "ended elsewhere":
        logged_in(agent=SECOND).call("DELETE", f"{DEVICES}/{holder.claims['sid']}")
    else:
        holder.rotate()
    assert_cleared(tab.call("POST", LOGOUT, access=""))
    assert holder.rotate().status_code == (200 if dead == "never was" else 401)


def test_a_logout_of_a_native_client_leaves_the_browsers_cookie_alone(alice: User) -> None:
    holder, native = logged_in(), Holder()
    refresh = native.sign_in(transport="body").json()["refreshToken"]
    answer = same_browser(holder).call("POST", LOGOUT, {"refreshToken": refresh}, access="")
    assert (answer.status_code, COOKIE in answer.cookies) == (200, False)
    assert (native.whoami(), holder.whoami(), holder.rotate().status_code) == (401, 200, 200)


@pytest.mark.parametrize("act", ["this device", "everywhere"])
def test_who_ends_one_login_leaves_the_cookie_of_another_alone(alice: User, bob: User, act: str) -> None:
    """Alice's tab still has an access token. Bob has logged in in another tab of the browser."""
    alices, bobs = logged_in(), logged_in(bob.email)
    alices.cookies[COOKIE] = bobs.refresh
    own = alices.claims["sid"]
    answer = alices.call("DELETE", f"{DEVICES}/{own}") if act == "this device" else alices.call("POST", EVERYWHERE)
    assert (answer.status_code, COOKIE in answer.cookies) == (200, False)
    assert alices.whoami() == 401
    assert bobs.rotate().status_code == 200


@pytest.mark.parametrize("act", ["this device", "everywhere"])
def test_who_ends_the_login_of_the_cookie_clears_it(alice: User, act: str) -> None:
    holder = logged_in()
    own = holder.claims["sid"]
    assert_cleared(
        holder.call("DELETE", f"{DEVICES}/{own}") if act == "this device" else holder.call("POST", EVERYWHERE)
    )
