"""Logs each request of the gateway at each process that it passes: the headers that arrived, and the work done for it.

The gateway gives each request an id and writes an access log. The processes behind it log a line with the same id, and
the lab shows the lines of one request together.
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
# Headers whose values are logged. Any other header may hold a credential. Of those, only the first characters, the
# length and a part of the SHA-256 are logged, which is enough to tell two values apart.
OPEN = {"Host", "Accept", "Content-Type", "Content-Length", "Connection", "Via", "X-User-Id", "X-User-Role"}
OPEN |= {"X-Request-Id", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Method"}
# Bytes of a log file. One older file is kept as well.
LARGEST = 512 * 1024
# The ids of Caddy (a UUID) and of nginx (32 hexadecimal digits).
REQUEST_ID = re.compile(r"[0-9a-f-]{32,36}")
# The work done for the current request: a count for each kind.
_work: ContextVar[dict[str, int] | None] = ContextVar("work", default=None)


@contextmanager
def noted(kind: str) -> Iterator[None]:
    """Counts one piece of work of this kind, such as `verify` or `sql`, for the log line of the current request."""
    work = _work.get()
    if work is not None:
        work[kind] = work.get(kind, 0) + 1
    yield


class HopMiddleware:
    """Logs a request that has an id. It must be the first middleware, so that it sees the headers as they arrived."""

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
        # The route instead of the path, because a client may have written a credential into the path.
        "route": request.resolver_match.route if request.resolver_match else None,
        "headers": {name: masked(name, value) for name, value in request.headers.items()},
        "status": response.status_code,
        "ms": round(seconds * 1000, 2),
        "work": work,
        # In `auth`, the site's trace adds this header. It counts the queries to the stores.
        "timing": response.headers.get("Server-Timing", ""),
    }


def masked(name: str, value: str) -> str:
    """The value of a header in the form in which it may be logged."""
    if name.title() in OPEN:
        return value[:200]
    return f"{value[:6]}… {len(value)} characters, sha256 {sha256(value.encode()).hexdigest()[:8]}"
