"""A round shows which credentials a revocation ends. The page leaves no user behind."""

from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction

from accounts.models import User
from lab.claims.sandbox import delete_people, open_sandbox
from lab.experiments import revocation
from lab.experiments.revocation import ACTS
from lab.pages import revocation as revocation_page
from tests.conftest import Browser

committed = pytest.mark.django_db(transaction=True)
PAGE = "/lab/revocation/"
JSON = {"headers": {"Accept": "application/json"}}


@committed
@pytest.mark.parametrize("act", ACTS)
def test_at_the_first_request_after_it_all_but_plain_expiry_are_dead(act: str) -> None:
    with open_sandbox() as sandbox:
        observations = revocation.run_round(sandbox, act, life=60, max_seconds=0.01)
        assert all(observation.works for observation in observations)
        dead = {observation.strategy.key for observation in observations if observation.at_once}
        assert dead == {"session", "denylist", "version"}
        assert {observation.strategy.key for observation in observations if observation.last_ok is not None} == {
            "expiry",
            "short",
        }
        assert {observation.strategy.key: (observation.sql, observation.redis) for observation in observations} == {
            "session": (0, 1),
            "expiry": (0, 0),
            "denylist": (0, 1),
            "version": (1, 0),
            "short": (0, 0),
        }


@committed
def test_a_round_is_driven_by_the_browser_and_leaves_no_user_behind(browser: Browser) -> None:
    def done(**fields: Any) -> Any:
        response = browser.submit(PAGE, fields, **JSON)
        assert response.status_code == 200, response.content
        return response.json()

    def asked(path: str, token: str) -> int:
        return int(browser.get(path, headers={"Authorization": f"Bearer {token}"}).status_code)

    given = done(do="begin")
    lanes = {lane["key"]: lane for lane in given["lanes"]}
    assert browser.session_id == ""  # the visitor's own cookie is left alone
    assert done(do="ask", round=given["round"], session=given["session"])["body"]["role"] == "admin"
    assert asked(lanes["denylist"]["path"], lanes["denylist"]["access"]) == 200
    done(do="revoke", round=given["round"], act="demote")
    assert done(do="ask", round=given["round"], session=given["session"])["status"] == 401
    assert asked(lanes["denylist"]["path"], lanes["denylist"]["access"]) == 401
    assert asked(lanes["expiry"]["path"], lanes["expiry"]["access"]) == 200
    refresh = {"refreshToken": lanes["expiry"]["refresh"]}
    assert browser.post("/jwt/auth/refresh", refresh, content_type="application/json").status_code == 401
    done(do="end", round=given["round"])
    assert not User.objects.exists()


@committed
def test_without_a_script_the_server_plays_the_round(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation_page, "LIFE_WITHOUT_SCRIPT", 1)
    page = browser.submit(PAGE, {"act": "ban"}).content.decode()
    assert page.count("dead at once") >= 3
    assert 'id="lane-version"' in page
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"act": "delete"},
        {"do": "nothing"},
        {"do": "revoke", "act": "ban", "round": "forged"},
        {"do": "end", "round": ""},
        {"do": "login", "round": "\ud7ff:x:y"},
    ],
)
def test_what_makes_no_sense_is_answered_with_a_sentence(db: None, browser: Browser, fields: dict[str, str]) -> None:
    response = browser.submit(PAGE, fields, **JSON)
    assert (response.status_code, list(response.json())) == (400, ["error"])


def test_a_round_reaches_only_a_throwaway_user(alice: User, browser: Browser) -> None:
    from django.core import signing

    name = signing.dumps(alice.pk, salt=revocation_page.SALT)
    assert browser.submit(PAGE, {"do": "revoke", "act": "ban", "round": name}, **JSON).status_code == 400
    assert User.objects.get().is_active


@committed
def test_a_round_hands_out_no_session_that_opens_the_admin(browser: Browser) -> None:
    given = browser.submit(PAGE, {"do": "begin"}, **JSON).json()
    browser.cookies[settings.SESSION_COOKIE_NAME] = given["session"]
    assert browser.get("/admin/").status_code == 302
    with open_sandbox() as sandbox:
        another = sandbox.logged_in("session").cookie(settings.SESSION_COOKIE_NAME)
        assert another not in given["session"]
        fields = {"do": "ask", "round": given["round"], "session": another}
        assert browser.submit(PAGE, fields, **JSON).status_code == 400
    browser.submit(PAGE, {"do": "end", "round": given["round"]}, **JSON)


@committed
@pytest.mark.parametrize("act", ACTS)
def test_a_revocation_after_the_end_of_a_round_creates_no_user(
    browser: Browser, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = browser.submit(PAGE, {"do": "begin"}, **JSON).json()
    person = revocation_page._person_of_round(given["round"])
    browser.submit(PAGE, {"do": "end", "round": given["round"]}, **JSON)
    monkeypatch.setattr(revocation_page, "_person_of_round", lambda name: person)
    response = browser.submit(PAGE, {"do": "revoke", "act": act, "round": given["round"]}, **JSON)
    assert (response.status_code, response.json()) == (400, {"error": revocation_page.OVER})
    assert not User.objects.exists()


@committed
@pytest.mark.parametrize("act", ACTS)
def test_a_user_cannot_be_deleted_during_a_revocation(act: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done, seen = ACTS[act].do, []

    def do(user: User) -> None:
        seen.append(transaction.get_connection().in_atomic_block)
        done(user)

    with open_sandbox() as sandbox:
        person = sandbox.person(role="admin")
        monkeypatch.setitem(ACTS, act, replace(ACTS[act], do=do))
        revocation.revoke(person.user.pk, act)
    assert seen == [True]


@committed
def test_two_requests_that_end_a_round_at_once_both_succeed() -> None:
    alone = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if 'FROM "accounts_user"' in sql and not connection.in_atomic_block:
            alone.append(sql)
        return execute(sql, params, many, context)

    with open_sandbox() as sandbox:
        person = sandbox.person()
        with connection.execute_wrapper(watch):
            delete_people([person.user.pk], [person.email])
    assert (alone, User.objects.count()) == ([], 0)
