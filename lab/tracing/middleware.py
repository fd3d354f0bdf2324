"""The outermost middleware, which sees the whole request and the whole answer."""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from lab.tracing import trace
from lab.tracing.runs import Run

logger = logging.getLogger("site.lab")
# The lab's own pages, static files and the question of the strip are not part of the comparison.
UNTRACED = ("/lab/", "/claims/", "/start/", "/static/", "/browser-now")
# An exception: this whoami of the lab is compared with those of the two flows.
TRACED = "/lab/whoami/"
TRANSACTION_COMMANDS = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK")


class TraceMiddleware:
    """Records each request for `Server-Timing`, and for the run of the browser if it has begun one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not trace.ENABLED.get():
            return self.get_response(request)
        recording = trace.Recording()
        response = self._keep_trace(request, recording)
        try:
            timing = trace.server_timing(recording) + _keep_exchange(request, response, recording)
            # Set last, so that the sizes in the exchange do not include this header.
            response["Server-Timing"] = timing
        except Exception:
            # The request has been carried out. A 500 would say that it was not.
            logger.exception("trace failed")
        return response

    def _keep_trace(self, request: HttpRequest, recording: trace.Recording) -> HttpResponseBase:
        token = trace.CURRENT_RECORDING.set(recording)
        try:
            # A proof sends requests from within a request. On the same connection, a second wrapper would note each
            # query twice; in another thread, the connection has no wrapper yet.
            if _time_query in connection.execute_wrappers:
                return self.get_response(request)
            with connection.execute_wrapper(_time_query):
                return self.get_response(request)
        finally:
            trace.CURRENT_RECORDING.reset(token)


def _keep_exchange(request: HttpRequest, response: HttpResponseBase, recording: trace.Recording) -> str:
    """Keeps the exchange if a proof or a run collects it. Returns the time that this took, for `Server-Timing`."""
    run, sink = Run.of(request), trace.COLLECTED.get()
    if not (run or sink is not None) or not _is_traced(request.path_info):
        return ""
    started = time.perf_counter()
    exchange = trace.exchange(request, response, recording)
    if sink is not None:
        sink.append(exchange)
    elif run:
        run.add(exchange)
    return f", trace;dur={(time.perf_counter() - started) * 1000:.2f}"


def _is_traced(path: str) -> bool:
    return path.startswith(TRACED) or not path.startswith(UNTRACED)


def _time_query(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    # Commands about transactions are not queries. BEGIN comes through here only with SQLite, so that the number of
    # steps would depend on the database.
    if sql.startswith(TRANSACTION_COMMANDS):
        return execute(sql, params, many, context)
    started = time.perf_counter()
    try:
        return execute(sql, params, many, context)
    finally:
        trace.note("sql", sql[:2000], started)
