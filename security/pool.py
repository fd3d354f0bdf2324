"""Connections to Redis that do not wait for a silent server again and again.

Needs redis-py. Gives `GuardedPool` for `CACHES[…]["OPTIONS"]["CONNECTION_POOL_CLASS"]` of django-redis. Each server has
one breaker in each process, whatever the number of caches on it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from redis.connection import AbstractConnection, Connection, ConnectionPool
from redis.exceptions import TimeoutError

from security.breaker import Breaker


class StoreSilent(TimeoutError):
    """The server did not answer a moment ago, and was not asked again."""


class GuardedConnection:
    """A connection that notes for the breaker whether its server answers."""

    breaker: Breaker

    def connect(self) -> None:
        with self._watched():
            super().connect()  # type: ignore[misc]

    def read_response(self, *args: Any, **options: Any) -> Any:
        with self._watched():
            answer = super().read_response(*args, **options)  # type: ignore[misc]
            self.breaker.answered()
            return answer

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            self.breaker.silent()
            raise
        except Exception:
            # Refused, closed, an error of the server's: the next caller may try at once.
            self.breaker.answered()
            raise


class GuardedPool(ConnectionPool):
    """redis-py's pool. While the server is silent one caller a second tries it, and the others get `StoreSilent`."""

    def __init__(self, connection_class: type[AbstractConnection] = Connection, **options: Any) -> None:
        self.breaker = breaker_of(
            options.get("path") or f"{options.get('host')}:{options.get('port')}",
            max(options.get("socket_timeout") or 0, options.get("socket_connect_timeout") or 0),
        )
        bases, more = (GuardedConnection, connection_class), {"breaker": self.breaker}
        super().__init__(connection_class=type(f"Guarded{connection_class.__name__}", bases, more), **options)

    def get_connection(self, *args: Any, **options: Any) -> Any:
        if not self.breaker.allows():
            raise StoreSilent("The store did not answer a moment ago.")
        return super().get_connection(*args, **options)


@cache
def breaker_of(server: str, wait: float) -> Breaker:
    """The breaker of this server in this process."""
    return Breaker(wait)
