"""`/start/`: the coat check, a story of five pages. A POST sends the requests of a page, and shows the answers."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from lab.experiments import coat_check
from lab.experiments.coat_check import STEPS
from lab.pages import render_page

FIRST = next(iter(STEPS))
NOT_ASKED = "The form did not ask for the requests, so none was sent. Press “Ask the server”."
UNKNOWN = "There is no such answer. Choose one of the answers below."


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, name: str = FIRST) -> HttpResponse:
    """One step. 404 for an unknown step, 400 for an unknown answer, and for a form without `ask`."""
    step = STEPS.get(name)
    if step is None:
        raise Http404
    if request.path != address(name):
        return redirect(address(name), permanent=True)
    context = _context(name)
    if request.method != "POST":
        return render_page(request, "lab/start.html", context)
    guess = request.POST.get("guess", "")
    problem = NOT_ASKED if "ask" not in request.POST else UNKNOWN if guess and guess not in step.answers else ""
    if problem:
        return render_page(request, "lab/start.html", context | {"problem": problem}, {"error": problem}, 400)
    outcome = coat_check.play(step)
    found = {"guess": step.answers.get(guess, ""), "right": step.answers.get(outcome.right, "")}
    return render_page(request, "lab/start.html", context | found | {"exchanges": outcome.exchanges}, found)


def _context(name: str) -> dict[str, Any]:
    names = list(STEPS)
    number = names.index(name)
    return {
        "step": STEPS[name],
        "number": number + 1,
        "steps": [(address(each), STEPS[each].title) for each in names],
        "back": address(names[number - 1]) if number else "",
        "next": address(names[number + 1]) if number + 1 < len(names) else "",
    }


def address(name: str) -> str:
    """The path of a step."""
    return reverse("lab:start") if name == FIRST else reverse("lab:start_step", args=[name])
