"""Adds to the OpenAPI description what drf-spectacular cannot find out by itself."""

import threading
from typing import Any

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

# The answers that any JSON endpoint may give besides those that its view declares.
REFUSALS = {
    "400": "The body is not what it should be.",
    "401": "There is no credential, or it is no longer valid. At login: the name or the password is wrong.",
    "403": "The request came from another site or without the CSRF token (`detail` says which), or it is not allowed.",
    "404": "The user has no such object.",
    "411": "The body has no Content-Length.",
    "413": "The body is too large.",
    "415": "The body is not application/json.",
    "429": "Too many failed attempts; `Retry-After` says how long to wait.",
    "503": "A store is away; `Retry-After` says when to try again. The credential stays valid.",
}
CSRF = {
    "type": "apiKey",
    "in": "header",
    "name": "X-CSRFToken",
    "description": "The CSRF token. GET /session/api/ sends it in a header of this name, and sets the CSRF cookie.",
}
REFUSAL = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string"},
        "detail": {
            "type": "string",
            "description": "Which check refused the request, by which header or field, and what to send instead.",
        },
        "fields": {"type": "object", "additionalProperties": True},
    },
}


def add_refusals(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """A postprocessing hook. Adds the refusals to every operation, and the CSRF token to unsafe ones of a session."""
    result["components"]["schemas"]["Refusal"] = REFUSAL
    result["components"]["securitySchemes"]["csrf"] = CSRF
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    for path, methods in result["paths"].items():
        for method, operation in methods.items():
            if method != "get":
                _ask_for_csrf(operation, path.startswith("/session/"))
            for status, why in REFUSALS.items():
                operation["responses"].setdefault(status, {"description": why, "content": body})
    return result


def _ask_for_csrf(operation: dict[str, Any], always: bool) -> None:
    # If a view accepts a session or an access token, only the session needs the CSRF token as well.
    if schemes := operation.get("security", [{}] if always else []):
        operation["security"] = [
            {"csrf": []} | scheme if always or "session" in scheme else scheme for scheme in schemes
        ]


class SchemaView(SpectacularAPIView):
    """The description. Only one thread at a time generates it.

    The generator loads its extensions at the first use, and fails if two threads do so at once.
    """

    lock = threading.Lock()

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with self.lock:
            return super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
