"""Django's backend for SQLite, with connections that can be kept. Set `ENGINE` to "security.sqlite".

Opening the file takes longer than all queries of a request. With `"CONN_MAX_AGE": None` and
`"CONN_HEALTH_CHECKS": True` each thread keeps one connection. This backend does what Django does not do for SQLite:

- Before its first use in a request, a connection is closed if its file was moved, deleted or replaced. Otherwise it
  would write to a file that no other process sees.
- A request leaves no transaction behind, and no statement with rows that were not fetched. Otherwise the next request
  of the thread would read old data.
- A child of `fork` never uses or closes a connection of its parent. It opens its own, or raises `OperationalError` if
  the parent could not close all of its connections to the file before the fork.

A process that opens the file by other means and closes it again loses all of SQLite's locks on it. So copy the file
with another process. To replace the file, delete the old `-wal` and `-shm` first, then rename the copy. Writing into a
file that is open, or deleting only its `-wal`, destroys it.
"""

import ctypes
import os
import threading
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from weakref import WeakSet

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError

# Device and inode of a file.
Identity = tuple[int, int]


class Cursor(base.SQLiteCursorWrapper):
    """Django's cursor, which its connection remembers until the cursor is closed."""

    unclosed: "WeakSet[Cursor]"

    def close(self) -> None:
        super().close()
        self.unclosed.discard(self)


class DatabaseWrapper(base.DatabaseWrapper):
    """One thread's connection, and the identity of the file that it has open."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Both stay `None` for a database in memory.
        self.path: Path | None = None
        self.opened: Identity | None = None
        self.process, self.thread = os.getpid(), threading.get_ident()
        self.unclosed: WeakSet[Cursor] = WeakSet()
        with LOCK:
            WRAPPERS.add(self)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if self.is_in_memory_db():
            return super().get_new_connection(conn_params)
        self.path = path_of(conn_params["database"])
        # If the file is replaced while it is opened, `opened` is the old file, so the next request opens it again.
        before = identity(self.path)
        if before in INHERITED:
            raise OperationalError("This process was forked while its parent had the database open.")
        connection = super().get_new_connection(conn_params)
        self.process, self.thread, self.opened = os.getpid(), threading.get_ident(), before or identity(self.path)
        return connection

    def create_cursor(self, name: str | None = None) -> Any:
        cursor = self.connection.cursor(factory=Cursor)
        cursor.unclosed = self.unclosed
        self.unclosed.add(cursor)
        return cursor

    def is_usable(self) -> bool:
        """Whether this process opened it and the file still has its name. Opening the file would drop its locks."""
        if self.path is None:
            return True
        return self.process == os.getpid() and self.opened is not None and self.opened == identity(self.path)

    def close_if_unusable_or_obsolete(self) -> None:
        """Also ends cursors and transactions that were left open. Django calls it before and after each request."""
        if self.connection is not None and self.path and not self.in_atomic_block:
            for cursor in list(self.unclosed):
                cursor.close()
            if self.connection.in_transaction:
                self.close()
        super().close_if_unusable_or_obsolete()

    def _close(self) -> None:
        if self.process != os.getpid():
            never_free(self.connection)
        else:
            super()._close()  # type: ignore[misc]  # the stubs leave it out

    def before_fork(self) -> None:
        """Closes the connection if it belongs to this thread and is not in use."""
        if self.connection is None or self.path is None or self.thread != threading.get_ident():
            return
        if not (self.in_atomic_block or self.unclosed or self.connection.in_transaction):
            self.close()


def path_of(name: Any) -> Path:
    """The file that `NAME` names: a path, or a URI as SQLite accepts it."""
    name = os.fspath(name)
    return Path(unquote(urlsplit(name).path) if name.startswith("file:") else name)


def identity(path: Path) -> Identity | None:
    """Which file has this name now, or `None`."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def never_free(connection: Any) -> None:
    """Keeps the connection from being closed: Python closes it when nothing refers to it, or when the process ends."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


# Held while this process is forked, so that no wrapper is added meanwhile.
LOCK = threading.Lock()
WRAPPERS: WeakSet[DatabaseWrapper] = WeakSet()
# The wrappers whose connection a child inherits.
OPEN: list[DatabaseWrapper] = []
# The files that this process inherited open. SQLite takes the parent's locks for its own in this process, and would
# write without a lock.
INHERITED: set[Identity] = set()


def _before_fork() -> None:
    LOCK.acquire()
    for wrapper in WRAPPERS:
        wrapper.before_fork()
    # Without this reference Python would close the connections of other threads before it calls the child's function.
    OPEN.extend(wrapper for wrapper in WRAPPERS if wrapper.path and wrapper.connection is not None)


def _after_fork_in_parent() -> None:
    OPEN.clear()
    LOCK.release()


def _after_fork_in_child() -> None:
    LOCK.release()
    for wrapper in OPEN:
        INHERITED.update(filter(None, [wrapper.opened]))
        never_free(wrapper.connection)
        if wrapper.thread == threading.get_ident():
            wrapper.close()
    OPEN.clear()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
