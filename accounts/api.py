"""What the JSON endpoints of both flows share: one base view, and errors in one form.

Needs DRF. Gives `JsonView`, `Subject`, the permission `IsAdmin` and the exception handler that settings name.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from rest_framework import exceptions, serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.views import exception_handler as drf_exception_handler

from accounts import refusals
from accounts.bodies import body_length
from accounts.models import User
from accounts.refusals import Refused
from accounts.throttle import Throttled
from accounts.verify import InvalidCredentials

# "cookies" would take the other flow's credential from the browser and leave it alive on the server.
CLEAR = {"Clear-Site-Data": '"cache"'}
SENTENCES = {
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    406: "Only application/json is served here",
    411: "Length required",
    413: "Too large",
    415: "Unsupported media type: send application/json",
}
# DRF's own refusals of a body, and the check that each stands for.
CHECKS = {exceptions.UnsupportedMediaType: "media type", exceptions.ParseError: "json"}


@dataclass(frozen=True)
class Subject:
    """Who the credential says is asking. Her row was not read."""

    pk: int
    role: str
    is_authenticated: bool = True


class IsAdmin(BasePermission):
    """The role `admin`: authenticated is not authorised."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.user.role == User.Role.ADMIN


class JsonView(APIView):
    """A view that reads and writes JSON about someone's access.

    `unauthenticated` is the sentence of its 401.
    """

    unauthenticated = "Not authenticated"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """What kind of body, then who, then what it says."""
        length, most = body_length(request._request), settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if length > most:  # DRF reads a body of any size
            raise Refused(413, "body size", f"The body has {length} bytes; this address accepts {most}.")
        if length and request._request.content_type != "application/json":
            # Other sites' forms can send the other types; the CSRF check would read such a body first.
            raise exceptions.UnsupportedMediaType(request.content_type)
        super().initial(request, *args, **kwargs)
        request.data  # noqa: B018  (a body that nobody asked for must be good JSON too)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Nothing here may be kept by a cache (RFC 6750 section 5.3, ASVS 14.3.2)."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response

    def read(self, serializer: type[serializers.Serializer]) -> dict[str, Any]:
        """The body, as `serializer` allows it. Raises `ValidationError`, a 400 that names the fields."""
        body = serializer(data=self.request.data)
        body.is_valid(raise_exception=True)
        return dict(body.validated_data)


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """`{"error": …}` for every refusal; `None` for what is nobody's fault here, such as an outage."""
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
        return {"error": view.unauthenticated}
    if isinstance(error, Refused) and response.status_code in SENTENCES:
        return {"error": SENTENCES[response.status_code], "detail": error.sentence}
    return {"error": SENTENCES.get(response.status_code) or str(response.data["detail"])}


def _log(error: Exception, response: Response, request: Request) -> None:
    if isinstance(error, Refused):
        refusals.log(request._request, error.check, error.sentence, error.deployment)
    elif check := CHECKS.get(type(error)):
        refusals.log(request._request, check, response.data["error"])
