"""Django's backend for PostgreSQL, with a limit on every wait. Set `ENGINE` to "security.postgresql".

The server enforces `statement_timeout` and `lock_timeout`. If the server hangs it does not, and psycopg would wait for
ever. Needs psycopg 3. In `OPTIONS`, in seconds: `connect_timeout`, the longest wait for anything; and `statement_wait`,
after which the server itself gives up a statement or a wait for a lock. Make `statement_wait` the shorter one, so that
the server's error comes first. It is set after connecting, because PgBouncer accepts it only then.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from django.db.utils import OperationalError
from psycopg import errors

from security.breaker import Breaker

# Seconds, if the settings have no `connect_timeout`.
WAIT = 5


class SchemaEditor(DatabaseSchemaEditor):
    """A statement of a migration has no time limit. Its wait for a lock has one, as everywhere."""

    connection: Any

    def __enter__(self) -> Any:
        editor = super().__enter__()
        if self.collect_sql:
            return editor
        self.connection.wait = None
        self.connection.limit_statements(0)
        return editor

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        try:
            super().__exit__(exc_type, exc_value, traceback)
        finally:
            self.connection.wait = self.connection.longest_wait
        if exc_type is None and not self.collect_sql:
            self.connection.limit_statements(self.connection.statement_wait)


class DatabaseWrapper(base.DatabaseWrapper):
    """Raises Django's `OperationalError` after the wait, and at once while the server is silent."""

    SchemaEditorClass = SchemaEditor

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.longest_wait = self.settings_dict["OPTIONS"].get("connect_timeout", WAIT)
        self.wait: float | None = self.longest_wait
        self.statement_wait = self.settings_dict["OPTIONS"].get("statement_wait", 0)

    def get_connection_params(self) -> dict[str, Any]:
        parameters = super().get_connection_params()
        parameters.pop("statement_wait", None)
        return parameters

    def init_connection_state(self) -> None:
        super().init_connection_state()
        with self.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{self.statement_wait}s"])
        self.limit_statements(self.statement_wait)

    def limit_statements(self, seconds: float) -> None:
        """Makes the server give up each statement of this connection after `seconds`; 0 means never."""
        with self.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, false)", [f"{seconds}s"])

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        breaker = self._breaker()
        if not breaker.allows():
            raise OperationalError("The database did not answer a moment ago.")
        try:
            connection = super().get_new_connection(conn_params)
        except errors.ConnectionTimeout:
            breaker.silent()
            raise
        except errors.Error:
            breaker.answered()
            raise
        breaker.answered()
        # Each statement of this connection waits in this function.
        connection.wait = self._bounded(connection, connection.wait, breaker)
        return connection

    def _breaker(self) -> Breaker:
        settings = self.settings_dict
        return breaker_of(f"{settings['HOST']}:{settings['PORT']}", self.longest_wait)

    def _bounded(self, connection: Any, wait: Callable[..., Any], breaker: Breaker) -> Callable[..., Any]:
        def bounded(generator: Any, *args: Any, **options: Any) -> Any:
            # A transaction that has begun goes on: maybe only another connection is dead, and the server answers.
            if not self.in_atomic_block and not breaker.allows():
                raise errors.OperationalError("The database did not answer a moment ago.")
            options.setdefault("timeout", self.wait)
            try:
                answer = wait(generator, *args, **options)
            except errors._WaitTimeout:
                breaker.silent()
                # A late answer would be taken for the answer to the next statement.
                connection.pgconn.finish()
                raise errors.OperationalError(f"The database did not answer within {self.wait} s.") from None
            except errors.Error:
                breaker.answered()
                raise
            breaker.answered()
            return answer

        return bounded


@cache
def breaker_of(server: str, wait: float) -> Breaker:
    """The breaker of this server in this process."""
    return Breaker(wait)
