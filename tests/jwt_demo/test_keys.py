"""The file of keys: with a broken file, the earlier keys stay in use, and no text of the file is shown anywhere."""

import contextlib
import copy
import hashlib
import io
import json
import multiprocessing
import os
import resource
import shutil
import signal
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from pytest_django import Settings

from jwt_demo import key_writing, keys
from jwt_demo.key_rotation import Plan
from jwt_demo.keys import DatedKey, Key, KeyFile, Ring, State, UnusableKeys
from tests.conftest import NOON, Clock
from tests.jwt_demo.rings import edit, first_keys, in_file, secrets_of
from tests.running import until

NOBODY = 65534
AS_ROOT = os.geteuid() == 0
HOUR = timedelta(hours=1)


@pytest.fixture
def path(settings: Settings, tmp_path: Path) -> Path:
    return in_file(settings, tmp_path / "keys.json")


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user of this machine may read, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="keys-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@contextlib.contextmanager
def without_rights(path: Path, mode: int) -> Iterator[None]:
    """Runs as another user than the owner of this path. If the tests do not run as root, the owner has only `mode`."""
    if not AS_ROOT:
        path.chmod(mode)
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def rings(**lists: list[DatedKey]) -> dict[str, Ring]:
    return {kind: Ring(kind, dated) for kind, dated in lists.items()}


def dated(algorithm: str = "HS256", begin: datetime = NOON, **moments: datetime) -> DatedKey:
    return DatedKey(key_writing.new_secret(algorithm), begin, begin, **moments)


# ── A file that is wrong ──────────────────────────────────────────────────────────────────────


def kept(file: KeyFile, before: dict[str, Ring], log: io.StringIO, path: Path, secret: list[str]) -> str:
    """Returns why the file is not in use. Asserts that the old rings are, and that no output contains a secret."""
    already = len(log.getvalue().splitlines())
    with contextlib.redirect_stderr(io.StringIO()) as printed:
        for _ in range(3):
            assert file.rings() is before
    lines = log.getvalue().splitlines()[already:]
    assert [json.loads(line)["message"] for line in lines] == [file.problem]
    assert [json.loads(line)["file"] for line in lines] == [str(path)]
    says = [*lines, printed.getvalue(), file.problem, repr(file)]
    if "any more" not in file.problem:
        with pytest.raises(keys.UNREADABLE) as caught:
            keys.read(path)
        says += [repr(caught.value).replace(str(path), ""), keys.reason(caught.value)]
    for word in [*secret, str(path.parent)]:
        assert not any(word in one for one in (line.replace(json.dumps(str(path)), "") for line in says)), word
    return file.problem


TEXTS = ["", "x", "a\udc80" * 40, "ed25519:", "es256:" + "A" * 43, "ed25519:" + "ä" * 43, "2026-01-31T12:00:00"]
LATEST, EARLIEST = "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"
OTHERS = [None, True, 0, -1, 10**400, 1.5, float("nan"), float("inf"), [], {}, [[]], [None]]
# Values that are allowed for each moment.
GOOD: dict[Any, list[Any]] = {"pending": [EARLIEST], "active": [EARLIEST], "retiring": [None], "retired": [None]}


def test_each_member_that_is_missing_or_of_another_kind_leaves_the_old_rings(path: Path, log: io.StringIO) -> None:
    file, good = KeyFile(str(path), 0), json.loads(path.read_text())
    before, secret = file.rings(), secrets_of(path)
    places: list[tuple[Any, ...]] = [(), *((kind,) for kind in good)]
    places += [(kind, 0, *end) for kind in good for end in ((), *((name,) for name in good[kind][0]))]
    wrong = [_with(good, place) for place in places if place]
    for place in places:
        may_be = GOOD.get(place[-1], []) if place else []
        others = [*OTHERS, *TEXTS, LATEST, EARLIEST, "2026-01-31"]
        wrong += [_with(good, place, other) for other in others if other not in may_be]
    assert len(wrong) > 300
    for found in wrong:
        path.write_text(json.dumps(found))
        kept(file, before, log, path, secret)
        path.write_text(json.dumps(good))
        assert (list(file.rings()["access"]), file.problem) == (list(before["access"]), "")
        before = file.rings()


def _with(good: Any, place: tuple[Any, ...], *other: Any) -> Any:
    if not place:
        return other[0]
    changed = copy.deepcopy(good)
    inner = changed
    for step in place[:-1]:
        inner = inner[step]
    if other:
        inner[place[-1]] = other[0]
    else:
        del inner[place[-1]]
    return changed


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda good: b"",
    "half": lambda good: good[: len(good) // 2],
    "all but its end": lambda good: good.rstrip()[:-1],
    "no text": lambda good: b"\xff" + good,
    "deep": lambda good: b"[" * 200_000,
    "deep and closed": lambda good: b'{"access":' * 100_000 + b"1" + b"}" * 100_000,
    "huge number": lambda good: b'{"access": ' + b"9" * 5000 + b"}",
    "long": lambda good: good + b" " * keys.LARGEST,
    "twice": lambda good: good + good,
}


def test_a_file_that_is_not_whole_leaves_the_old_rings_and_is_used_again_when_it_is(
    path: Path, log: io.StringIO
) -> None:
    file, good, secret = KeyFile(str(path), 0), path.read_bytes(), secrets_of(path)
    for name, wrong in WRONG.items():
        before = file.rings()
        path.write_bytes(wrong(good))
        assert kept(file, before, log, path, secret).startswith("The file of the keys is not in use: It is"), name
        path.write_bytes(good)
        assert file.rings() is not before
        assert file.problem == ""


def test_a_file_that_others_may_read_or_write_is_not_used(path: Path, log: io.StringIO) -> None:
    file = KeyFile(str(path), 0)
    before = file.rings()
    for mode in (0o640, 0o644, 0o666, 0o620, 0o604, 0o601):
        path.chmod(mode)
        assert "chmod 600" in kept(file, before, log, path, secrets_of(path))
        path.chmod(0o600)
        before = file.rings()
        assert file.problem == ""


def test_what_is_no_file_leaves_the_old_rings(path: Path, log: io.StringIO) -> None:
    file, aside, secret = KeyFile(str(path), 0), path.with_name("aside"), secrets_of(path)
    before = file.rings()
    path.rename(aside)
    assert "No such file" in kept(file, before, log, path, secret)
    for make in (path.mkdir, lambda: os.mkfifo(path, 0o600), lambda: path.symlink_to(path)):
        make()  # type: ignore[operator]
        kept(file, before, log, path, secret)
        path.rmdir() if path.is_dir() else path.unlink()
    aside.rename(path)
    assert file.rings() is not before
    assert file.problem == ""


def test_a_file_that_comes_back_just_as_it_was_is_in_use_again(path: Path, log: io.StringIO) -> None:
    """The status of the file does not show that its folder was away."""
    file, secret = KeyFile(str(path), 0), secrets_of(path)
    before, aside = file.rings(), path.parent.with_name(f"{path.parent.name}-aside")
    path.parent.rename(aside)
    try:
        with pytest.raises(FileNotFoundError):
            keys.read(path)
        assert (file.rings(), file.problem.endswith("No such file or directory.")) == (before, True)
    finally:
        aside.rename(path.parent)
    assert list(file.rings()["access"]) == list(before["access"])
    assert file.problem == ""
    assert not any(one in log.getvalue() for one in secret)


def test_a_file_of_another_owner_leaves_the_old_rings(public: Path, settings: Settings, log: io.StringIO) -> None:
    path = in_file(settings, public / "keys.json")
    file, secret = KeyFile(str(path), 0), secrets_of(path)
    before = file.rings()
    with without_rights(path, 0):
        path.touch() if not AS_ROOT else None
        file._seen = None  # otherwise it would not be read again, because it has not changed
        assert "Permission denied" in kept(file, before, log, path, secret)
    path.chmod(0o600)
    file.rings()
    assert file.problem == ""


def test_a_link_is_followed_where_it_points_now(path: Path) -> None:
    link, other = path.with_name("link"), path.with_name("other.json")
    link.symlink_to(path)
    file = KeyFile(str(link), 0)
    first = file.rings()["access"].active.kid
    key_writing.write(link, {kind: Plan.at_once(kind, None, timezone.now()).after for kind in keys.ALGORITHMS})
    assert link.is_symlink()
    second = file.rings()["access"].active.kid
    assert second == keys.read(path)["access"].active.kid != first
    first_keys(other)
    # A mounted secret is replaced like this: the link changes in one step, and its old target is deleted.
    link.with_name("next").symlink_to(other)
    link.with_name("next").replace(link)
    path.unlink()
    assert file.rings()["access"].active.kid == keys.read(other)["access"].active.kid != second


def test_a_ring_that_was_cut_out_of_the_file_stays_in_use(path: Path, log: io.StringIO) -> None:
    file = KeyFile(str(path), 0)
    before = file.rings()
    edit(path, lambda found: found.pop("refresh"))
    assert (file.rings(), file.problem) == (
        before,
        "The file of the keys is not in use: It has no refresh keys any more.",
    )
    # A process that has never read that ring accepts the file: it may have the keys in a setting.
    assert KeyFile(str(path), 0).rings().keys() == {"access"}


def test_without_rings_from_before_the_file_is_refused_and_the_refusal_names_no_path(tmp_path: Path) -> None:
    file = KeyFile(str(tmp_path / "none.json"), 0)
    with pytest.raises(ImproperlyConfigured, match="No such file or directory") as caught:
        file.rings()
    assert str(tmp_path) not in str(caught.value)


def test_two_rings_that_share_a_key_are_refused_whatever_stands_before_it(path: Path) -> None:
    seed = key_writing.new_secret("EdDSA")
    for secret in (seed, keys.material(seed)):
        edit(path, lambda found, secret=secret: (_set(found, "access", seed), _set(found, "refresh", secret)))
        with pytest.raises(UnusableKeys, match="share a key"):
            keys.read(path)


def _set(found: dict[str, Any], kind: str, secret: str) -> None:
    found[kind][0]["secret"] = secret


def test_a_process_looks_at_the_file_no_more_often_than_it_should(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, passed = KeyFile(str(path), 5), [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: passed[0])
    first = file.rings()
    key_writing.write(path, {kind: Plan.at_once(kind, None, timezone.now()).after for kind in keys.ALGORITHMS})
    passed[0] = 104.9
    assert file.rings() is first
    passed[0] = 105.0
    assert file.rings() is not first


def test_threads_that_come_first_at_once_all_get_the_rings(
    path: Path, monkeypatch: pytest.MonkeyPatch, at_once: Callable[..., list[Any]]
) -> None:
    file, read, inside = KeyFile(str(path), 60), keys.read, threading.Event()

    def slow(path: Path) -> Any:
        # The others come while this thread reads. Without a lock they would find no keys.
        inside.wait(0.2)
        return read(path)

    monkeypatch.setattr(keys, "read", slow)
    found = at_once(4, lambda number: file.rings())
    assert all(one is found[0] for one in found)


# ── How it is written ─────────────────────────────────────────────────────────────────────────


def forked(work: Callable[[], Any]) -> ForkProcess:
    """A forked process that does this work."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def others_of(path: Path) -> list[str]:
    return sorted(found.name for found in path.parent.iterdir() if found != path)


def test_a_file_is_for_its_owner_whatever_the_umask(tmp_path: Path) -> None:
    for umask in (0, 0o022, 0o277, 0o777):
        before = os.umask(umask)
        try:
            for _ in range(2):
                key_writing.write(tmp_path / "keys.json", rings(access=[dated()], refresh=[dated()]))
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
        (tmp_path / "keys.json").unlink()


def test_what_is_written_is_read_again_as_it_was(tmp_path: Path) -> None:
    path, begin = tmp_path / "keys.json", NOON.replace(microsecond=123_456)
    old = DatedKey(key_writing.new_secret("ES256"), begin - HOUR, begin, begin + HOUR, begin + 2 * HOUR)
    written = rings(access=[old, dated("EdDSA", begin + HOUR)], refresh=[dated("HS256", begin)])
    key_writing.write(path, written)
    found = keys.read(path)
    for kind, ring in written.items():
        assert [(one.secret, one.pending, one.active, one.retiring, one.retired) for one in found[kind].dated] == [
            (one.secret, one.pending, one.active, one.retiring, one.retired) for one in ring.dated
        ]
    edit(path, lambda found: _ahead_of_utc(found["refresh"][0]))
    assert keys.read(path)["refresh"].dated[0].active.isoformat() == "2026-03-01T12:00:00+00:00"


def _ahead_of_utc(entry: dict[str, Any]) -> None:
    entry["pending"] = entry["active"] = "2026-03-01T14:00:00+02:00"


def test_a_process_that_is_killed_while_it_writes_leaves_the_old_file_whole(path: Path) -> None:
    before, begun = path.read_bytes(), path.with_name("begun")

    def stall(handle: int) -> None:
        begun.touch()
        time.sleep(600)

    def work() -> None:
        os.fsync = stall
        key_writing.write(path, rings(access=[dated()], refresh=[dated()]))

    process = forked(work)
    until(begun.exists)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert path.read_bytes() == before
    key_writing.write(path, rings(access=[dated()], refresh=[dated()]))
    assert path.read_bytes() != before
    # The unfinished file of the killed process contains secrets. It must not stay.
    assert others_of(path) == ["begun"]


def test_a_disk_that_is_full_leaves_the_old_file_and_no_other(path: Path) -> None:
    before = path.read_bytes()

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        try:
            key_writing.write(path, rings(access=[dated()], refresh=[dated()]))
        except OSError:
            os._exit(7)

    process = forked(work)
    process.join()
    assert (process.exitcode, path.read_bytes(), others_of(path)) == (7, before, [])


def test_a_folder_that_takes_no_file_leaves_the_old_one(public: Path, settings: Settings) -> None:
    path = in_file(settings, public / "keys.json")
    before = path.read_bytes()
    with without_rights(public, 0o555), pytest.raises(PermissionError):
        key_writing.write(path, rings(access=[dated()], refresh=[dated()]))
    assert (path.read_bytes(), others_of(path)) == (before, [])


@pytest.mark.skipif(not AS_ROOT, reason="only root can give a file away")
def test_root_gives_the_file_to_the_owner_of_the_old_one_or_of_the_folder(public: Path, settings: Settings) -> None:
    os.chown(public, NOBODY, -1)
    path = in_file(settings, public / "keys.json")
    assert path.stat().st_uid == NOBODY
    os.chown(public, 0, -1)
    key_writing.write(path, keys.read(path))
    assert path.stat().st_uid == NOBODY


def test_who_reads_while_others_write_never_sees_a_half_file(path: Path) -> None:
    both = [rings(access=[dated("EdDSA"), dated(begin=NOON + n * HOUR)], refresh=[dated()]) for n in range(2)]

    def work() -> None:
        for number in range(200):
            key_writing.write(path, both[number % 2])

    process, reads = forked(work), 0
    while process.is_alive():
        assert keys.read(path).keys() == {"access", "refresh"}
        reads += 1
    process.join()
    assert (process.exitcode, reads > 10) == (0, True)


# ── What does not get out ─────────────────────────────────────────────────────────────────────


def test_no_secret_stands_in_what_a_debugger_or_a_log_would_print() -> None:
    for algorithm in ("HS256", "EdDSA", "ES256"):
        one = dated(algorithm)
        ring = Ring("access", [one])
        printed = f"{one!r} {one.key!r} {ring!r} {Plan(ring, ring)!r} {one} {ring}"
        assert one.key.kid in printed
        assert keys.material(one.secret) not in printed
        assert repr(one.secret.encode()) not in printed


def test_what_a_setting_may_not_hold_is_refused_without_a_word_of_it() -> None:
    for secret in (
        "ed25519:" + "ä" * 43,
        "a\udcff" * 40,
        "es256:" + "A" * 43,
        "hunter2",
        "ed25519:" + "_" * 42,
        "\x00",
    ):
        with pytest.raises(UnusableKeys) as caught:
            keys.of_setting("access", (secret,))
        assert not any(part in str(caught.value) for part in (secret, secret[-5:], "\\udcff", "ä"))


# ── Keys and rings ────────────────────────────────────────────────────────────────────────────


def test_a_key_is_named_after_its_public_part() -> None:
    # The key and the thumbprint in appendix A of RFC 8037.
    found = Key.of("ed25519:nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
    assert found.public == {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "use": "sig",
        "alg": "EdDSA",
        "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    }
    secret = key_writing.new_secret("HS256")
    assert (Key.of(secret).public, len(Key.of(secret).kid)) == (None, 8)
    assert Key.of(secret).kid not in hashlib.sha256(secret.encode()).hexdigest()
    for algorithm in ("HS256", "EdDSA", "ES256"):
        assert Key.of(key_writing.new_secret(algorithm)).algorithm == algorithm


def test_a_key_passes_through_its_states_and_the_ring_follows_the_clock(clock: Clock) -> None:
    clock(0)
    first = dated(begin=NOON - HOUR, retiring=NOON + HOUR, retired=NOON + 2 * HOUR)
    second = DatedKey(key_writing.new_secret("HS256"), NOON, NOON + HOUR)
    ring = Ring("refresh", [second, first])
    seen = []
    for seconds in (0, 3599, 3600, 7199, 7200):
        clock(seconds)
        now = timezone.now()
        seen.append((first.state(now), second.state(now), ring.active is first.key, len(ring)))
    assert seen == [
        (State.ACTIVE, State.PENDING, True, 2),
        (State.ACTIVE, State.PENDING, True, 2),
        (State.RETIRING, State.ACTIVE, False, 2),
        (State.RETIRING, State.ACTIVE, False, 2),
        (State.RETIRED, State.ACTIVE, False, 1),
    ]
    assert (first.key.kid in ring, list(ring)) == (False, [second.key.kid])


def test_on_a_machine_whose_clock_is_behind_a_key_that_came_at_once_signs_all_the_same(clock: Clock) -> None:
    clock(-600)
    ring = Ring("refresh", [dated(begin=NOON)])
    assert (ring.active, len(ring)) == (ring.dated[0].key, 1)


def test_what_cannot_be_a_ring_is_none(clock: Clock) -> None:
    twice = dated()
    retired = dated(retiring=NOON, retired=NOON)
    wrong = {
        "without an active key": [[], [retired], [dated(retiring=NOON + HOUR)]],
        "a key twice": [[twice, twice], [twice, DatedKey(twice.secret, NOON, NOON + HOUR)]],
        "another algorithm": [[dated("ES256")]],
        "a placeholder": [[DatedKey("change-me-change-me-change-me-change-me", NOON, NOON)]],
    }
    for says, lists in wrong.items():
        for one in lists:
            with pytest.raises(UnusableKeys, match=says):
                Ring("refresh", one)
    for moments in ({"retired": NOON}, {"retiring": NOON - HOUR}, {"retiring": NOON + HOUR, "retired": NOON}):
        with pytest.raises(UnusableKeys, match="order"):
            dated(**moments)
    assert datetime(1970, 1, 1, tzinfo=UTC) == keys.ALWAYS
