"""A transaction that reads a row to change it holds the write lock from its beginning."""

import os
from threading import Thread

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from security.transactions import Queue, _queue, _turn, write_transaction
from tests.running import until


def begun() -> list[str]:
    """The statements that begin a write transaction with another one inside it."""
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


def test_threads_take_turns_in_the_order_of_their_asking() -> None:
    queue, order = Queue(), list[int]()

    def work(number: int) -> None:
        assert queue.acquire(20)
        order.append(number)
        queue.release()

    assert queue.acquire(0)
    threads = [Thread(target=work, args=(number,)) for number in range(5)]
    for number, thread in enumerate(threads, 1):
        thread.start()
        until(lambda: len(queue._waiting) == number)  # noqa: B023
    queue.release()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]
    assert queue.acquire(0)


def test_who_waits_in_vain_leaves_the_line() -> None:
    queue = Queue()
    assert queue.acquire(0)
    assert not queue.acquire(0.01)
    queue.release()
    assert queue.acquire(0)


@pytest.mark.django_db(transaction=True)
def test_a_write_transaction_waits_for_its_turn_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"timeout": 0.01})
    with _turn(connection), pytest.raises(OperationalError, match="locked"), write_transaction():
        raise AssertionError
    with write_transaction():
        pass


@pytest.mark.django_db(transaction=True)
def test_a_turn_ends_with_whatever_ends_the_transaction() -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), write_transaction(), write_transaction():
            raise ZeroDivisionError
    with pytest.raises(RuntimeError), transaction.atomic(), write_transaction(durable=True):
        raise AssertionError
    with _turn(connection):
        pass


def test_a_child_of_a_process_does_not_wait_for_its_parent() -> None:
    with _turn(connection):
        child = os.fork()
        if child == 0:
            os._exit(0 if _queue(str(connection.settings_dict["NAME"])).acquire(0) else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.django_db(transaction=True)
def test_what_follows_a_commit_may_write_as_well() -> None:
    done = []

    def write() -> None:
        with write_transaction():
            done.append(connection.in_atomic_block)

    with write_transaction():
        transaction.on_commit(write)
    assert done == [True]
