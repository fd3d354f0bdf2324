"""The exception handler of `JsonView`: every refusal of a JSON endpoint has one form."""

from typing import Any

from django.http import HttpResponse
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler
from rest_framework.views import set_rollback

from security import refusals
from security.backends import InvalidCredentials
from security.outages import OUTAGE_RETRY_AFTER, OUTAGES
from security.refusals import Refused
from security.throttle import Throttled

UNAVAILABLE = "Unavailable for a moment"
SENTENCES = {
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    406: "Only application/json is served here",
    411: "Length required",
    413: "Too large",
    415: "Unsupported media type: send application/json",
}


# DRF's own exceptions for a body, and the name of each check in the log.
CHECKS = {exceptions.UnsupportedMediaType: "media type", exceptions.ParseError: "json"}


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """`{"error": …}` for every refusal, also 503 while a store is away. `None` for an error in the code: 500."""
    if isinstance(error, OUTAGES):
        set_rollback()
        return Response({"error": UNAVAILABLE}, 503, headers={"Retry-After": str(OUTAGE_RETRY_AFTER)})
    if isinstance(error, Throttled):
        return Response({"error": "Too many attempts"}, 429, headers={"Retry-After": str(error.retry_after)})
    if isinstance(error, InvalidCredentials):
        error = exceptions.AuthenticationFailed("Invalid credentials")
    response = drf_exception_handler(error, context)
    if response is not None:
        response.data = _body(error, response, context["view"])
        _log(error, response, context["request"])
    return response


def _body(error: Exception, response: Response, view: Any) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        fields = response.data if isinstance(response.data, dict) else {"": response.data}
        general = fields.get("non_field_errors")
        return (
            {"error": str(general[0])} if general else {"error": "Some fields are missing or wrong.", "fields": fields}
        )
    if isinstance(error, exceptions.NotAuthenticated):
        return {"error": getattr(view, "unauthenticated", "Not authenticated")}
    if isinstance(error, Refused) and response.status_code in SENTENCES:
        return {"error": SENTENCES[response.status_code], "detail": error.sentence}
    return {"error": SENTENCES.get(response.status_code) or str(response.data["detail"])}


def _log(error: Exception, response: Response, request: Request) -> None:
    if isinstance(error, Refused):
        refusals.log(request._request, error.check, error.sentence, error.deployment)
    elif check := CHECKS.get(type(error)):
        refusals.log(request._request, check, response.data["error"])
