"""Reasons for which the range does not start: each is one sentence that says what to do."""

import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.running import ROOT, Range
from tests.sampling import sampled

KEYS = {
    "SECRET_KEY": "of-the-range-0123456789-abcdefghijklmnop",
    "JWT_ACCESS_KEYS": "access-tokens-of-the-range-0123456789-abc",
    "JWT_REFRESH_KEYS": "refresh-tokens-of-the-range-0123456789-ab",
}


@pytest.fixture
def unstarted() -> Iterator[Range]:
    """A range with a folder and keys, which is about to start."""
    attack_range = Range()
    own_folder(attack_range).mkdir()
    keys_of(attack_range).write_text(json.dumps(KEYS))
    yield attack_range
    attack_range.destroy()


def own_folder(attack_range: Range) -> Path:
    return attack_range.folder / "range"


def keys_of(attack_range: Range) -> Path:
    return own_folder(attack_range) / "keys.json"


def assert_refused(attack_range: Range, *words: str, **environment: str) -> None:
    """The range ends with one line that has these words and no secret, and leaves no process behind."""
    command = [sys.executable, "-m", "attack_range"]
    own = attack_range.environment | environment
    # Its output ends when the last of its processes does.
    ended = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1, ended
    [line] = (ended.stdout + ended.stderr).splitlines()
    assert all(word in line for word in words), line
    assert not any(key in line for key in KEYS.values()), line


@pytest.mark.parametrize("value", sampled(["0", "", "false", "perhaps"], ["0", ""]))
def test_outside_the_demo_it_does_not_start(unstarted: Range, value: str) -> None:
    assert_refused(unstarted, "DEMO=1", DEMO=value)


NOT_LOOPBACK = ["0.0.0.0", "::", "192.0.2.2", "localhost", "example.org", "unix:/tmp/range.sock"]  # noqa: S104


@pytest.mark.parametrize("host", sampled(NOT_LOOPBACK, ["0.0.0.0", "::"]))  # noqa: S104
def test_it_listens_on_loopback_or_not_at_all(unstarted: Range, host: str) -> None:
    assert_refused(unstarted, "RANGE_HOST", host, RANGE_HOST=host)


SHARED = [
    ("SECRET_KEY", "{SECRET_KEY}"),
    ("JWT_ACCESS_KEYS", "{JWT_ACCESS_KEYS}"),
    ("JWT_ACCESS_KEYS", "another-key-0123456789, {SECRET_KEY}"),
    ("JWT_REFRESH_KEYS", "another-key-0123456789,ed25519:{JWT_ACCESS_KEYS}"),
    ("JWT_REFRESH_KEYS", "{JWT_REFRESH_KEYS}=,"),
    ("SECRET_KEY", "{JWT_REFRESH_KEYS}"),
]


@pytest.mark.parametrize(("name", "value"), sampled(SHARED, SHARED[1:5:2]))
@pytest.mark.parametrize("place", ["environment", "file"])
def test_it_shares_no_key_with_the_site(unstarted: Range, name: str, value: str, place: str) -> None:
    setting = {name: value.format(**KEYS)}
    if place == "file":
        file = unstarted.folder / "env"
        file.write_text(f"{name}='{setting[name]}'\n")
        setting = {"ENV_FILE": str(file), name: ""}
    assert_refused(unstarted, name, str(keys_of(unstarted)), **setting)


IN_FILE = ["{JWT_ACCESS_KEYS}", "ed25519:{JWT_REFRESH_KEYS}", "es256:{SECRET_KEY}="]


@pytest.mark.parametrize("value", sampled(IN_FILE, IN_FILE[1:2]))
@pytest.mark.parametrize("place", ["VAR_DIR", "JWT_KEY_FILE"])
def test_it_shares_no_key_with_the_sites_file_of_keys(unstarted: Range, value: str, place: str) -> None:
    file = unstarted.folder / ("keys.json" if place == "VAR_DIR" else "of-the-site.json")
    moments = {"pending": "2026-01-31T12:00:00+00:00", "active": "2026-01-31T12:00:00+00:00"}
    others = {"retiring": None, "retired": None}
    key = {"secret": value.format(**KEYS)} | moments | others
    file.write_text(json.dumps({"access": [{"secret": "another-key-0123456789-0123456789"} | moments, key]}))
    setting = {"JWT_KEY_FILE": str(file)} if place == "JWT_KEY_FILE" else {}
    assert_refused(unstarted, "a key in JWT_KEY_FILE", str(keys_of(unstarted)), **setting)


def test_it_does_not_start_beside_a_file_of_keys_that_it_cannot_compare(unstarted: Range) -> None:
    (unstarted.folder / "keys.json").write_text(f'{{"access": [{{"secret": "{KEYS["SECRET_KEY"]}"')
    assert_refused(unstarted, "JWT_KEY_FILE", "cannot be read")


SPELLINGS: dict[str, Callable[[Path], str]] = {
    "plain": str,
    "percent": lambda path: quote(str(path), safe="").replace("a", "%61"),
    "dots": lambda path: f"{path.parent}/../{path.parent.name}/./{path.name}",
    "relative": lambda path: os.path.relpath(path, ROOT),
    "slashes": lambda path: str(path).replace("/", "//"),
}


@pytest.mark.parametrize("spelling", sampled(SPELLINGS, ["percent", "relative", "dots"]))
def test_it_shares_no_database_with_the_site(unstarted: Range, spelling: str) -> None:
    url = f"sqlite:///{SPELLINGS[spelling](own_folder(unstarted) / 'db.sqlite3')}?timeout=5"
    assert_refused(unstarted, "DATABASE_URL", DATABASE_URL=url)


AROUND = ["unix://{}", "unix://{}?db=3", "unix://someone:word@{}?db=1"]


@pytest.mark.parametrize("spelling", sampled(["plain", "dots", "slashes"], ["dots"]))
@pytest.mark.parametrize("around", sampled(AROUND, [AROUND[1]]))
def test_it_shares_no_store_with_the_site(unstarted: Range, spelling: str, around: str) -> None:
    path = SPELLINGS[spelling](own_folder(unstarted) / "store.sock")
    assert_refused(unstarted, "REDIS_URL", REDIS_URL=around.format(path))
    assert_refused(unstarted, "REDIS_URL", REDIS_URL=around.format(path.replace("store", "st%6Fre")))


@pytest.mark.parametrize("link", ["folder", "file", "hard"])
def test_a_link_to_the_sites_database_is_seen_through(unstarted: Range, link: str) -> None:
    theirs, ours = unstarted.folder / "db.sqlite3", own_folder(unstarted) / "db.sqlite3"
    theirs.touch()
    if link == "folder":
        keys_of(unstarted).rename(unstarted.folder / "keys.json")
        own_folder(unstarted).rmdir()
        own_folder(unstarted).symlink_to(unstarted.folder)
    elif link == "file":
        ours.symlink_to(theirs)
    else:
        ours.hardlink_to(theirs)
    assert_refused(unstarted, "DATABASE_URL")


@pytest.mark.parametrize("which", [0, 1])
def test_a_busy_port_is_named(unstarted: Range, which: int) -> None:
    with socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        busy.bind(("127.0.0.1", unstarted.port + which))
        busy.listen()
        assert_refused(unstarted, f"Port {unstarted.port + which}", "RANGE_PORT", "RANGE=0")


WRONG: list[tuple[dict[str, str], tuple[str, ...]]] = [
    ({"RANGE_PORT": "eighty"}, ("RANGE_PORT", "eighty")),
    ({"RANGE_PORT": "65535"}, ("RANGE_PORT", "65534")),
    ({"RANGE_PORT": "", "PORT": "65530"}, ("RANGE_PORT", "65540")),
    ({"PORT": "eighty"}, ("PORT", "eighty")),
    ({"RANGE_PORT": "8400", "PORT": "8401"}, ("RANGE_PORT", "8401")),
    ({"VAR_DIR": "/tmp/" + "deep/" * 25}, ("VAR_DIR", "too long")),  # noqa: S108
    ({"VAR_DIR": "/proc/nowhere"}, ("/proc/nowhere",)),
    ({"ENV_FILE": "/proc/self/mem"}, ("ENV_FILE",)),
]


@pytest.mark.parametrize(("environment", "words"), sampled(WRONG, [WRONG[0], WRONG[2], WRONG[4], WRONG[5]]))
def test_a_wrong_variable_is_named(unstarted: Range, environment: dict[str, str], words: tuple[str, ...]) -> None:
    assert_refused(unstarted, *words, **environment)


DAMAGED = ["", "{", "null", "[]", "{}", "[" * 100_000, "\udcff"]
DAMAGED += [json.dumps(KEYS | {"SECRET_KEY": "short"}), json.dumps(dict.fromkeys(KEYS, 1))]


@pytest.mark.parametrize("text", sampled(DAMAGED, [DAMAGED[1], DAMAGED[6], DAMAGED[7]]))
def test_damaged_keys_are_named(unstarted: Range, text: str) -> None:
    keys_of(unstarted).write_text(text, errors="surrogateescape")
    assert_refused(unstarted, str(keys_of(unstarted)), "Delete")


def test_keys_that_cannot_be_read_are_named(unstarted: Range) -> None:
    keys_of(unstarted).unlink()
    keys_of(unstarted).mkdir()
    assert_refused(unstarted, str(keys_of(unstarted)), "Delete")


def test_a_damaged_database_is_named(unstarted: Range) -> None:
    (own_folder(unstarted) / "db.sqlite3").write_text("This is no database. " * 100)
    assert_refused(unstarted, "db.sqlite3", "Delete it")


def test_a_second_range_on_one_folder_is_refused(unstarted: Range) -> None:
    with (own_folder(unstarted) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert_refused(unstarted, "Another attack range", str(own_folder(unstarted)))


def test_no_other_command_starts_it_outside_the_demo(unstarted: Range) -> None:
    environment = unstarted.environment | {"DEMO": "0", "DJANGO_SETTINGS_MODULE": "attack_range.settings"}
    command = [sys.executable, "-c", "from attack_range.wsgi import application"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Set DEMO=1, or turn it off: RANGE=0" in done.stderr
