"""What is logged, and what never is: JSON lines, a line a request, and no secret that stood in a path.

Needs python-json-logger. Gives the handler, the formatter, the filter and the middleware that settings name.
"""

import json
import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter as BaseFormatter

from security.client import address_of

logger = logging.getLogger("site.request")
# Reset links, session ids and tokens are all longer than any word in our addresses.
SECRET = re.compile(r"[\w\-.:=%]{20,}")
EXCEPTION_TEXT = re.compile(r"^(?!  )((?:[\w.]+: )?)(.*)$", re.MULTILINE)
# What `JsonFormatter` would write. Each %s is a value that `json.dumps` has encoded.
REQUEST_LINE = (
    '{"level": "INFO", "logger": "site.request", "message": "request", "method": %s, "route": %s, "status": %d, '
    '"ms": %.1f, "address": %s, "at": "%s"}'
)


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


class Output(logging.StreamHandler[TextIO]):
    """The stream of the log, which also takes lines that are no records."""

    def write_line(self, line: str) -> None:
        """Writes `line` at once and as a whole. What cannot be written is lost: it must not fail a request."""
        with suppress(OSError, ValueError):
            self.acquire()
            try:
                self.stream.write(f"{line}{self.terminator}")
                self.stream.flush()
            finally:
                self.release()


class RequestLogMiddleware:
    """One line a request. It names the route, not the path: a path can hold a reset token.

    A record of `logging`, its filter and its formatter would take longer than all other middleware together. Cannot be
    made where no handler of the root logger is an `Output`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.outputs = [handler for handler in logging.getLogger().handlers if isinstance(handler, Output)]
        if not self.outputs:
            raise ImproperlyConfigured(
                "RequestLogMiddleware needs a handler of the class config.log.Output in LOGGING."
            )

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        if logger.isEnabledFor(logging.INFO):
            line = _request_line(request, response, time.perf_counter() - started)
            for output in self.outputs:
                output.write_line(line)
        return response


def _request_line(request: HttpRequest, response: HttpResponse, seconds: float) -> str:
    encode = json.dumps
    route = request.resolver_match.route if request.resolver_match else None
    return REQUEST_LINE % (
        encode(request.method),
        encode(route),
        response.status_code,
        seconds * 1000,
        encode(address_of(request)),
        datetime.now(UTC).isoformat(),
    )
