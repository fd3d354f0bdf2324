import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client as Anyone

from accounts.models import OutgoingMail
from security import housekeeping
from security.housekeeping import TASKS, Task
from security.models import HousekeepingRun
from tests.conftest import Clock


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Task]]:
    """The tasks of the loop, empty at first."""
    monkeypatch.setattr(housekeeping, "TASKS", {})
    yield housekeeping.TASKS


def test_a_task_that_fails_stops_no_other(db: None, tasks: dict[str, Task], clock: Clock, log: Any) -> None:
    ran = []
    housekeeping.task("first", every=1)(lambda: ran.append("first") or "done")
    housekeeping.task("broken", every=1)(lambda: ran.append("broken") or str(1 / 0))
    housekeeping.task("last", every=1)(lambda: ran.append("last") or "done")
    housekeeping.run_due()
    clock(1)
    housekeeping.run_due()
    assert ran == ["first", "broken", "last"] * 2
    assert set(HousekeepingRun.objects.values_list("task", flat=True)) == {"first", "last"}
    assert log.getvalue().count('"task": "broken"') == 2


def test_each_task_runs_when_its_time_has_come(db: None, tasks: dict[str, Task], clock: Clock) -> None:
    ran: list[str] = []
    housekeeping.task("often", every=1)(lambda: ran.append("often") or "")
    housekeeping.task("seldom", every=60)(lambda: ran.append("seldom") or "")
    for second in (0, 0.5, 1, 59, 60):
        clock(second)
        housekeeping.run_due()
    assert ran.count("often") == 4
    assert ran.count("seldom") == 2


def test_nothing_to_do_is_noted_only_now_and_then(
    db: None, tasks: dict[str, Task], clock: Clock, measured: Callable[..., Any]
) -> None:
    housekeeping.task("idle", every=1)(lambda: "")
    statements = []
    for second in (0, 1, 9, 10):
        clock(second)
        with measured() as cost:
            housekeeping.run_due()
        statements.append(bool(cost.sql))
    assert statements == [True, False, False, True]


def test_the_report_says_when_and_how(db: None, tasks: dict[str, Task], clock: Clock) -> None:
    housekeeping.task("mail", every=1)(lambda: "3 handed over")
    assert housekeeping.report() == {"mail": {"lastRun": None, "late": True}}
    housekeeping.run_due()
    clock(7)
    assert housekeeping.report() == {
        "mail": {"lastRun": "2026-03-01T12:00:00+00:00", "secondsAgo": 7, "outcome": "3 handed over", "late": False}
    }


@pytest.mark.parametrize(("every", "grace"), [(1, 30), (60, 180)])
def test_late_is_after_three_turns_missed(
    db: None, tasks: dict[str, Task], clock: Clock, every: int, grace: int
) -> None:
    housekeeping.task("work", every=every)(lambda: "")
    housekeeping.run_due()
    for seconds, late in ((grace, False), (grace + 1, True)):
        clock(seconds)
        assert housekeeping.report()["work"]["late"] is late


def test_readyz_tells_of_late_housekeeping_and_stays_ready(
    client: Anyone, clock: Clock, run_housekeeping: Callable[[], None], db: None
) -> None:
    run_housekeeping()
    assert client.get("/readyz").json()["housekeeping"]["mail"]["late"] is False
    clock(timedelta(hours=1).total_seconds())
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["housekeeping"]["mail"] | {"outcome": ""} == {
        "lastRun": "2026-03-01T12:00:00+00:00",
        "secondsAgo": 3600,
        "outcome": "",
        "late": True,
    }


@pytest.mark.usefixtures("run_housekeeping")
def test_once_does_what_is_due_and_stops(db: None) -> None:
    OutgoingMail.objects.create(kind="password_changed", to="alice@example.com")
    call_command("housekeeping", once=True)
    assert not OutgoingMail.objects.exists()
    assert "mail" in TASKS


@pytest.mark.usefixtures("run_housekeeping")
def test_the_loop_goes_on_until_it_is_told_to_stop(db: None, tasks: dict[str, Task], monkeypatch: Any) -> None:
    """The task calls the signal handler itself, instead of a supervisor that sends the signal."""
    handlers: dict[int, Callable[..., None]] = {}
    monkeypatch.setattr("signal.signal", handlers.__setitem__)
    monkeypatch.setattr(threading.Event, "wait", lambda self, _=None: self.is_set())
    turns: list[int] = []

    def work() -> str:
        turns.append(1)
        if len(turns) == 3:
            next(iter(handlers.values()))()
        return ""

    housekeeping.task("work", every=0)(work)
    call_command("housekeeping")
    assert len(turns) == 3
    assert len(handlers) == 2
