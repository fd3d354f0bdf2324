"""The page `wire`: a play, or what this browser does, as a diagram, in words, and as curl."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from lab.experiments import scenarios
from lab.experiments.scenarios import SCENARIOS
from lab.pages import show
from lab.tracing import runs
from lab.tracing.curl import curl
from lab.tracing.runs import Run
from lab.tracing.sequence import drawn

UNKNOWN = "There is no such scenario. Choose one of those below."


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """Shows what this browser has recorded so far. A POST plays a scenario, or begins or ends a recording."""
    if request.method != "POST":
        return _shown(request, _recorded(Run.of(request)))
    action = request.POST.get("action", "")
    if action == "record":
        return _begin(request)
    if action == "stop":
        return _stop(request)
    scenario = SCENARIOS.get(request.POST.get("scenario", ""))
    if scenario is None:
        return show(request, "lab/wire.html", _context(problem=UNKNOWN), {"error": UNKNOWN}, status=400)
    played = {"played": scenario, "chosen": scenario.name, "exchanges": scenarios.run(scenario)}
    return _shown(request, played | {"recording": bool(Run.of(request))})


def _begin(request: HttpRequest) -> HttpResponse:
    run = Run.begin(request)
    response = _shown(request, {"recording": True, "run": run.name, "exchanges": []})
    run.give_to(response)
    return response


def _stop(request: HttpRequest) -> HttpResponse:
    # Once the cookie is gone nobody can read it, so this is the last look.
    response = _shown(request, _recorded(Run.of(request)) | {"recording": False, "stopped": True})
    runs.stop(response)
    return response


def _recorded(run: Run | None) -> dict[str, Any]:
    kept = run.read() if run else None
    if run is None or kept is None:
        return {"exchanges": []}
    return {"recording": True, "run": run.name, "exchanges": [drawn(entry) for entry in kept]}


def _shown(request: HttpRequest, found: dict[str, Any]) -> HttpResponse:
    chosen = found.get("chosen") or request.GET.get("scenario", "")
    body = {"scenario": found.get("chosen", ""), "exchanges": found["exchanges"]}
    found["listed"] = [(entry, curl(entry)) for entry in found["exchanges"]]
    return show(request, "lab/wire.html", _context(**found | {"chosen": chosen}), body)


def _context(**more: Any) -> dict[str, Any]:
    return {"scenarios": list(SCENARIOS.values()), **more}
