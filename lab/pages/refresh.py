"""`/lab/refresh/`: an owner and a thief with the same refresh token. The address names a scene; a POST plays it."""

from dataclasses import asdict
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from lab.claims.sandbox import open_sandbox
from lab.experiments import rotation
from lab.experiments.rotation import GRACE_PERIODS, SCENES
from lab.pages import render_page

FIRST_SCENE = "thief-first"


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The moves of the chosen scene, or of the first. A POST plays the scene and shows what happened."""
    asked = request.POST if request.method == "POST" else request.GET
    scene, grace_period = asked.get("scene", FIRST_SCENE), asked.get("grace_period", str(GRACE_PERIODS[0]))
    if scene not in SCENES or grace_period not in map(str, GRACE_PERIODS):
        body = {"error": "There is no such scene. Choose one of the scenes below."}
        return _render(request, FIRST_SCENE, GRACE_PERIODS[0], body, 400 if request.method == "POST" else 404)
    body = _play(scene, int(grace_period)) if request.method == "POST" else {}
    return _render(request, scene, int(grace_period), body)


def _play(scene: str, grace_period: int) -> dict[str, Any]:
    with open_sandbox() as sandbox:
        played = rotation.play_scene(sandbox, scene, grace_period)
        end = rotation.logins_at_the_end(played)
    steps = [asdict(step) | {"alarm": step.alarm} for step in played.steps]
    return {"steps": steps, "end": end, "scene": scene, "grace_period": grace_period}


def _render(
    request: HttpRequest, scene: str, grace_period: int, body: dict[str, Any], status: int = 200
) -> HttpResponse:
    script = [
        {"number": number, "actor": move.actor, "description": move.description}
        for number, move in enumerate(SCENES[scene].moves, 1)
    ]
    steps = body.get("steps", script)
    context = {
        "scenes": SCENES,
        "grace_periods": GRACE_PERIODS,
        "steps": steps,
        "scene": scene,
        "grace_period": grace_period,
        "about": SCENES[scene],
    }
    return render_page(request, "lab/refresh.html", context | body, body, status)
