from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client as Anyone

from tests.conftest import read_only
from tests.running import Store

STORES = ("sessions", "throttle", "denylist")


def test_healthz_asks_no_store(client: Anyone, store: Store, measured: Callable[..., Any], db: None) -> None:
    store.kill()
    with measured() as cost:
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json(), cost.counts) == (200, {"status": "ok"}, (0, 0, 0))
    assert "no-store" in answer["Cache-Control"]


def test_readyz_says_what_answers(client: Anyone, db: None) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["ready"] is True
    assert answer.json()["checks"] == {"database": "ok", "sessions": "ok", "throttle": "ok", "denylist": "ok"}
    assert "mail" in answer.json()["housekeeping"]


def test_readyz_is_a_503_without_the_store_and_well_again_with_it(client: Anyone, store: Store, db: None) -> None:
    store.kill()
    answer = client.get("/readyz")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["checks"] == {"database": "ok"} | dict.fromkeys(STORES, "unavailable")
    store.start()
    assert client.get("/readyz").status_code == 200


def test_readyz_is_a_503_without_the_database_and_tells_nothing_of_why(client: Anyone, db: None) -> None:
    def gone(*_: Any) -> None:
        raise OperationalError("could not connect to db.internal as user site")

    with connection.execute_wrapper(gone):
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "checks": {"database": "unavailable"} | dict.fromkeys(STORES, "ok"),
        "pending": "unavailable",
        "denylist": "ok",
        "housekeeping": "unavailable",
    }


def test_readyz_says_which_store_takes_no_writes(client: Anyone, store: Store, db: None) -> None:
    with read_only(store):
        answer = client.get("/readyz")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["checks"] == {"database": "ok"} | dict.fromkeys(STORES, "takes no writes")
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("host", ["10.0.0.7", "10.0.0.7:8000", "[fd00::7]", "pod-7.site.svc.cluster.local", "*", ""])
def test_a_supervisor_may_ask_one_machine_by_any_name(client: Anyone, db: None, path: str, host: str) -> None:
    assert client.get(path, headers={"Host": host}).status_code == 200
    assert client.get("/", headers={"Host": host or "10.0.0.7"}).status_code == 400


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_supervisor_only_asks(client: Anyone, db: None, path: str) -> None:
    assert client.post(path).status_code == 405
    assert client.head(path).status_code == 200
