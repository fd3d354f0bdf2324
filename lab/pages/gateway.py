"""`/lab/gateway/`: a request to a service in three designs, and what arrived at each hop. A POST sends it."""

from dataclasses import asdict
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from lab.claims.evidence import NotRunning
from lab.claims.sandbox import open_sandbox
from lab.experiments.gateway import DESIGNS, WAYS, Design, Hop, Trip, try_way
from lab.experiments.trip_arrows import PARTICIPANTS, arrows
from lab.pages import render_page

TEMPLATE = "lab/gateway.html"
SERVICE = "orders"
UNKNOWN = "There is no such request. Choose one of the requests below."
BY_NAME = {way.name: way for way in WAYS}


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The designs and the requests to try. A POST sends one. 503 if the services do not run."""
    if request.method != "POST":
        return _render(request, {})
    way = BY_NAME.get(request.POST.get("way", ""))
    if way is None:
        return _render(request, {"error": UNKNOWN}, 400)
    try:
        with open_sandbox() as sandbox:
            tried = try_way(sandbox, way)
    except NotRunning as problem:
        return _render(request, {"error": str(problem)}, 503)
    return _render(request, {"way": way.name, "trips": [_as_json(design, trip) for design, trip in tried]})


def _render(request: HttpRequest, body: dict[str, Any], status: int = 200) -> HttpResponse:
    context = {"designs": DESIGNS, "ways": WAYS, "tried": BY_NAME.get(body.get("way", ""))}
    return render_page(request, TEMPLATE, context | body, body, status)


def _as_json(design: Design, trip: Trip) -> dict[str, Any]:
    """One design, for the diagram and the table of the page."""
    return {
        "name": design.name,
        "title": design.title,
        "lane": "session" if design.flow == "session" else "token",
        "status": trip.status,
        "user": trip.user_id,
        "ms": round(trip.ms, 1),
        "participants": PARTICIPANTS,
        "arrows": [asdict(arrow) for arrow in arrows(trip, SERVICE)],
        "hops": [_hop(hop) for hop in trip.hops],
        "lookups": sum(hop.lookups for hop in trip.hops),
    }


def _hop(hop: Hop) -> dict[str, Any]:
    return {
        "name": hop.name,
        "headers": sorted(hop.arrived.items()),
        "status": hop.status,
        "ms": hop.ms,
        "lookups": hop.lookups,
        "verified": hop.count("verify"),
        "signed": hop.count("sign"),
    }
