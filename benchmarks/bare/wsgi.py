"""A WSGI application that answers every request with the same small JSON."""

from collections.abc import Iterable
from typing import Any

BODY = b'{"status": "ok"}'


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Does the least that an application can do."""
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))])
    return [BODY]
