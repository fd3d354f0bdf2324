"""`manage.py keys` and `rotate_keys`: what an administrator reads. No mistake ends a login."""

import contextlib
import io
import multiprocessing
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from pytest_django import Settings

from accounts.models import User
from jwt_demo import ending, key_writing, keys
from jwt_demo.management.commands.keys import in_words
from jwt_demo.models import TokenFamily
from jwt_demo.tokens import AccessToken, RefreshToken
from security.checks import is_guessable
from tests.config.test_settings import GOOD, run
from tests.conftest import Clock
from tests.jwt_demo.inside import begun, committed, counts, everything, row, text
from tests.jwt_demo.rings import edit, in_file, secrets_of
from tests.running import Store

HOUR, DAY = 3600, 86_400


@pytest.fixture
def path(settings: Settings, tmp_path: Path, clock: Clock) -> Path:
    return in_file(settings, tmp_path / "keys.json")


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the command would have waited for other processes. They do not use the clock of the tests."""
    waits: list[float] = []
    monkeypatch.setattr("jwt_demo.management.commands.rotate_keys.time.sleep", waits.append)
    return waits


def said(*command: str, **options: Any) -> str:
    """The output of a command that succeeds."""
    out = io.StringIO()
    call_command(*command, stdout=out, no_color=True, **options)
    return out.getvalue()


def refusal(*command: str) -> tuple[str, str]:
    """The output of a command that fails, and its error. Its exit status would be 1."""
    out = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command(*command, stdout=out, no_color=True)
    assert caught.value.returncode == 1
    return out.getvalue(), str(caught.value)


def kid(kind: str) -> str:
    return keys.ring(kind).active.kid


# ── keys ──────────────────────────────────────────────────────────────────────────────────────


def test_the_states_are_shown_with_their_moments_and_the_tokens(path: Path, alice: User, clock: Clock) -> None:
    begun(alice)
    said("rotate_keys", "refresh")
    first, second = (dated.key.kid for dated in keys.ring("refresh").dated)
    clock(2 * DAY)
    begun(alice)
    said("rotate_keys", "refresh")
    clock(2 * DAY + 60)
    third = keys.ring("refresh").dated[-1].key.kid
    assert said("keys").splitlines() == [
        f"access keys, in JWT_KEY_FILE {path}",
        f"  {kid('access')}  EdDSA  active for 2 days, 1 token",
        f"refresh keys, in JWT_KEY_FILE {path}",
        f"  {first}  HS256  retiring for 1 day, retired in 28 days and 1 hour (31 Mar 2026, 13:00 UTC), 1 token",
        f"  {second}  HS256  active for 1 day, retiring in 59 minutes (3 Mar 2026, 13:00 UTC), "
        "retired in 30 days and 1 hour (2 Apr 2026, 13:00 UTC), 1 token",
        f"  {third}  HS256  pending for 1 minute, active in 59 minutes (3 Mar 2026, 13:00 UTC), 0 tokens",
    ]


def test_what_is_due_is_shown_and_is_no_error(path: Path, clock: Clock, db: None) -> None:
    clock(91 * DAY)
    for kind, line in zip(keys.SETTINGS, said("keys").splitlines()[-2:], strict=True):
        assert line == f"The {kind} key {kid(kind)} is 91 days old. Run manage.py rotate_keys {kind}."
    path.chmod(0o644)
    assert said("keys").splitlines()[-1].startswith("The file of the keys is not in use: Others than its owner")


def test_one_ring_that_is_broken_hides_nothing_of_the_other(path: Path, settings: Settings, db: None) -> None:
    settings.JWT_ACCESS_KEYS = ["hunter2"]
    out, error = refusal("keys")
    assert "No access keys can be used." in error
    assert "The ring of access keys has a key that is a placeholder" in out
    assert f"  {kid('refresh')}  HS256  active" in out
    assert "hunter2" not in out + error


def test_without_a_file_or_a_database_it_says_so(path: Path, settings: Settings, db: None) -> None:
    with connection.execute_wrapper(_away):
        assert said("keys").count("The database does not answer") == 2
    settings.JWT_KEY_FILE = str(path.with_name("none.json"))
    out, error = refusal("keys")
    assert "No access and no refresh keys can be used. Where there are none yet, run manage.py rotate_keys." in error
    # Said of each ring, and not repeated as a reminder.
    assert out.count("No such file or directory.") == 2
    settings.JWT_KEY_FILE = ""
    assert "JWT_KEY_FILE names no file." in refusal("keys")[0]


def _away(*_: Any) -> None:
    raise OperationalError("no route to host")


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (timedelta(0), "0 minutes"),
        (timedelta(seconds=1), "1 minute"),
        (timedelta(seconds=60), "1 minute"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(minutes=59, seconds=59), "1 hour"),
        (timedelta(days=30), "30 days"),
        (timedelta(days=30, seconds=40), "30 days and 1 hour"),
        (timedelta(days=1), "1 day"),
        (timedelta(hours=23, minutes=59, seconds=1), "1 day"),
        (timedelta(hours=2, minutes=3), "2 hours and 3 minutes"),
    ],
)
def test_a_time_in_words_is_never_too_short(time: timedelta, words: str) -> None:
    assert in_words(time) == words


# ── rotate_keys ───────────────────────────────────────────────────────────────────────────────


def test_a_rotation_says_what_happens_and_when(path: Path, alice: User, clock: Clock, log: io.StringIO) -> None:
    begun(alice)
    old = kid("refresh")
    out = said("rotate_keys", "refresh")
    new = keys.ring("refresh").dated[1].key.kid
    assert out.splitlines() == [
        "refresh keys",
        f"  {old}  HS256  active, retiring in 1 hour (1 Mar 2026, 13:00 UTC), "
        "retired in 30 days and 2 hours (31 Mar 2026, 13:00 UTC), 1 token",
        f"  {new}  HS256  pending, active in 1 hour (1 Mar 2026, 13:00 UTC), 0 tokens",
        "  Nobody is logged out.",
        f"The file {path} was written. If another machine has a copy of it, replace it there before the new key signs.",
    ]
    assert len(keys.ring("access").dated) == 1
    before = path.read_bytes()
    out, error = refusal("rotate_keys")
    # The access keys could be replaced, but either all kinds are replaced or none.
    assert "Nothing was changed. A new refresh key is pending" in error
    assert path.read_bytes() == before
    assert not any(secret in log.getvalue() + out for secret in secrets_of(path))


def test_a_dry_run_says_the_same_and_changes_nothing(path: Path, alice: User, bob: User, store: Store) -> None:
    for user in (alice, alice, bob):
        begun(user)
    before = path.read_bytes(), path.stat().st_mtime_ns, everything(store)
    out = said("rotate_keys", "--dry-run")
    assert out.count("Nobody is logged out.") == 2
    assert "was written" not in out
    assert out.splitlines()[-1] == "Nothing was changed: this was a dry run. A new key will have another name."
    forced = said("rotate_keys", "--dry-run", "--force")
    assert f"  {kid('refresh')}  HS256  gone, and 3 tokens with it" in forced
    assert f"  {kid('access')}  EdDSA  gone, and 3 tokens with it" in forced
    assert "  3 logins will end.\n    alice@example.com\n    bob@example.com\n" in forced
    assert (path.read_bytes(), path.stat().st_mtime_ns, everything(store)) == before


@committed
def test_a_key_that_leaked_goes_at_once_and_its_logins_with_it(
    path: Path, whole: None, alice: User, bob: User, slept: list[float], log: io.StringIO, settings: Settings
) -> None:
    hers, his, ended = begun(alice), begun(bob), begun(bob)
    tokens = [text(one) for one in (hers, his)]
    TokenFamily.objects.filter(pk=row(ended).pk).mark_ended("before")
    settings.JWT_KEYS_REREAD = 5
    secret = secrets_of(path)
    out = said("rotate_keys", "--force", "refresh")
    assert "  2 logins will end.\n    alice@example.com\n    bob@example.com\n" in out
    assert out.splitlines()[-1].startswith("2 logins ended. Every process that can read the file uses the new key now.")
    for one in (hers, his):
        assert (row(one).reason, row(one).ended is None) == ("the key of its tokens leaked", False)
        assert not counts(one)
    assert row(ended).reason == "before"
    assert slept == [6]
    ring = keys.read(path)["refresh"]
    assert (len(ring), ring.active.kid in secret) == (1, False)
    settings.JWT_KEYS_REREAD = 0
    keys.key_file()._next_look = 0.0
    for token in tokens:
        with pytest.raises(Exception, match="invalid"):
            RefreshToken(token)
    assert not any(one in log.getvalue() + out for one in [*secret, *secrets_of(path)])


@committed
def test_a_login_by_a_process_that_has_not_read_the_new_file_ends_too(
    path: Path, whole: None, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begun(alice)
    old, late = path.read_bytes(), []

    def meanwhile(seconds: float) -> None:
        new = path.read_bytes()
        path.write_bytes(old)
        # The earlier logins have ended before the command waits.
        assert not counts(first)
        late.append(begun(alice))
        path.write_bytes(new)

    monkeypatch.setattr("jwt_demo.management.commands.rotate_keys.time.sleep", meanwhile)
    assert "2 logins ended." in said("rotate_keys", "--force")
    assert (row(late[0]).reason, counts(late[0])) == ("the key of its tokens leaked", False)


@committed
def test_logins_are_ended_in_batches_and_those_that_had_ended_stay_as_they_were(
    path: Path, whole: None, alice: User, monkeypatch: pytest.MonkeyPatch, measured: Callable[..., Any]
) -> None:
    monkeypatch.setattr(ending, "BATCH", 2)
    logins, ended = [begun(alice) for _ in range(5)], begun(alice)
    TokenFamily.objects.filter(pk=row(ended).pk).mark_ended("before")
    with measured() as cost:
        assert ending.end_families(TokenFamily.objects.all(), "test") == 5
    assert sum(sql.startswith("UPDATE") and "tokenfamily" in sql for sql in cost.sql) == 3
    assert [(row(one).reason, counts(one)) for one in logins] == [("test", False)] * 5
    assert row(ended).reason == "before"


def test_an_access_key_that_leaked_logs_nobody_out(path: Path, alice: User) -> None:
    login = begun(alice)
    access = str(login.access)
    out = said("rotate_keys", "access", "--force")
    assert (
        "gone, and 1 token with it\n  Clients get another by their refresh token. Only a login without one ends." in out
    )
    assert "login will end" not in out
    with pytest.raises(Exception, match="invalid"):
        AccessToken(access)
    assert RefreshToken(text(login))


@committed
def test_a_store_that_is_away_after_the_change_is_said_with_what_to_do(path: Path, alice: User, store: Store) -> None:
    login = begun(alice)
    old = kid("refresh")
    store.kill()
    try:
        error = refusal("rotate_keys", "--force")[1]
    finally:
        store.start()
    assert error.startswith("The new key is in use within")
    assert "Nothing was changed" not in error
    assert kid("refresh") != old
    assert row(login).ended


def test_a_database_that_is_away_before_it_is_said_too(path: Path, db: None) -> None:
    before = path.read_bytes()
    with connection.execute_wrapper(_away):
        for options in ([], ["--force"], ["--dry-run"]):
            assert refusal("rotate_keys", *options)[1].startswith("Nothing was changed. The database does not answer:")
    assert path.read_bytes() == before


@pytest.mark.parametrize("lost", ["file", "ring"])
def test_keys_that_are_lost_are_not_replaced_while_somebody_is_logged_in_by_them(
    path: Path, alice: User, lost: str
) -> None:
    begun(alice)
    whole = path.read_bytes()
    path.unlink() if lost == "file" else edit(path, lambda found: found.pop("refresh"))
    for options in ([], ["--dry-run"]):
        out, error = refusal("rotate_keys", "refresh", *options)
        assert "  1 login will end.\n" in out
        assert error.startswith("Nothing was changed. Logins would end. Bring back the keys")
    assert path.exists() is (lost == "ring")
    path.write_bytes(whole)
    path.chmod(0o600)
    said("rotate_keys")
    path.unlink()
    assert "alice@example.com" in said("rotate_keys", "--force")
    assert TokenFamily.objects.get().ended


def test_a_broken_file_is_never_written_over(path: Path, db: None) -> None:
    path.write_text('{"access": [')
    for options in ([], ["--force"]):
        error = refusal("rotate_keys", *options)[1]
        assert f"Nothing was changed. The file {path}: It is incomplete, or not JSON." in error
        assert ("move the file away" in error) is bool(options)
    assert path.read_text() == '{"access": ['
    path.chmod(0o644)
    assert "chmod 600" in refusal("rotate_keys")[1]


def test_what_it_does_not_know_is_refused(path: Path, settings: Settings, db: None) -> None:
    before = path.read_bytes()
    assert refusal("rotate_keys", "acess")[1] == "There are no acess keys. Write access, refresh, or neither."
    settings.JWT_REFRESH_ALGORITHM = "ES256"
    assert "JWT_REFRESH_ALGORITHM must be one of HS256, EdDSA." in refusal("rotate_keys")[1]
    settings.JWT_KEY_FILE = str(path.parent / "none" / "keys.json")
    assert "No such file or directory." in refusal("rotate_keys")[1]
    settings.JWT_KEY_FILE = ""
    assert refusal("rotate_keys")[1] == "Nothing was changed. JWT_KEY_FILE names no file."
    assert path.read_bytes() == before


# ── Keys in the environment ───────────────────────────────────────────────────────────────────


def test_the_steps_for_keys_in_a_setting_log_nobody_out(settings: Settings, alice: User, clock: Clock) -> None:
    """The steps are followed exactly, with the waiting times that they name and a login just before each change."""
    settings.JWT_KEY_FILE = ""
    settings.JWT_KEYS_REREAD = 5
    present = settings.JWT_REFRESH_KEYS = [key_writing.new_secret("HS256")]
    out = said("rotate_keys", "refresh")
    (new,) = (word for word in out.split() if not is_guessable(word) and "=" not in word)
    steps = re.findall(r"  (\d)\. (.*):  JWT_REFRESH_KEYS=(.*)", out)
    assert steps == [
        ("1", "Now", "<the present keys>,NEW"),
        ("2", "1 hour after all have started with that", "NEW,<the present keys>"),
        ("3", "30 days and 1 hour after all have started with that", "NEW"),
    ]
    logins, passed = [], 0.0
    for (_, _, value), wait in zip(steps, (0, HOUR, 30 * DAY + HOUR), strict=True):
        passed += wait
        clock(passed - 1)
        logins.append(begun(alice, remember=True))
        clock(passed)
        settings.JWT_REFRESH_KEYS = value.replace("<the present keys>", present[0]).replace("NEW", new).split(",")
        live = [one for one in logins if row(one).is_open()]
        assert live
        assert all(RefreshToken(text(one)) for one in live)
    assert kid("refresh") == keys.Key.of(new).kid


def test_a_dry_run_and_a_leak_of_keys_in_a_setting(settings: Settings, alice: User) -> None:
    settings.JWT_KEY_FILE = ""
    begun(alice)
    dry, forced = said("rotate_keys", "--dry-run"), said("rotate_keys", "--force", "refresh")
    assert not [word for word in dry.split() if "=" not in word and not is_guessable(word)]
    assert len([word for word in forced.split() if "=" not in word and not is_guessable(word)]) == 1
    assert "Write JWT_REFRESH_KEYS=NEW, without the present keys, and start all processes again." in forced
    assert "  1 login will end.\n    alice@example.com\n" in forced
    for secret in (*settings.JWT_ACCESS_KEYS, *settings.JWT_REFRESH_KEYS):
        assert secret not in dry + forced


def test_the_keys_of_settings_move_into_the_file(settings: Settings, tmp_path: Path, alice: User) -> None:
    login, path = begun(alice), tmp_path / "keys.json"
    access, refresh = settings.JWT_ACCESS_KEYS, settings.JWT_REFRESH_KEYS
    settings.JWT_KEY_FILE = str(path)
    out = said("rotate_keys")
    assert "refresh keys: the file gets those of JWT_REFRESH_KEYS. Take JWT_REFRESH_KEYS away" in out
    assert out.count("Nobody is logged out.") == 2
    assert secrets_of(path)[:2] == [access[0], refresh[0]]
    assert not any(secret in out for secret in secrets_of(path))
    # A second run, before the settings are removed, says the same.
    before = path.read_bytes()
    assert "the file has those of JWT_REFRESH_KEYS" in said("rotate_keys")
    assert path.read_bytes() == before
    settings.JWT_ACCESS_KEYS = settings.JWT_REFRESH_KEYS = []
    assert AccessToken(str(login.access))
    assert RefreshToken(text(login))
    # If the setting and the file have different keys, the setting is used.
    settings.JWT_REFRESH_KEYS = [key_writing.new_secret("HS256")]
    assert "1. Now:  JWT_REFRESH_KEYS=<the present keys>,NEW" in said("rotate_keys", "refresh")
    assert path.read_bytes() == before
    settings.JWT_REFRESH_KEYS = ["hunter2"]
    error = refusal("rotate_keys", "refresh")[1]
    assert error.startswith("Nothing was changed. JWT_REFRESH_KEYS: The ring of refresh keys has a key that is")


# ── In processes of their own ─────────────────────────────────────────────────────────────────


def test_the_first_keys_are_made_before_there_is_a_database(tmp_path: Path) -> None:
    """The command as an administrator starts it, with the exit status that a script sees."""
    environment = {name: value for name, value in GOOD.items() if not name.startswith("JWT_")}
    environment |= {"VAR_DIR": str(tmp_path)}
    steps = [
        (["keys"], 1),
        (["rotate_keys", "--dry-run"], 0),
        (["keys"], 1),
        (["rotate_keys"], 0),
        (["keys"], 0),
        (["rotate_keys"], 0),
        (["rotate_keys"], 1),
    ]
    for command, status in steps:
        ended = run("manage.py", *command, environment=environment)
        assert (command, ended.returncode) == (command, status), ended.stderr
        assert "Traceback" not in ended.stderr
        assert len(ended.stderr.splitlines()) <= 2
    path = tmp_path / "keys.json"
    # All keys in the file, whatever their state: this process has another clock than the command.
    assert [len(ring.dated) for ring in keys.read(path).values()] == [2, 2]
    assert sorted(found.name for found in tmp_path.iterdir()) == ["keys.json"]


def test_two_rotations_at_once_do_not_undo_each_other(path: Path, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    both = multiprocessing.get_context("fork").Barrier(2, timeout=1)
    read = keys.read

    def slow(path: Path) -> Any:
        found = read(path)
        # Without a lock, both have read the file now, and the second write would undo the first.
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait()
        return found

    monkeypatch.setattr(keys, "read", slow)

    def work(kind: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            call_command("rotate_keys", kind)

    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=work, args=[kind]) for kind in keys.SETTINGS]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert [len(ring) for ring in read(path).values()] == [2, 2]
