"""The page that recommends a flow: each combination of answers has one recommendation, and a URL of its own."""

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.core.checks import ERROR, run_checks
from django.test import Client
from pytest_django import Settings

import lab.claims.proofs  # noqa: F401  (registers them)
from lab.claims.catalogue import BY_ID
from lab.claims.evidence import Status, prove
from lab.experiments.decision import (
    MEANING,
    QUESTIONS,
    RULES,
    Outcome,
    decide,
    describe_duration,
    setting,
    settings_to_paste,
)
from sessions_demo.conf import conf as session_conf

PAGE = "/lab/decide/"
CHOICE = ["C75", "C77", "C78", "C79", "C80", "C81", "C82", "C83", "C113", "C116"]
EVERY = [
    dict(zip((question.name for question in QUESTIONS), answers, strict=True))
    for answers in product(*(question.options for question in QUESTIONS))
]


def test_every_combination_of_answers_has_a_recommendation_and_every_rule_a_case() -> None:
    assert len(QUESTIONS) <= 7
    decided = [decide(answers) for answers in EVERY]
    assert {id(rule) for rule in decided} == {id(rule) for rule in RULES}
    assert {rule.outcome for rule in decided} == set(Outcome) == set(MEANING)
    for rule in RULES:
        assert rule.claim in {*CHOICE, "C76"}
        assert rule.why
        assert rule.objection


def test_no_recommendation_forgets_what_was_answered() -> None:
    """Checks that hold for each recommendation, whichever rule it comes from."""
    for answers in EVERY:
        outcome = decide(answers).outcome
        at_once = "high" in answers.values() or "now" in answers.values() or "often" in answers.values()
        if answers["clients"] in ("apps", "both", "partners"):
            assert outcome.has_tokens, answers
            assert not (at_once and outcome is Outcome.TOKENS), answers
        if answers["clients"] == "browser":
            assert outcome.has_session, answers
        if answers["stakes"] == "high" and answers["clients"] == "script":
            assert outcome is Outcome.BACKEND, answers


@pytest.mark.parametrize("clients", QUESTIONS[0].options)
def test_a_cookie_is_recommended_only_where_a_browser_is_among_the_clients(clients: str) -> None:
    has_browser = clients not in ("apps", "partners")
    for answers in (answers for answers in EVERY if answers["clients"] == clients):
        page = (
            Client().get(PAGE, answers).content.decode().partition('id="recommendation"')[2].partition("</section>")[0]
        )
        # The claim and the usual objection may speak of cookies.
        shown = re.sub(r"<div><dt>(The claim it follows|Who would disagree).*?</div>", "", page, flags=re.DOTALL)
        assert ("cookie" in shown.lower()) is has_browser, answers
        assert ("Keychain" in shown) is (clients in ("apps", "both")), answers


@pytest.mark.parametrize("outcome", Outcome)
def test_the_settings_to_paste_are_the_ones_that_run_here(
    outcome: Outcome, settings: Settings, simple_jwt: Callable[..., None]
) -> None:
    settings.SESSION_IDLE_LIFETIME = 62
    simple_jwt(ACCESS_TOKEN_LIFETIME=timedelta(seconds=61))
    pasted_values: dict[str, object] = {}
    exec(settings_to_paste(outcome), {}, pasted_values)  # noqa: S102  (as somebody's settings module would)
    check = str(pasted_values.pop("JWT_REVOCATION", ""))
    assert check == {
        Outcome.SESSION: "",
        Outcome.BACKEND: "",
        Outcome.TOKENS: "expiry",
        Outcome.VERSION: "version",
    }.get(outcome, "denylist")
    pasted_values.pop("timedelta", None)
    lifetimes = {"ACCESS_TOKEN_LIFETIME": timedelta(seconds=61), "REFRESH_TOKEN_LIFETIME": timedelta(days=7)}
    assert pasted_values.pop("SIMPLE_JWT", None) == (lifetimes if outcome.has_tokens else None)
    assert pasted_values.get("SESSION_IDLE_LIFETIME") == (62 if outcome.has_session else None)
    for name, value in pasted_values.items():
        assert value == setting(name), name
        assert "KEY" not in name


@pytest.mark.parametrize("outcome", Outcome)
def test_a_project_starts_with_the_settings_to_paste(
    outcome: Outcome, settings: Settings, simple_jwt: Callable[..., None]
) -> None:
    pasted_values: dict[str, Any] = {}
    exec(settings_to_paste(outcome), {}, pasted_values)  # noqa: S102
    simple_jwt(**pasted_values.pop("SIMPLE_JWT", {}))
    for name, value in pasted_values.items():
        setattr(settings, name, value)
    settings.ALLOWED_HOSTS = ["localhost"]  # Django's test environment adds one that no demo may have
    assert [error for error in run_checks() if error.is_serious(ERROR)] == []


def test_the_answers_stand_in_the_address() -> None:
    page = Client().get(f"{PAGE}?clients=browser&stakes=high").content.decode()
    assert '<h2 id="outcome">Sessions</h2>' in page
    assert 'href="/claims/C82/"' in page
    assert 'value="high" checked' in page
    assert f"SESSION_IDLE_LIFETIME = {session_conf.SESSION_IDLE_LIFETIME}  # 2 hours" in page
    assert "recommendation" not in Client().get(PAGE).content.decode().replace(f"{PAGE}#recommendation", "")


@pytest.mark.parametrize("query", ["clients=nobody", "stakes=high&tenants=%00", "clients=browser&services=<b>"])
def test_an_answer_that_there_is_not_is_refused_in_a_sentence(query: str) -> None:
    answer = Client().get(f"{PAGE}?{query}")
    assert (answer.status_code, "There is no such answer" in answer.content.decode()) == (400, True)


def test_what_ends_in_a_day_less_a_moment_ends_in_a_day() -> None:
    assert [describe_duration(n) for n in (86399.5, 86400, 7200, 900, 10, 0)] == [
        "1 day", "1 day", "2 hours", "15 minutes", "10 seconds", "0 seconds"
    ]  # fmt: skip


def test_a_rule_that_says_otherwise_contradicts_its_claim(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.experiments.decision.RULES", RULES[-1:])
    for claim in ("C78", "C83", "C113", "C116"):
        assert prove(BY_ID[claim]).status is Status.CONTRADICTED, claim
