"""Break it yourself: the visitor turns defences off and attacks the project's own code without them."""

import os
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from attack_range.attacks import broken
from attack_range.browser import Unavailable
from attack_range.cases import Result
from attack_range.defences import Defence, all_of_them
from attack_range.running import Busy, run_all
from attack_range.switches import SWITCHES, Switch

UNKNOWN = "There is no such attack, or it has no such defence."


@dataclass(frozen=True)
class Layer:
    """One defence of a row, and whether it is on."""

    name: str
    switch: Switch
    on: bool


@dataclass(frozen=True)
class Card:
    """One row of the page. `through` is whether the attack succeeded, and `outcome` is what was seen of it."""

    defence: Defence
    layers: list[Layer]
    outcome: str = ""
    through: bool = False

    @property
    def slug(self) -> str:
        return self.defence.case.rpartition("/")[2]


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """All rows. A POST runs the attack `case` and shows the outcome. The defences named in the fields `on` stay on, and
    the others of the row are off. 400 for an unknown name, 503 when nothing can be run or the try broke off."""
    if request.method != "POST":
        return _render(request)
    found = [one for one in all_of_them() if one.case and one.case == request.POST.get("case")]
    on = request.POST.getlist("on")
    if not found or not set(on) <= set(found[0].off):
        return _render(request, status=400, problem=UNKNOWN)
    try:
        [result] = run_all([broken.chosen(found[0], [name for name in found[0].off if name not in on])])
    except (Unavailable, Busy) as error:
        return _render(request, status=503, problem=str(error))
    if "broke_off" in result.seen.detail:
        return _render(request, status=503, problem=result.seen.text)
    return _render(request, _card(found[0], on, result))


def _card(defence: Defence, on: list[str], result: Result | None = None) -> Card:
    layers = [Layer(name, SWITCHES[name], name in on) for name in defence.off]
    if result is None:
        return Card(defence, layers)
    return Card(defence, layers, f"{_still_on(layers, result)}{result.seen.text}", result.seen.succeeded)


def _still_on(layers: list[Layer], result: Result) -> str:
    if result.seen.succeeded:
        return ""
    labels = [layer.switch.label for layer in layers if layer.on]
    return f"Still on: {', '.join(labels) or 'none of these defences'}. "


def _render(request: HttpRequest, attacked: Card | None = None, status: int = 200, problem: str = "") -> HttpResponse:
    cards = [
        attacked if attacked and attacked.defence.case == one.case else _card(one, one.off) for one in all_of_them()
    ]
    switched = [card for card in cards if card.defence.case]
    site = f"http://localhost:{os.environ.get('PORT') or 8000}"
    context: dict[str, Any] = {"cards": switched, "problem": problem, "site": site}
    context["mutations"] = [card.defence for card in cards if card.defence.mutation]
    response = render(request, "attack_range/break_it.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response
