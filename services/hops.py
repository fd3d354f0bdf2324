"""What each process on a request's way wrote down about it: the headers that arrived, and what was looked up.

The gateway gives each request an id and writes an access log; the processes behind it write a line of the same kind,
with the id. The lab puts the lines together.
"""

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from logging.handlers import RotatingFileHandler
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase

logger = logging.getLogger("services.hops")
# Headers whose values are written down. Any other may hold a credential: its first characters and a digest tell two
# of them apart.
OPEN = {"Host", "Accept", "Content-Type", "Content-Length", "Connection", "Via", "X-User-Id", "X-User-Role"}
OPEN |= {"X-Request-Id", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Method"}
# Bytes of one file; one more is kept.
LARGEST = 512 * 1024
# As Caddy and as nginx write them.
REQUEST_ID = re.compile(r"[0-9a-f-]{32,36}")
# What was done for the request under way: how often, by kind.
_work: ContextVar[dict[str, int] | None] = ContextVar("work", default=None)


@contextmanager
def noted(kind: str) -> Iterator[None]:
    """Counts what is done inside, for the line about this request."""
    work = _work.get()
    if work is not None:
        work[kind] = work.get(kind, 0) + 1
    yield


class HopMiddleware:
    """Writes the line. Outermost, so that it sees all that arrived."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        handler = RotatingFileHandler(settings.HOP_LOG, maxBytes=LARGEST, backupCount=1)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        work: dict[str, int] = {}
        token, started = _work.set(work), time.perf_counter()
        try:
            with connection.execute_wrapper(_count_statement):
                response = self.get_response(request)
        finally:
            _work.reset(token)
        if REQUEST_ID.fullmatch(request_id := request.headers.get("X-Request-Id", "")):
            logger.info(json.dumps(_line(request, response, request_id, work, time.perf_counter() - started)))
        return response


def _count_statement(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    with noted("sql"):
        return execute(sql, params, many, context)


def _line(request: HttpRequest, response: HttpResponseBase, request_id: str, work: Any, seconds: float) -> Any:
    return {
        "request_id": request_id,
        "hop": settings.SERVICE,
        "method": request.method,
        # Not the address: a client may have written a credential there.
        "route": request.resolver_match.route if request.resolver_match else None,
        "headers": {name: masked(name, value) for name, value in request.headers.items()},
        "status": response.status_code,
        "ms": round(seconds * 1000, 2),
        "work": work,
        # The site's own trace counts what `auth` asks of the stores.
        "timing": response.headers.get("Server-Timing", ""),
    }


def masked(name: str, value: str) -> str:
    """The value of a header as it may be written down."""
    if name.title() in OPEN:
        return value[:200]
    return f"{value[:6]}… {len(value)} characters, sha256 {sha256(value.encode()).hexdigest()[:8]}"
