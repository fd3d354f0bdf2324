"""JSON views that begin, read and end a recording of what this browser does. A browser can read only its own."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views import View

from lab.tracing import runs
from lab.tracing.runs import Run
from lab.tracing.sequence import with_arrows


@method_decorator(login_not_required, name="dispatch")
class RunList(View):
    """Begins and ends recordings. A browser makes one at a time."""

    http_method_names = ["post", "delete"]

    def post(self, request: HttpRequest, *args: Any) -> HttpResponse:
        """Begins one: 201 with its name. From now on this browser's requests are kept for an hour."""
        run = Run.begin(request)
        response = JsonResponse({"run": run.name}, status=201)
        run.set_cookie(response)
        return _uncached(response)

    def delete(self, request: HttpRequest, *args: Any) -> HttpResponse:
        """Ends it: 204. The exchanges stay until their hour is over, but cannot be read without the cookie."""
        response = HttpResponse(status=204)
        runs.delete_run_cookie(response)
        return _uncached(response)


@method_decorator(login_not_required, name="dispatch")
class RunExchanges(View):
    """One recording."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, run: str) -> HttpResponse:
        """Its exchanges, in order; 404 for a browser that did not make it."""
        mine = Run.of(request, run)
        exchanges = mine.read() if mine else None
        if exchanges is None:
            return _uncached(JsonResponse({"error": "No such recording"}, status=404))
        return _uncached(JsonResponse({"run": run, "exchanges": [with_arrows(entry) for entry in exchanges]}))


def _uncached(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
