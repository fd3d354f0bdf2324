"""What the libraries raise when a store is away, and what is answered likewise: 503 with `Retry-After`."""

from django.db import InterfaceError, InternalError, OperationalError
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError, ResponseError

from security.waits import Busy

# A database that takes no writes says so by an InternalError (psycopg's `ReadOnlySqlTransaction`).
DATABASE_OUTAGES = (OperationalError, InterfaceError, InternalError)
# Seconds a client is asked to wait out an outage.
OUTAGE_RETRY_AFTER = 5
OUTAGES = (*DATABASE_OUTAGES, RedisError, ConnectionInterrupted, Busy)


def refuses(error: BaseException) -> bool:
    """Whether Redis answered, and refused what was asked: it is a replica, full, or may not write to its disk."""
    cause = error.__cause__ if isinstance(error, ConnectionInterrupted) else error
    return isinstance(cause, ResponseError)
