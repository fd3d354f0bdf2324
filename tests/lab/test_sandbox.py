"""The sandbox in which proofs run: its clients' address, and that it leaves no data behind."""

import pytest
from pytest_django import Settings

from lab.claims.sandbox import open_sandbox
from security import throttle
from security.client import Client
from security.models import SecurityEvent
from tests.running import Store


@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_a_client_in_a_sandbox_has_its_address_behind_proxies_too(db: None, settings: Settings, proxies: int) -> None:
    settings.TRUSTED_PROXIES = proxies
    with open_sandbox() as sandbox:
        browser = sandbox.browser()
        guess = {"email": "nobody@example.com", "password": "a guess"}
        assert browser.post("/jwt/auth/login", guess).status == 401
        assert SecurityEvent.objects.get().address == browser.address


def test_a_sandbox_removes_the_attempts_of_its_people_and_no_others(db: None, store: Store) -> None:
    others = throttle.login_limits("alice@example.com", Client("192.0.2.1"), False)
    throttle.attempt(others)
    with open_sandbox() as sandbox:
        person, place = sandbox.person(), Client(sandbox.browser().address)
        for settled in (False, True):
            attempt = throttle.begin(throttle.login_limits(person.email, place, False))
            if settled:
                attempt.settle(failed=True)
        assert len(store.client(1).keys("throttle:*")) == 9
    assert sorted(store.client(1).keys("throttle:*")) == sorted(limit.key.encode() for limit in others)
