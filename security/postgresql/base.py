"""Django's backend for PostgreSQL, with an end to every wait. Set `ENGINE` to "security.postgresql".

`statement_timeout` and `lock_timeout` are the server's own, and a server that hangs keeps neither; psycopg would wait
for it without an end. Needs psycopg 3. In `OPTIONS`, in seconds: `connect_timeout`, the longest wait for anything; and
`statement_wait`, after which the server itself gives up a statement or a lock. Give it less, so that its answer comes
first. It is set after connecting, for PgBouncer takes it in no other way.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from django.db.utils import OperationalError
from psycopg import errors

from security.breaker import Breaker

# Seconds, where the settings name no `connect_timeout`.
WAIT = 5


class SchemaEditor(DatabaseSchemaEditor):
    """A statement of a migration has no limit. Its wait for a lock that others hold has one, as everywhere."""

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
        """Has the server give up each statement of this connection after so long; 0 is never."""
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
        # What every statement of this connection waits by.
        connection.wait = self._bounded(connection, connection.wait, breaker)
        return connection

    def _breaker(self) -> Breaker:
        settings = self.settings_dict
        return breaker_of(f"{settings['HOST']}:{settings['PORT']}", self.longest_wait)

    def _bounded(self, connection: Any, wait: Callable[..., Any], breaker: Breaker) -> Callable[..., Any]:
        def bounded(generator: Any, *args: Any, **options: Any) -> Any:
            # A transaction that has begun goes on: the server may answer it, and only another connection be dead.
            if not self.in_atomic_block and not breaker.allows():
                raise errors.OperationalError("The database did not answer a moment ago.")
            options.setdefault("timeout", self.wait)
            try:
                answer = wait(generator, *args, **options)
            except errors._WaitTimeout:
                breaker.silent()
                # Its answer, should one come, would be taken for that of the next statement.
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
