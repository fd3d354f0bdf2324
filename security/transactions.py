"""Transactions that read a row and then change it.

Needs Django. Gives `write_transaction`, for use in the place of `transaction.atomic`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction


@contextmanager
def write_transaction(durable: bool = False) -> Iterator[None]:
    """`transaction.atomic`, which on SQLite has the write lock from its beginning.

    SQLite gives the lock at the first write, unless a project sets `transaction_mode`. If another transaction has
    written since this one read, no waiting helps, and the request is a 503: so would be most of a few refreshes of
    tokens at once. Inside another transaction it is a savepoint, and changes nothing of that.
    """
    connection: Any = connections["default"]
    late = _takes_the_lock_late(connection)
    if late:
        connection.transaction_mode = "IMMEDIATE"
    try:
        with transaction.atomic(durable=durable):
            yield
    finally:
        if late:
            connection.transaction_mode = None


def _takes_the_lock_late(connection: Any) -> bool:
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return False
    connection.ensure_connection()  # it reads the setting when it connects
    return bool(connection.transaction_mode is None)
