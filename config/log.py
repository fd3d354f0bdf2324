"""The log: JSON lines, one line for each request, and no secret that was in a path.

Needs python-json-logger. Gives the handler, the formatter, the filter and the middleware that the settings name.
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
# Tokens of reset links, session ids and JWTs are longer than any word in the URLs of this site.
SECRET = re.compile(r"[\w\-.:=%]{20,}")
EXCEPTION_TEXT = re.compile(r"^(?!  )((?:[\w.]+: )?)(.*)$", re.MULTILINE)
# The same line as `JsonFormatter` would write. Each %s is a value encoded by `json.dumps`.
REQUEST_LINE = (
    '{"level": "INFO", "logger": "site.request", "message": "request", "method": %s, "route": %s, "status": %d, '
    '"ms": %.1f, "address": %s, "at": "%s"}'
)


class JsonFormatter(BaseFormatter):
    """One JSON object per line. Line breaks and terminal codes are escaped, so that no text can forge a line."""

    def __init__(self, **kwargs: Any) -> None:
        # Django adds the request, whose text contains the path and the query.
        reserved = [*RESERVED_ATTRS, "request", "server_time", "color_message"]
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="at",
            reserved_attrs=reserved,
            **kwargs,
        )

    def formatException(self, ei: Any) -> str:
        # The text of the exception can quote the path or the Host. The lines of code are indented and stay as they
        # are.
        trace = str(super().formatException(ei))
        return EXCEPTION_TEXT.sub(lambda line: line[1] + SECRET.sub("[masked]", line[2]), trace)


class MaskFilter(logging.Filter):
    """Masks everything that could be a token in the lines of other loggers than the site's own."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("site."):
            record.msg, record.args = SECRET.sub("[masked]", record.getMessage()), ()
        return True


class Output(logging.StreamHandler[TextIO]):
    """The handler of the log. It also writes lines that are not records of `logging`."""

    def write_line(self, line: str) -> None:
        """Writes `line` as a whole and flushes it. A line that cannot be written is lost, so that no request fails."""
        with suppress(OSError, ValueError):
            self.acquire()
            try:
                self.stream.write(f"{line}{self.terminator}")
                self.stream.flush()
            finally:
                self.release()


class RequestLogMiddleware:
    """Logs one line for each request, with the route and not the path: a path can contain a reset token.

    It does without a record of `logging`, whose filter and formatter take longer than all other middleware together.
    Raises `ImproperlyConfigured` if no handler of the root logger is an `Output`.
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
