"""The OpenAPI description: what drf-spectacular cannot see by itself."""

import threading
from typing import Any

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

# What any JSON endpoint may answer besides what its view names.
REFUSALS = {
    "400": "The body is not what it should be.",
    "401": "No credential, or one that is no longer good; at login, a wrong one.",
    "403": "From another site or without the CSRF token, and `detail` says which; or not allowed.",
    "404": "No such thing of yours.",
    "411": "The body has no Content-Length.",
    "413": "The body is too large.",
    "415": "The body is not application/json.",
    "429": "Too many failed attempts; `Retry-After` says how long to wait.",
    "503": "A store is away; `Retry-After` says when to try again. The credential stays good.",
}
CSRF = {
    "type": "apiKey",
    "in": "header",
    "name": "X-CSRFToken",
    "description": "The value of the CSRF cookie, which GET /session/api/ sets and repeats in a header of this name.",
}
REFUSAL = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string"},
        "detail": {
            "type": "string",
            "description": "Which check refused, the header or field that decided, what to send.",
        },
        "fields": {"type": "object", "additionalProperties": True},
    },
}


def add_refusals(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """A postprocessing hook: every operation may be refused, in one form; unsafe ones of a session want a token."""
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
    # Where a view takes a session or an access token, only the session wants the CSRF token beside it.
    if schemes := operation.get("security", [{}] if always else []):
        operation["security"] = [
            {"csrf": []} | scheme if always or "session" in scheme else scheme for scheme in schemes
        ]


class SchemaView(SpectacularAPIView):
    """The description, made by one thread at a time.

    The generator loads its extensions at the first use, and two threads that do so at once break it.
    """

    lock = threading.Lock()

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with self.lock:
            return super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
