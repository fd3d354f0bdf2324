"""What every request to `orders` or `billing` passes, by whatever way it comes there."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase


class PrivateAnswers:
    """Marks every answer as one that no cache keeps and no page of another site shows."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response["Cache-Control"] = "no-store"
        response["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        return response


class BodyLimit:
    """Refuses what the views would read whatever its size (413), or would not see at all (411).

    DRF asks for no limit, and Django reads no body without a Content-Length: its fields would seem to be missing.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "Transfer-Encoding" in request.headers:
            return JsonResponse({"detail": "Send the header Content-Length, and no Transfer-Encoding."}, status=411)
        # The server has refused what is no number.
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return JsonResponse({"detail": "The body is too large."}, status=413)
        return self.get_response(request)


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    """For addresses that there are not, as `handler404`: in JSON, like everything else here."""
    return JsonResponse({"detail": "Not found."}, status=404)
