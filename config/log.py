"""What is logged, and what never is: JSON lines, a line a request, and no secret that stood in a path.

Needs python-json-logger. Gives the formatter, the filter and the middleware that settings name.
"""

import logging
import re
import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter as BaseFormatter

from security.client import Client

logger = logging.getLogger("site.request")
# Reset links, session ids and tokens are all longer than any word in our addresses.
SECRET = re.compile(r"[\w\-.:=%]{20,}")
EXCEPTION_TEXT = re.compile(r"^(?!  )((?:[\w.]+: )?)(.*)$", re.MULTILINE)


class JsonFormatter(BaseFormatter):
    """One JSON object a line. Its escapes keep line breaks and terminal codes from forging a line."""

    def __init__(self, **kwargs: Any) -> None:
        # Django attaches the request, whose text is its path and query.
        reserved = [*RESERVED_ATTRS, "request", "server_time", "color_message"]
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="at",
            reserved_attrs=reserved,
            **kwargs,
        )

    def formatException(self, ei: Any) -> str:
        # A trace ends with the exception's text, which can quote the path or the Host. Its lines of
        # code are indented and stay as they are.
        trace = str(super().formatException(ei))
        return EXCEPTION_TEXT.sub(lambda line: line[1] + SECRET.sub("[masked]", line[2]), trace)


class MaskFilter(logging.Filter):
    """Masks what could be a token in the lines that Django and the server write about a path."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("site."):
            record.msg, record.args = SECRET.sub("[masked]", record.getMessage()), ()
        return True


class RequestLogMiddleware:
    """One line a request. It names the route, not the path: a path can hold a reset token."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        logger.info(
            "request",
            extra={
                "method": request.method,
                "route": request.resolver_match.route if request.resolver_match else None,
                "status": response.status_code,
                "ms": round((time.perf_counter() - started) * 1000, 1),
                "address": Client.of(request).address,
            },
        )
        return response
