from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client as Anyone
from pytest_django import Settings

from tests.conftest import Clock, read_only
from tests.jwt_demo.rings import in_file
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
        "keys": "ok",
        "housekeeping": "unavailable",
    }


def test_readyz_says_which_store_takes_no_writes(client: Anyone, store: Store, db: None) -> None:
    with read_only(store):
        answer = client.get("/readyz")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["checks"] == {"database": "ok"} | dict.fromkeys(STORES, "takes no writes")
    assert client.get("/readyz").status_code == 200


def test_readyz_says_what_is_due_of_the_keys_and_neither_where_they_are_nor_what(
    client: Anyone, db: None, settings: Settings, tmp_path: Path, clock: Clock
) -> None:
    path = in_file(settings, tmp_path / "keys.json")
    assert client.get("/readyz").json()["keys"] == "ok"
    clock(91 * 86_400)
    answers = [client.get("/readyz")]
    path.write_text("{")
    answers.append(client.get("/readyz"))
    settings.JWT_KEY_FILE = str(tmp_path / "none.json")
    answers.append(client.get("/readyz"))
    # The status stays 200: a 503 would take every process out of service at once.
    assert [(answer.status_code, answer.json()["ready"]) for answer in answers] == [(200, True)] * 3
    says = [answer.json()["keys"] for answer in answers]
    assert says[0].count("is 91 days old. Run manage.py rotate_keys") == 2
    assert says[1] == f"{says[0]} The file of the keys is not in use: It is incomplete, or not JSON."
    assert says[2] == "The file of the keys is not in use: No such file or directory."
    assert not [text for text in says if str(tmp_path) in text or "json" in text]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("host", ["10.0.0.7", "10.0.0.7:8000", "[fd00::7]", "pod-7.site.svc.cluster.local", "*", ""])
def test_a_supervisor_may_ask_one_machine_by_any_name(client: Anyone, db: None, path: str, host: str) -> None:
    assert client.get(path, headers={"Host": host}).status_code == 200
    assert client.get("/", headers={"Host": host or "10.0.0.7"}).status_code == 400


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_supervisor_only_asks(client: Anyone, db: None, path: str) -> None:
    assert client.post(path).status_code == 405
    assert client.head(path).status_code == 200
