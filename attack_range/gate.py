"""Middleware of the range's own pages: another site cannot start an attack, and waiting forms leave threads free."""

from collections.abc import Callable
from threading import BoundedSemaphore

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from security.origin import SAFE_METHODS, came_from_here

# A form may have to wait for Chromium, or for another address of this server, and uses a thread meanwhile. Without this
# limit, waiting forms could use all threads, and none would be left to answer the pages of the case that runs.
WAITING_MAX = 8
BUSY = "Too many requests are waiting. Try again in a moment."
ELSEWHERE = "This request came from another site, so it was refused."


class PagesGate:
    """Answers 403 to a request from another site, unless a person follows a link, and 503 to a form when too many wait.

    These pages have no login, so only the origin of a request can be checked.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.places = BoundedSemaphore(WAITING_MAX)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method in SAFE_METHODS:
            # Otherwise each load of an image on another site would begin a visit, and push out the visits of people.
            return self.get_response(request) if _is_wanted(request) else _refusal(request, ELSEWHERE, 403)
        if not came_from_here(request):
            return _refusal(request, ELSEWHERE, 403)
        if not self.places.acquire(blocking=False):
            return _refusal(request, BUSY, 503)
        try:
            return self.get_response(request)
        finally:
            self.places.release()


def _is_wanted(request: HttpRequest) -> bool:
    return came_from_here(request) or request.headers.get("Sec-Fetch-Mode") == "navigate"


def _refusal(request: HttpRequest, sentence: str, status: int) -> HttpResponse:
    if request.path_info.startswith("/api/"):
        return JsonResponse({"error": sentence}, status=status)
    return HttpResponse(f"{sentence}\n", "text/plain", status)
