"""Housekeeping marks expired sessions and deletes old rows of the registry."""

import pytest
from django.utils import timezone

from accounts.models import User
from sessions_demo import housekeeping
from sessions_demo.flow import FLOW
from sessions_demo.models import DeviceSession
from tests.conftest import Clock
from tests.sessions_demo.conftest import SECOND, Visitor, logged_in
from tests.sessions_demo.test_budgets import fill

DAY = 86_400


def test_what_has_run_out_is_marked_so(alice: User, clock: Clock) -> None:
    short, long = logged_in(), logged_in(agent=SECOND, remember=True)
    clock(2 * 3600 - 1)
    assert housekeeping.purge() == ""
    clock(2 * 3600)
    assert housekeeping.purge() == "1 expired, 0 removed"
    assert (short.row.reason, short.row.ended, long.row.ended) == ("expired", timezone.now(), None)
    assert long.whoami() == 200


def test_what_ended_is_remembered_for_thirty_days(alice: User, clock: Clock) -> None:
    visitor = logged_in(remember=True)
    FLOW.end_others(alice, None, "test")
    clock(30 * DAY)
    assert housekeeping.purge() == ""
    assert visitor.row.reason == "test"
    clock(30 * DAY + 1)
    assert housekeeping.purge() == "0 expired, 1 removed"
    assert not DeviceSession.objects.exists()


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_old_rows_go_in_batches_and_live_ones_stay(
    alice: User, bob: User, clock: Clock, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(housekeeping, "BATCH", batch)
    fill(bob, 20)
    DeviceSession.objects.mark_ended("test")
    clock(31 * DAY)
    visitor: Visitor = logged_in()
    assert housekeeping.purge() == "0 expired, 20 removed"
    assert DeviceSession.objects.get() == visitor.row
    assert visitor.whoami() == 200
