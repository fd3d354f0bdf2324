"""Two questions a supervisor asks: does the process live, and can it do its work."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django_redis import get_redis_connection

from accounts import housekeeping
from accounts.models import PendingWithdrawal
from accounts.outages import OUTAGES
from config.errors import OUTAGE_RETRY_AFTER
from jwt_demo.revocation import evicts


@csrf_exempt  # or another method than GET would be a 403 about a token instead of a 405
@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 as long as this process answers. It asks no store: restarting us would not mend one."""
    return JsonResponse({"status": "ok"})


@csrf_exempt  # or another method than GET would be a 403 about a token instead of a 405
@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every store answers, else 503; how many withdrawals a store has yet to hear of; when housekeeping ran.

    Late housekeeping, and a denylist that may forget, are told but are no 503: that would take every web
    process out of service at once.
    """
    checks = {"database": _try(_database), "store": _try(_store)}
    ready = all(check == "ok" for check in checks.values())
    # What hangs has been waited for once already.
    down = checks["database"] != "ok"
    told = "unavailable" if down else _try(housekeeping.report)
    pending = "unavailable" if down else _try(_pending)
    denylist = _try(_denylist) if checks["store"] == "ok" else "unavailable"
    body = {"ready": ready, "checks": checks, "pending": pending, "denylist": denylist, "housekeeping": told}
    response = JsonResponse(body, status=200 if ready else 503)
    if not ready:
        response["Retry-After"] = str(OUTAGE_RETRY_AFTER)
    return response


def _try(check: Callable[[], Any]) -> Any:
    try:
        return check()
    except OUTAGES:
        return "unavailable"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _store() -> str:
    get_redis_connection("default").ping()
    return "ok"


def _denylist() -> str:
    policy = evicts()
    return f"may forget: maxmemory-policy is {policy}" if policy else "ok"


def _pending() -> int:
    return PendingWithdrawal.objects.count()
