"""The session middleware: the headers and the cookie of each answer."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from redis.exceptions import ConnectionError

from accounts.models import User
from sessions_demo.middleware import SessionMiddleware
from sessions_demo.store import SessionStore
from tests.conftest import Clock
from tests.running import Store
from tests.sessions_demo.conftest import SESSION, WHOAMI, Visitor, keys, record

pytestmark = pytest.mark.usefixtures("db")


def answer(view: Callable[[HttpRequest], Any], cookie: str = "", status: int = 200) -> HttpResponse:
    """The answer that is sent if a view does this with its request."""

    def respond(request: HttpRequest) -> HttpResponse:
        view(request)
        return HttpResponse(status=status)

    request = RequestFactory().get("/")
    if cookie:
        request.COOKIES[SESSION] = cookie
    response = SessionMiddleware(respond)(request)
    assert isinstance(response, HttpResponse)
    return response


def test_what_no_session_had_a_part_in_is_left_alone(store: Store) -> None:
    for cookie in ("", "a" * 32):
        response = answer(lambda request: None, cookie)
        assert not response.cookies
        assert not response.has_header("Cache-Control")
        assert not response.has_header("Vary")
    assert keys(store) == set()


def test_to_look_at_a_session_that_is_not_there_makes_none(store: Store) -> None:
    response = answer(lambda request: request.session.get("a"))
    assert not response.cookies
    assert response["Vary"] == "Cookie"
    assert keys(store) == set()


def test_a_cookie_that_leads_nowhere_is_left_alone_and_the_answer_is_not_kept() -> None:
    response = answer(lambda request: request.session.get("a"), "a" * 32)
    assert not response.cookies
    assert (response["Cache-Control"], response["Vary"]) == ("no-store", "Cookie")


def test_a_session_that_is_saved_under_its_id_sets_no_cookie(at_alice: Visitor, store: Store) -> None:
    response = answer(lambda request: request.session.update({"more": 1}), at_alice.session_id)
    assert not response.cookies
    assert record(store, at_alice)["more"] == 1


def test_a_session_that_a_view_begins_is_given_to_the_browser() -> None:
    for cookie in ("", "a" * 32):
        response = answer(lambda request: request.session.update({"more": 1}), cookie)
        assert response.cookies[SESSION].value not in ("", cookie)


def test_who_used_a_session_is_kept_out_of_caches(at_alice: Visitor) -> None:
    response = answer(lambda request: request.session["_auth_role"], at_alice.session_id)
    assert (response["Cache-Control"], response["Vary"]) == ("no-store", "Cookie")
    assert not response.cookies


def test_an_answer_that_failed_writes_nothing(at_alice: Visitor, store: Store, clock: Clock) -> None:
    before = record(store, at_alice)
    clock(200 * 24 * 3600)  # any other time is as good
    clock(0)

    def change(request: HttpRequest) -> None:
        request.session["more"] = True

    response = answer(change, at_alice.session_id, status=500)
    assert not response.cookies
    assert record(store, at_alice) == before


@pytest.mark.parametrize("status", [500, 503])
def test_a_failure_is_no_reason_to_note_that_she_was_seen(alice: User, clock: Clock, store: Store, status: int) -> None:
    visitor = Visitor()
    visitor.sign_in()
    before = record(store, visitor)
    clock(600)
    answer(lambda request: request.session["_auth_role"], visitor.session_id, status=status)
    assert record(store, visitor) == before
    assert visitor.row.last_seen == visitor.row.started


def test_a_session_ended_meanwhile_is_not_made_again_and_its_cookie_left_alone(
    at_alice: Visitor, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(request: HttpRequest) -> None:
        request.session["more"] = True
        SessionStore(at_alice.session_id).delete()

    assert not answer(change, at_alice.session_id).cookies
    assert keys(store) == set()


def test_a_store_that_dies_before_the_answer_is_an_error_and_no_cookie(
    at_alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: SessionStore, must_create: bool = False) -> None:
        raise ConnectionError

    monkeypatch.setattr(SessionStore, "save", fail)
    refused = answer(lambda request: request.session.update({"a": 1}), at_alice.session_id)
    assert (refused.status_code, refused["Retry-After"], len(refused.cookies)) == (503, "5", 0)
    monkeypatch.undo()
    assert at_alice.whoami() == 200
    assert at_alice.row.ended is None


def test_a_session_that_no_view_could_read_is_a_503_and_not_an_error(
    at_alice: Visitor, settings: Any, store: Store
) -> None:
    """The view catches the error of the store, or reads no session; the middleware must not read it again."""

    def swallow(request: HttpRequest) -> None:
        with suppress(ConnectionError):
            request.session["a"] = 1

    store.kill()
    settings.SESSION_SAVE_EVERY_REQUEST = True
    for view in (swallow, lambda request: None):
        refused = answer(view, at_alice.session_id)
        assert (refused.status_code, len(refused.cookies)) == (503, 0)
    store.start()
    assert at_alice.whoami() == 200


def test_only_an_ended_session_is_taken_for_one(at_alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: SessionStore, must_create: bool = False) -> None:
        raise UpdateError

    monkeypatch.setattr(SessionStore, "save", gone)
    assert not answer(lambda request: request.session.update({"a": 1}), at_alice.session_id).cookies
    monkeypatch.undo()
    assert at_alice.get(WHOAMI).status_code == 401


def test_what_a_view_keeps_in_a_session_changes_nothing_about_its_user(at_alice: Visitor) -> None:
    own = {"role": "admin", "device": "mobile", "ver": 9, "seen": 0, "remember": True, "absolute_end": 0, "idle_end": 0}
    answer(lambda request: request.session.update(own), at_alice.session_id)
    assert at_alice.get(WHOAMI).json() == {"userId": str(at_alice.row.user_id), "role": "member"}
