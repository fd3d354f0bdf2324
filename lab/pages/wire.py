"""`/lab/wire/`: the requests of a scenario or of this browser, as a diagram, in words, and as curl."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from lab.experiments import scenarios
from lab.experiments.scenarios import SCENARIOS
from lab.pages import render_page
from lab.tracing import runs
from lab.tracing.curl import curl_command
from lab.tracing.runs import Run
from lab.tracing.sequence import with_arrows

UNKNOWN = "There is no such scenario. Choose one of the scenarios below."


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """Shows what this browser has recorded so far. A POST plays a scenario, or begins or ends a recording."""
    if request.method != "POST":
        return _render(request, _recording_context(Run.of(request)))
    action = request.POST.get("action", "")
    if action == "record":
        return _begin_recording(request)
    if action == "stop":
        return _stop_recording(request)
    scenario = SCENARIOS.get(request.POST.get("scenario", ""))
    if scenario is None:
        return render_page(request, "lab/wire.html", _context(problem=UNKNOWN), {"error": UNKNOWN}, status=400)
    played = {"played": scenario, "chosen": scenario.name, "exchanges": scenarios.run(scenario)}
    return _render(request, played | {"recording": bool(Run.of(request))})


def _begin_recording(request: HttpRequest) -> HttpResponse:
    run = Run.begin(request)
    response = _render(request, {"recording": True, "run": run.name, "exchanges": []})
    run.set_cookie(response)
    return response


def _stop_recording(request: HttpRequest) -> HttpResponse:
    # The answer shows the recording, because without the cookie it cannot be read again.
    response = _render(request, _recording_context(Run.of(request)) | {"recording": False, "stopped": True})
    runs.delete_run_cookie(response)
    return response


def _recording_context(run: Run | None) -> dict[str, Any]:
    kept = run.read() if run else None
    if run is None or kept is None:
        return {"exchanges": []}
    return {"recording": True, "run": run.name, "exchanges": [with_arrows(entry) for entry in kept]}


def _render(request: HttpRequest, found: dict[str, Any]) -> HttpResponse:
    chosen = found.get("chosen") or request.GET.get("scenario", "")
    body = {"scenario": found.get("chosen", ""), "exchanges": found["exchanges"]}
    found["listed"] = [(entry, curl_command(entry)) for entry in found["exchanges"]]
    return render_page(request, "lab/wire.html", _context(**found | {"chosen": chosen}), body)


def _context(**more: Any) -> dict[str, Any]:
    return {"scenarios": list(SCENARIOS.values()), **more}
