"""What reads a row to change it has the lock for that."""

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from security.transactions import write_transaction


def begun() -> list[str]:
    """How a transaction is begun that has another within it."""
    with CaptureQueriesContext(connection) as captured, write_transaction(), write_transaction():
        pass
    return [query["sql"] for query in captured if query["sql"].startswith("BEGIN")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("own", [None, "EXCLUSIVE"])
def test_a_project_that_sets_no_mode_gets_the_lock_at_once(monkeypatch: pytest.MonkeyPatch, own: str | None) -> None:
    connection.ensure_connection()
    monkeypatch.setattr(connections["default"], "transaction_mode", own)
    assert begun() == [f"BEGIN {own or 'IMMEDIATE'}"]
    assert connection.transaction_mode == own


@pytest.mark.django_db(transaction=True)
def test_a_transaction_of_the_project_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.ensure_connection()
    monkeypatch.setattr(connections["default"], "transaction_mode", None)
    with transaction.atomic():
        assert begun() == []
