"""A service that is down is a 502 or 503 and logs no user out; without `auth` no request is let in."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.running import DESIGNS, Services, Site, until
from tests.services.client import Client, ask

ALICE = "alice@example.com"
ASKED = ("session", "token")


@pytest.fixture
def own(services: Services) -> Iterator[Services]:
    """A site and services for this test only, which may break them."""
    with Site() as site, Services(site, GATEWAY=services.environment["GATEWAY"]) as own:
        yield own


@contextmanager
def stopped(services: Services, name: str) -> Iterator[None]:
    pid = services.pid(name)
    os.kill(pid, signal.SIGKILL)
    until(lambda: f"{name} ended" in services.log.read_text())
    # The process's children notice within a second, and end.
    until(lambda: not services.processes(name))
    yield


def test_a_service_that_is_down_logs_nobody_out(own: Services) -> None:
    client = Client(own, ALICE)
    client.log_in()
    with stopped(own, "orders"):
        for design in DESIGNS:
            answer = client.get(design)
            # The same answer as in an outage of the site: JSON, with `Retry-After`, and nothing that ends a login.
            assert (answer.status, answer.headers.get("retry-after")) == (503, "5"), answer
            assert answer.json["error"]
            assert "set-cookie" not in answer.headers
            assert "clear-site-data" not in answer.headers
            assert client.get(design, "billing/").status == 200
    assert (client.member.whoami(), client.holder.whoami()) == (200, 200)


@pytest.mark.exhaustive
def test_what_hangs_is_down(own: Services) -> None:
    for name, path in (("orders", "/each/orders/"), ("auth", "/session/billing/prices")):
        serving = [pid for pid in own.processes(name) if pid != own.pid(name)]
        for pid in serving:
            os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        assert ask(own, "gateway", path, patience=40).status == 503
        assert time.monotonic() - started < 30
        for pid in serving:
            os.kill(pid, signal.SIGCONT)


def test_without_auth_nobody_comes_in(own: Services) -> None:
    client = Client(own, ALICE)
    client.log_in()
    assert client.get("each").status == 200
    with stopped(own, "auth"):
        for design in ASKED:
            for path in ("orders/", "billing/", "billing/prices"):
                assert client.get(design, path).status in (502, 503)
                assert ask(own, "gateway", f"/{design}/{path}", b"X-User-ID: 1", b"X-User-Role: admin").status in (
                    502,
                    503,
                )
        # A service that verifies with the published keys does not need `auth` while it keeps the keys.
        assert client.get("each").status == 200
        # `billing` has never fetched the keys. It cannot tell whether the token is valid, so it answers 503, not 401.
        unknown = client.get("each", "billing/")
        assert (unknown.status, unknown.headers["retry-after"]) == (503, "5")
    assert (client.member.whoami(), client.holder.whoami()) == (200, 200)
