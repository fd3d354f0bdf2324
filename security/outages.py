"""The exceptions that libraries raise when a store is away, and `Busy`. The answer to all is 503 with `Retry-After`."""

from django.db import InterfaceError, InternalError, OperationalError
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError, ResponseError

from security.waits import Busy

# A database that takes no writes raises an InternalError (psycopg's `ReadOnlySqlTransaction`).
DATABASE_OUTAGES = (OperationalError, InterfaceError, InternalError)
# Seconds that a client is asked to wait in an outage.
OUTAGE_RETRY_AFTER = 5
OUTAGES = (*DATABASE_OUTAGES, RedisError, ConnectionInterrupted, Busy)


def refuses(error: BaseException) -> bool:
    """Whether Redis answered but refused the command: it is a replica, is full, or cannot write to its disk."""
    cause = error.__cause__ if isinstance(error, ConnectionInterrupted) else error
    return isinstance(cause, ResponseError)
