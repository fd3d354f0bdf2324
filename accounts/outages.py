"""What a store that is away raises, by whichever library it was asked."""

from django.db import InterfaceError, OperationalError
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

OUTAGES = (OperationalError, InterfaceError, RedisError, ConnectionInterrupted)
