"""`/lab/scale/`: a login at two web processes in turn, and after a restart of one. A POST runs an experiment."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from lab.claims.evidence import NotRunning
from lab.claims.sandbox import Sandbox, open_sandbox
from lab.experiments import scale
from lab.pages import render_page

TEMPLATE = "lab/scale.html"
UNKNOWN = "There is no such experiment. Choose one of the buttons below."
# The value of each button, and the experiment that it runs.
WAYS: dict[str, Callable[[Sandbox], list[Any]]] = {
    "turn": scale.in_turn,
    "restart": scale.after_restart,
    "grow": scale.grown,
}


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The experiments. A POST runs one. 503 if the workers do not run."""
    if request.method != "POST":
        return _render(request, {})
    way = request.POST.get("way", "")
    if way not in WAYS:
        return _render(request, {"error": UNKNOWN}, 400)
    try:
        with open_sandbox() as sandbox:
            found = [asdict(one) for one in WAYS[way](sandbox)]
    except NotRunning as problem:
        return _render(request, {"error": str(problem)}, 503)
    return _render(request, {"way": way, "found": found})


def _render(request: HttpRequest, body: dict[str, Any], status: int = 200) -> HttpResponse:
    context = {"requests": scale.REQUESTS, "members": scale.MEMBERS, "visitors": scale.VISITORS}
    return render_page(request, TEMPLATE, context | body, body, status)
