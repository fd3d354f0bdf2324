"""Housekeeping of families and outstanding tokens, which must not forget anything too early."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client as Anyone
from django.utils import timezone
from pytest_django import Settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.models import User
from jwt_demo import housekeeping
from jwt_demo.flow import FLOW
from jwt_demo.key_rotation import reminders
from jwt_demo.models import TokenFamily
from security.models import HousekeepingRun
from tests.access import version_of
from tests.conftest import Clock
from tests.jwt_demo.inside import HERS, OTHER, begun, committed, refused, rotated, row, text
from tests.jwt_demo.rings import in_file

DAY = 86_400


def test_what_has_run_out_is_marked_so(alice: User, clock: Clock) -> None:
    unused, remembered = begun(alice), begun(alice, remember=True)
    clock(7 * DAY - 1)
    assert housekeeping.purge() == ""
    clock(7 * DAY)
    assert housekeeping.purge() == "1 expired, 0 removed"
    assert (row(unused).reason, row(unused).ended, row(remembered).ended) == ("expired", timezone.now(), None)
    assert rotated(text(remembered))


def test_what_ended_is_remembered_for_thirty_days_and_until_its_last_token_has_expired(
    alice: User, clock: Clock
) -> None:
    short, long = begun(alice), begun(alice, remember=True)
    clock(10)
    FLOW.end_others(alice, None, "test")
    clock(30 * DAY + 10)
    housekeeping.purge()
    assert (row(short).reason, row(long).reason) == ("test", "test")
    clock(30 * DAY + 11)
    assert housekeeping.purge() == "0 expired, 2 removed"
    assert not TokenFamily.objects.exists()


def test_a_family_stays_while_any_token_of_it_could_be_presented(alice: User, clock: Clock, settings: Settings) -> None:
    settings.JWT_ROWS_KEPT = 0
    issued = begun(alice, remember=True)
    FLOW.end_others(alice, None, "test")
    clock(30 * DAY - 1)
    housekeeping.purge()
    assert row(issued).reason == "test"
    assert refused(text(issued), OTHER) == "invalid"
    clock(30 * DAY + 1)
    housekeeping.purge()
    assert not TokenFamily.objects.exists()


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_old_rows_go_in_batches_and_live_ones_stay(
    alice: User, bob: User, clock: Clock, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(housekeeping, "BATCH", batch)
    for _ in range(10):
        rotated(text(begun(bob)))
    FLOW.end_others(bob, None, "test")
    clock(31 * DAY)
    issued = begun(alice)
    # Ten families with twenty tokens, all blacklisted.
    assert housekeeping.purge() == "0 expired, 50 removed"
    assert TokenFamily.objects.get() == row(issued)
    assert OutstandingToken.objects.get().jti == row(issued).jti
    assert not BlacklistedToken.objects.exists()
    assert rotated(text(issued))


@pytest.mark.parametrize("batch", [2, 1000])
def test_no_statement_removes_more_than_a_batch(
    alice: User, clock: Clock, monkeypatch: pytest.MonkeyPatch, measured: Callable[..., object], batch: int
) -> None:
    monkeypatch.setattr(housekeeping, "BATCH", batch)
    for _ in range(5):
        begun(alice)
    FLOW.end_others(alice, None, "test")
    clock(31 * DAY)
    with measured() as cost:  # type: ignore[attr-defined]
        housekeeping.purge()
    for table in ("jwt_demo_tokenfamily", "token_blacklist_outstandingtoken"):
        removals = [sql for sql in cost.sql if sql.split('"')[:2] == ["DELETE FROM ", table]]
        assert [sql.count("%s") for sql in removals] == ([2, 2, 1] if batch == 2 else [5])


@committed
@pytest.mark.parametrize("clean", ["purge", "flushexpiredtokens"])
def test_a_replay_is_still_a_theft_after_a_purge(alice: User, clock: Clock, clean: str) -> None:
    """Generation 0 has expired and is deleted. Generation 1 has not expired, was used, and is presented again."""
    zero = begun(alice)
    clock(4 * DAY)
    one = rotated(text(zero))
    latest = rotated(text(rotated(text(one))))
    clock(8 * DAY)
    if clean == "purge":
        assert housekeeping.purge() == "0 expired, 2 removed"
    else:
        call_command(clean)
    assert OutstandingToken.objects.count() == 3
    assert refused(text(one), HERS) == "reuse"
    assert row(zero).reason == "token reused"
    assert refused(text(latest)) == "invalid"
    assert version_of(User.objects.get()) == 1


def test_the_command_does_the_same_now(alice: User, clock: Clock) -> None:
    begun(alice)
    said = io.StringIO()
    call_command("purge_tokens", stdout=said)
    clock(8 * DAY)
    call_command("purge_tokens", stdout=said)
    assert said.getvalue().splitlines() == ["nothing to do", "1 expired, 1 removed"]


def test_readyz_says_when_it_was_last_done(
    alice: User, client: Anyone, clock: Clock, run_housekeeping: Callable[[], None]
) -> None:
    assert client.get("/readyz").json()["housekeeping"]["tokens"] == {"lastRun": None, "late": True}
    begun(alice)
    clock(8 * DAY)
    run_housekeeping()
    tokens = client.get("/readyz").json()["housekeeping"]["tokens"]
    assert (tokens["secondsAgo"], tokens["outcome"], tokens["late"]) == (0, "1 expired, 1 removed", False)
    clock(8 * DAY + 3 * 3600 + 1)
    assert client.get("/readyz").json()["housekeeping"]["tokens"]["late"] is True
    assert "denylist" in client.get("/readyz").json()["housekeeping"]


def test_what_is_due_of_the_keys_is_logged_and_noted_however_long_it_is(
    settings: Settings,
    tmp_path: Path,
    client: Anyone,
    clock: Clock,
    db: None,
    log: io.StringIO,
    run_housekeeping: Callable[[], None],
) -> None:
    path = in_file(settings, tmp_path / "keys.json")
    run_housekeeping()
    assert HousekeepingRun.objects.get(task="keys").outcome == "nothing to do"
    clock(91 * DAY)
    path.chmod(0o644)
    run_housekeeping()
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (done,) = (line["done"] for line in lines if line.get("task") == "keys")
    assert done == " ".join(reminders())
    assert done.endswith("Run chmod 600.")
    # PostgreSQL would refuse a text that is longer than the column, and the task would never be recorded.
    assert len(done) > 200
    assert HousekeepingRun.objects.get(task="keys").outcome == done[:200]
