"""`/lab/remember/`: the box ticked or not, both ways, and what is left when the browser was closed."""

from dataclasses import asdict
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from lab.claims.sandbox import FLOWS, stage
from lab.experiments.remember_me import Lane, played
from lab.pages import show


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The box; a POST logs a throwaway person in both ways."""
    asked = request.POST if request.method == "POST" else request.GET
    remember = asked.get("remember", "")
    if remember not in ("", "yes"):
        problem = "The box can only be ticked or not."
        return show(request, "lab/remember.html", {"problem": problem}, {"error": problem}, 400)
    lanes = _played(remember == "yes") if request.method == "POST" else []
    context: dict[str, Any] = {"remember": remember == "yes", "lanes": lanes}
    return show(request, "lab/remember.html", context, [asdict(lane) for lane in lanes])


def _played(remember: bool) -> list[Lane]:
    with stage() as scene:
        return [played(scene, flow, remember) for flow in FLOWS]
