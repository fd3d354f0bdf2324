"""The request that the gateway asks about, and a refusal as each gateway can pass it on."""

import json
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase


class OriginalMethodMiddleware:
    """Gives the question the method of the request it is about: the gateway asks by GET.

    Without it the origin gate and the CSRF check would let every request pass, and another site's form could order
    something with the user's session.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith("/check/"):
            _become_original(request)
        return self.get_response(request)


def _become_original(request: HttpRequest) -> None:
    # Not by `request.headers`, which would keep what is replaced below.
    request.method = request.META.get("HTTP_X_FORWARDED_METHOD", "POST").upper()
    # The body stays at the gateway.
    request.META["CONTENT_LENGTH"] = "0"
    # A refusal is for the client of a service, and those answer in JSON.
    request.META["HTTP_ACCEPT"] = "application/json"


class RefusalHeaderMiddleware:
    """Writes a refusal also into a header: nginx throws the body of an answer to `auth_request` away."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code >= 400 and response.headers.get("Content-Type") == "application/json":
            # As ASCII, in one line.
            response["X-Refusal"] = json.dumps(json.loads(response.content))
        return response
