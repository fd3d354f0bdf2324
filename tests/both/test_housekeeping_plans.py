"""No statement of housekeeping reads a whole table, and the rows that one turn changes are limited."""

import pytest
from django.core.management import call_command
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import User
from jwt_demo import housekeeping as tokens
from jwt_demo.conf import conf
from jwt_demo.models import TokenFamily
from security import housekeeping
from sessions_demo import housekeeping as sessions
from sessions_demo.models import DeviceSession
from tests.conftest import Clock
from tests.jwt_demo.inside import begun
from tests.plans import whole_tables_read
from tests.sessions_demo.conftest import logged_in

DAY = 86_400


def test_no_task_reads_a_whole_table(alice: User) -> None:
    found = whole_tables_read()
    assert found.keys() >= {"sessions", "tokens", "denylist", "revocations", "mail"}
    assert not any(found.values()), found


@pytest.mark.parametrize("batch", [2, 1000])
def test_a_turn_ends_after_so_many_rows_and_the_next_goes_on(
    alice: User, clock: Clock, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(housekeeping, "ROWS", 3)
    for module in (sessions, tokens):
        monkeypatch.setattr(module, "BATCH", batch)
    for _ in range(4):
        logged_in()
        begun(alice)
    clock(8 * DAY)
    turns = [sessions.purge(), sessions.purge(), tokens.purge(), tokens.purge(), tokens.purge()]
    assert turns == [
        f"{ended} expired, {removed} removed" for ended, removed in ((3, 0), (1, 0), (3, 0), (1, 2), (0, 2))
    ]
    assert [isinstance(turn, housekeeping.Unfinished) for turn in turns] == [True, False, True, True, False]
    assert not DeviceSession.objects.filter(ended=None).exists()
    assert not TokenFamily.objects.filter(ended=None).exists()


def test_what_a_turn_waits_for_others_leaves_the_denylist_its_lease() -> None:
    """The same loop renews the lease after each turn. Without a lease, requests read the list from the database."""
    pauses = sum(housekeeping.ROWS / module.BATCH * housekeeping.PAUSE for module in (sessions, tokens))
    assert 3 * pauses <= conf.JWT_DENYLIST_LEASE


@pytest.mark.usefixtures("run_housekeeping")
def test_an_unfinished_task_is_due_at_once_and_the_commands_finish_it(
    alice: User, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "ROWS", 3)
    for _ in range(4):
        begun(alice)
    clock(8 * DAY)
    housekeeping.run_due()
    assert housekeeping.TASKS["tokens"].is_due(housekeeping.timezone.now())
    assert not housekeeping.TASKS["sessions"].is_due(housekeeping.timezone.now())
    call_command("housekeeping", once=True)
    assert not OutstandingToken.objects.exists()
