"""The three checks: each accepts and refuses as documented, with the documented number of queries."""

from typing import Any

import pytest

from jwt_demo.revocation import CHECKS
from lab.claims.sandbox import Browser, open_sandbox
from security.revocation import revoke_access

# SQL statements and Redis commands of one request.
PRICES = {"expiry": (0, 0), "denylist": (0, 1), "version": (1, 0)}


def asked(browser: Browser, check: str) -> tuple[int, int, int]:
    answer = browser.get(f"/lab/whoami/{check}", headers={"Authorization": f"Bearer {browser.access}"})
    return answer.status, answer.exchange.count("sql"), answer.exchange.count("redis")


def test_each_check_costs_what_it_says_and_only_expiry_lets_a_revoked_token_in(
    db: None, django_capture_on_commit_callbacks: Any
) -> None:
    assert PRICES.keys() == CHECKS.keys()
    with open_sandbox() as sandbox:
        person = sandbox.person()
        browser = sandbox.logged_in("jwt", person)
        asked(browser, "denylist")  # the very first request completes the denylist
        assert {check: asked(browser, check) for check in CHECKS} == {c: (200, *p) for c, p in PRICES.items()}
        with django_capture_on_commit_callbacks(execute=True):
            revoke_access(person.user, "test")
        assert {check: asked(browser, check)[0] for check in CHECKS} == {"expiry": 200, "denylist": 401, "version": 401}


@pytest.mark.parametrize(("check", "status"), [("expiry", 401), ("Expiry", 404), ("none", 404)])
def test_a_request_without_a_token_is_refused_and_an_unknown_check_is_not_found(
    db: None, check: str, status: int
) -> None:
    with open_sandbox() as sandbox:
        answer = sandbox.browser().get(f"/lab/whoami/{check}", headers={"Accept": "text/html, */*"})
        assert (answer.status, "error" in answer.json) == (status, True)


def test_the_checks_are_no_part_of_the_api_that_is_described(db: None) -> None:
    with open_sandbox() as sandbox:
        schema = sandbox.browser().get("/schema/?format=json").response.text
        assert "/jwt/api/whoami" in schema
        assert "/lab/" not in schema
