"""Connections to Redis that do not wait for a silent server again and again, and a fast path for reading.

Needs redis-py. Gives `GuardedPool` for `CACHES[…]["OPTIONS"]["CONNECTION_POOL_CLASS"]` of django-redis, and `fetch` for
what each request reads. Each server has one breaker in each process, whatever the number of caches on it.
"""

import os
from contextlib import suppress
from functools import cache
from typing import Any

from redis import Redis
from redis.connection import AbstractConnection, Connection, ConnectionPool
from redis.exceptions import ConnectionError, TimeoutError

from security.breaker import Breaker


class StoreSilent(TimeoutError):
    """The server did not answer a moment ago, and was not asked again."""


def fetch(client: Redis, *command: Any) -> Any:
    """The answer to one command that changes nothing, by the fast path if the client has a `GuardedPool`.

    Before each command redis-py checks whether the server has closed the connection, and after it redis-py collects
    metrics. Here a closed connection is noticed when it is used. Then redis-py sends the command once more, so the
    command must change nothing. Raises what redis-py raises.
    """
    pool = client.connection_pool
    if not isinstance(pool, GuardedPool):
        return client.execute_command(*command)  # type: ignore[no-untyped-call]
    connection = pool.take()
    try:
        return pool.ask(connection, command)
    except ConnectionError:
        return client.execute_command(*command)  # type: ignore[no-untyped-call]


class GuardedConnection:
    """A connection that tells the breaker whether its server answers."""

    breaker: Breaker

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        except Exception as error:
            self._note(error)
            raise

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            answer = super().read_response(*args, **options)  # type: ignore[misc]
        except Exception as error:
            self._note(error)
            raise
        self.breaker.answered()
        return answer

    def _note(self, error: Exception) -> None:
        if isinstance(error, TimeoutError):
            self.breaker.silent()
        else:
            # The connection was refused or closed, or the server sent an error: the next caller may try at once.
            self.breaker.answered()


class GuardedPool(ConnectionPool):
    """redis-py's pool. While the server is silent one caller a second tries it, and the others get `StoreSilent`."""

    def __init__(self, connection_class: type[AbstractConnection] = Connection, **options: Any) -> None:
        self.breaker = breaker_of(
            options.get("path") or f"{options.get('host')}:{options.get('port')}",
            max(options.get("socket_timeout") or 0, options.get("socket_connect_timeout") or 0),
        )
        # With a credential provider no connection rests: redis-py gives it a new password only when it is released.
        self.rests = options.get("credential_provider") is None
        bases, more = (GuardedConnection, connection_class), {"breaker": self.breaker}
        super().__init__(connection_class=type(f"Guarded{connection_class.__name__}", bases, more), **options)

    def reset(self) -> None:
        """Forgets all connections, as redis-py does in a process that was forked."""
        # Connections that rest between two calls of `fetch`. redis-py counts and closes them as connections in use.
        self.resting: list[Any] = []
        super().reset()

    def take(self) -> Any:
        """A connection for `ask`: one that rests, with all answers read, or else one that redis-py has checked."""
        if self.pid != os.getpid():
            return self.get_connection()
        self._refuse_while_silent()
        try:
            return self.resting.pop()
        except IndexError:
            return super().get_connection()

    def ask(self, connection: Any, command: tuple[Any, ...]) -> Any:
        """The answer to this command on this connection. The connection then rests, unless redis-py must renew it."""
        try:
            connection.send_command(*command)
            answer = connection.read_response()
        except BaseException as error:
            # The answer may still come, and the next caller would take it for its own: another user's session.
            connection.disconnect()
            self.release(connection)
            if isinstance(error, ConnectionError):
                self.breaker.answered()
            raise
        if self.rests and not connection.should_reconnect():
            self.resting.append(connection)
        else:
            self.release(connection)
        return answer

    def get_connection(self, *args: Any, **options: Any) -> Any:
        self._refuse_while_silent()
        self._wake(1)  # a resting connection is used before another one is opened
        return super().get_connection(*args, **options)

    def disconnect(self, inuse_connections: bool = True) -> None:
        self._wake(len(self.resting))
        super().disconnect(inuse_connections)

    def _refuse_while_silent(self) -> None:
        if not self.breaker.allows():
            raise StoreSilent("The store did not answer a moment ago.")

    def _wake(self, number: int) -> None:
        for _ in range(number):
            with suppress(IndexError):  # another thread took it meanwhile
                self.release(self.resting.pop())


@cache
def breaker_of(server: str, wait: float) -> Breaker:
    """The breaker of this server in this process."""
    return Breaker(wait)
