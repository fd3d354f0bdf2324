"""Answers for a supervisor: whether the process is alive, and whether it can do its work."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from jwt_demo.key_rotation import reminders
from jwt_demo.revocation import evicts
from security import housekeeping
from security.models import PendingRevocation
from security.outages import OUTAGE_RETRY_AFTER, OUTAGES, refuses

# The caches of `config.stores`, by what is kept in them.
STORES = {"sessions": "sessions", "throttle": "default", "denylist": "denylist"}
DOWN, READ_ONLY = "unavailable", "takes no writes"


@csrf_exempt  # or another method than GET would be a 403 about a token instead of a 405
@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 as long as this process answers. Asks no store, because restarting the process would not repair one."""
    return JsonResponse({"status": "ok"})


@csrf_exempt  # or another method than GET would be a 403 about a token instead of a 405
@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 if every store answers and takes writes, otherwise 503. Says which store does not, how many revocations wait
    for a store, whether the denylist may lose entries, what must be done about the keys, and when housekeeping ran.

    Only the stores decide about the 503. A 503 for the rest would take all web processes out of service at once.
    """
    checks = {"database": _try(_database)} | {name: _try(partial(_store, alias)) for name, alias in STORES.items()}
    ready = all(check == "ok" for check in checks.values())
    down = checks["database"] == DOWN
    report = DOWN if down else _try(housekeeping.report)
    pending = DOWN if down else _try(_pending)
    forgets = DOWN if checks["denylist"] == DOWN else _try(_eviction)
    due = " ".join(reminders()) or "ok"
    body = {"ready": ready, "checks": checks, "pending": pending, "denylist": forgets, "keys": due}
    response = JsonResponse(body | {"housekeeping": report}, status=200 if ready else 503)
    if not ready:
        response["Retry-After"] = str(OUTAGE_RETRY_AFTER)
    return response


def _try(check: Callable[[], Any]) -> Any:
    try:
        return check()
    except OUTAGES:
        return DOWN


def _database() -> str:
    ask = "SHOW transaction_read_only" if connection.vendor == "postgresql" else "SELECT 1"
    with connection.cursor() as cursor:
        cursor.execute(ask)
        return READ_ONLY if cursor.fetchone()[0] == "on" else "ok"


def _store(alias: str) -> str:
    try:
        # A write that changes nothing. A replica and a full store answer everything but writes.
        get_redis_connection(alias).set("readyz", 1, xx=True)
    except RedisError as error:
        if refuses(error):
            return READ_ONLY
        raise
    return "ok"


def _eviction() -> str:
    policy = evicts()
    return f"may forget: maxmemory-policy is {policy}" if policy else "ok"


def _pending() -> int:
    return PendingRevocation.objects.count()
