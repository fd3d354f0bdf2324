"""Before the range's own pages: what another site sends never starts an attack, and what waits leaves threads free."""

from collections.abc import Callable
from threading import BoundedSemaphore

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from security.origin import SAFE_METHODS, came_from_here

# What a form asks for can wait for Chromium, or for another address of this server. With a thread for each that waits,
# none would be left to answer the pages of the case that runs.
WAITING_MAX = 8
BUSY = "Too many requests are waiting. Try again in a moment."
ELSEWHERE = "This request came from another site, so it was refused."


class PagesGate:
    """Refuses what a browser says came from elsewhere, but for a link that a person follows: 403. These pages have no
    login. 503 for a form when too many are waiting.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.places = BoundedSemaphore(WAITING_MAX)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method in SAFE_METHODS:
            # An image of another site would begin a visit for each time it is loaded, and push out those of people.
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
