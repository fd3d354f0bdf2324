"""Middleware for every request to `orders` or `billing`, with or without the gateway."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase


class PrivateAnswers:
    """Forbids caches to store an answer, and pages to show it in a frame."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response["Cache-Control"] = "no-store"
        response["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        return response


class BodyLimit:
    """Refuses a body that is too large (413), and one of unknown length (411).

    DRF has no limit for a body. Django ignores a body without Content-Length, so its fields would seem to be missing.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "Transfer-Encoding" in request.headers:
            return JsonResponse({"detail": "Send the header Content-Length, and no Transfer-Encoding."}, status=411)
        # `int` cannot fail here, because gunicorn refuses a Content-Length that is not a number.
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return JsonResponse({"detail": "The body is too large."}, status=413)
        return self.get_response(request)


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answers an unknown address in JSON, as the other answers are. For `handler404`."""
    return JsonResponse({"detail": "Not found."}, status=404)
