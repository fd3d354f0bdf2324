"""`/lab/remember/`: a login by each flow, with the box ticked or not, and what is left of it in a closed browser."""

from dataclasses import asdict
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from lab.claims.sandbox import FLOWS, open_sandbox
from lab.experiments.remember_me import Lane, try_flow
from lab.pages import render_page


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The form. A POST logs in a throwaway user by both flows."""
    asked = request.POST if request.method == "POST" else request.GET
    remember = asked.get("remember", "")
    if remember not in ("", "yes"):
        problem = "The box can only be ticked or not."
        return render_page(request, "lab/remember.html", {"problem": problem}, {"error": problem}, 400)
    lanes = _try_flows(remember == "yes") if request.method == "POST" else []
    context: dict[str, Any] = {"remember": remember == "yes", "lanes": lanes}
    return render_page(request, "lab/remember.html", context, [asdict(lane) for lane in lanes])


def _try_flows(remember: bool) -> list[Lane]:
    with open_sandbox() as sandbox:
        return [try_flow(sandbox, flow, remember) for flow in FLOWS]
