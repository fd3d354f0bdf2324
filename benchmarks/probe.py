"""The site as `benchmarks.candidates` serves it, by WSGI and by ASGI, with three more addresses.

One answers with the request's fields as the application sees them, one waits, and one does nothing. They are never
part of the site.
"""

import json
import time
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIRequest

from config import wsgi

SECONDS = 1.0


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The site by WSGI."""
    answer = ANSWERS.get(environ["PATH_INFO"])
    if answer is None:
        return wsgi.application(environ, start_response)
    body = answer(environ)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """The site by ASGI. Django itself turns the names of the fields into those of WSGI."""
    answer = ANSWERS.get(scope.get("path", ""))
    if answer is None:
        await site(scope, receive, send)
        return
    body = await sync_to_async(answer)(ASGIRequest(scope, BytesIO()).META)
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _seen(meta: dict[str, Any]) -> bytes:
    return json.dumps({name: meta[name] for name in meta if name.startswith(("HTTP_", "CONTENT_"))}).encode()


def _slow(_: dict[str, Any]) -> bytes:
    time.sleep(SECONDS)
    return b"slept"


ANSWERS: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "/probe/seen": _seen,
    "/probe/slow": _slow,
    "/probe/nothing": lambda _: b"ok",
}
site = get_asgi_application()
