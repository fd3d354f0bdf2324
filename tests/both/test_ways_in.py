"""Rules for every way to prove a password."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection

from accounts.models import User
from security import throttle
from security.hashers import Argon2id
from security.users import stored_users
from tests.conftest import PASSWORDS
from tests.jwt_demo import conftest as jwt
from tests.running import Store
from tests.sessions_demo import conftest as session

RIGHT = {"password": session.RIGHT}
CHANGE = {"current": session.RIGHT, "new": "a new and longer one"}
FORM = {"old_password": session.RIGHT, "new_password1": CHANGE["new"], "new_password2": CHANGE["new"]}
WAYS: dict[str, Callable[[], Any]] = {
    "session login": lambda: session.Visitor().sign_in(),
    "session page": lambda: session.Visitor().sign_in_by_page(),
    "admin": lambda: session.Visitor().log_in("alice@example.com"),
    "session reauthenticate": lambda: session.logged_in().call("POST", session.REAUTHENTICATE, RIGHT),
    "session password": lambda: session.logged_in().call("POST", session.PASSWORD, CHANGE),
    "password page": lambda: session.logged_in().submit("/accounts/password/", FORM),
    "jwt login": lambda: jwt.Holder().sign_in(),
    "jwt reauthenticate": lambda: jwt.logged_in().call("POST", jwt.REAUTHENTICATE, RIGHT),
    "jwt password": lambda: jwt.logged_in().call("POST", jwt.PASSWORD, CHANGE),
}


@pytest.mark.usefixtures("file_database")
@pytest.mark.parametrize("way", WAYS)
def test_no_password_is_proved_while_a_transaction_is_open(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt may wait for others, and a hash takes long. A lock held meanwhile would delay other requests."""
    monkeypatch.setattr(Argon2id, "memory_cost", 8)
    monkeypatch.setattr(Argon2id, "time_cost", 1)
    User.objects.create_superuser("alice@example.com", PASSWORDS["alice@example.com"])
    begin, inside = throttle.begin, []

    def watched(limits: list[throttle.Limit]) -> throttle.Attempt:
        inside.append(connection.in_atomic_block)
        return begin(limits)

    monkeypatch.setattr(throttle, "begin", watched)
    assert WAYS[way]().status_code in (200, 302)
    assert inside
    assert not any(inside)


@pytest.mark.django_db(transaction=True)
def test_a_refresh_that_notices_a_password_changed_past_the_signals_spares_no_session(
    alice: User, store: Store
) -> None:
    """A browser may send a session cookie too, but only the request that sets the password keeps its session."""
    visitor, holder = session.logged_in(), jwt.logged_in()
    holder.cookies[session.SESSION] = visitor.session_id
    stored_users().filter(pk=alice.pk).update(password=make_password(CHANGE["new"]))
    answer = holder.rotate()
    assert (answer.status_code, session.SESSION in answer.cookies) == (401, False)
    assert (visitor.whoami(), session.keys(store)) == (401, set())
