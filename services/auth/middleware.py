"""Prepares the gateway's subrequest for the checks, and a refusal for gateways that drop its body."""

import json
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase


class OriginalMethodMiddleware:
    """Gives the gateway's subrequest, which is a GET, the method of the client's request.

    Without it the origin gate and the CSRF check would let every request pass, and a form on another site could order
    something with the user's session.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith("/check/"):
            _become_original(request)
        return self.get_response(request)


def _become_original(request: HttpRequest) -> None:
    # `request.headers` is cached when it is first read, and would then keep the values that are replaced below.
    request.method = request.META.get("HTTP_X_FORWARDED_METHOD", "POST").upper()
    # The gateway does not send the body along.
    request.META["CONTENT_LENGTH"] = "0"
    # The gateway passes a refusal on to the client of a service, and the services answer in JSON.
    request.META["HTTP_ACCEPT"] = "application/json"


class RefusalHeaderMiddleware:
    """Copies a refusal into the header `X-Refusal`, because nginx discards the body of an answer to `auth_request`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code >= 400 and response.headers.get("Content-Type") == "application/json":
            # Parsed and written again, so that the header is ASCII in one line.
            response["X-Refusal"] = json.dumps(json.loads(response.content))
        return response
