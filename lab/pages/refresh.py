"""`/lab/refresh/`: owner and thief over one refresh token. The address names a scene; a POST plays it."""

from dataclasses import asdict
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from lab.claims.sandbox import stage
from lab.experiments import rotation
from lab.experiments.rotation import SCENES, WINDOWS
from lab.pages import show

FIRST = "thief-first"


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The scene that is asked for, or the first; after a POST, as it was played."""
    asked = request.POST if request.method == "POST" else request.GET
    scene, window = asked.get("scene", FIRST), asked.get("window", str(WINDOWS[0]))
    if scene not in SCENES or window not in map(str, WINDOWS):
        body = {"error": "There is no such scene. Choose one of these."}
        return _shown(request, FIRST, WINDOWS[0], body, 400 if request.method == "POST" else 404)
    body = _played(scene, int(window)) if request.method == "POST" else {}
    return _shown(request, scene, int(window), body)


def _played(scene: str, window: int) -> dict[str, Any]:
    with stage() as theatre:
        played = rotation.play(theatre, scene, window)
        end = rotation.roll_call(played)
    steps = [asdict(step) | {"alarm": step.alarm} for step in played.steps]
    return {"steps": steps, "end": end, "scene": scene, "window": window}


def _shown(request: HttpRequest, scene: str, window: int, body: dict[str, Any], status: int = 200) -> HttpResponse:
    script = [
        {"number": number, "actor": move.actor, "says": move.says} for number, move in enumerate(SCENES[scene].moves, 1)
    ]
    steps = body.get("steps", script)
    context = {
        "scenes": SCENES,
        "windows": WINDOWS,
        "steps": steps,
        "scene": scene,
        "window": window,
        "about": SCENES[scene],
    }
    return show(request, "lab/refresh.html", context | body, body, status)
