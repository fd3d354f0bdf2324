"""`/lab/keys/`: changes the signing key under running clients, by dates and at once. A POST runs and draws both."""

from datetime import datetime
from itertools import pairwise
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from jwt_demo.keys import DatedKey, State
from lab.experiments import key_change
from lab.experiments.key_change import (
    BEGINNINGS,
    FIRST_SERVER,
    MAX_AGE,
    PENDING,
    PLACES,
    REREAD,
    SECOND_SERVER,
    SECONDS,
    SERVICE,
    TOKEN_LIFE,
    WAYS,
    Busy,
    Played,
    Use,
)
from lab.pages import render_page

TEMPLATE = "lab/keys.html"
# Uses of a token that are less than this many seconds apart are drawn as one line.
GAP = 0.4
# A narrower band has no label: on a narrow screen the word would not fit.
NARROWEST_PERCENT = 14
TIMES = {"reread": REREAD, "max_age": MAX_AGE, "pending": PENDING, "token_life": TOKEN_LIFE, "seconds": SECONDS}


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """Explains the experiment. A POST runs it, or answers 503 if too many runs are under way."""
    if request.method != "POST":
        return _render(request, {})
    try:
        played = key_change.run()
    except Busy as error:
        response = _render(request, {"error": str(error)}, 503)
        response["Retry-After"] = str(round(SECONDS))
        return response
    return _render(request, {"ways": [_as_json(each) for each in played]})


def _render(request: HttpRequest, body: dict[str, Any], status: int = 200) -> HttpResponse:
    ticks = [(second, _percent(second)) for second in range(0, int(SECONDS) + 1, 2)]
    context = {"planned": WAYS, "times": TIMES, "changes": len(BEGINNINGS), "ticks": ticks, "states": list(State)}
    return render_page(request, TEMPLATE, context | body, body | {"times": TIMES}, status)


def _as_json(played: Played) -> dict[str, Any]:
    """One way, for the drawing and the tables of the page. Moments are in seconds from the start of the run."""
    lines = [_key_line(played, number, dated) for number, dated in enumerate(played.keys.values(), 1)]
    return {
        "name": played.way.name,
        "about": played.way.about,
        "keys": lines,
        "changes": [round(moment, 2) for moment in played.changes],
        "requests": played.count("verified") + played.count("refused"),
        "signed": played.count("signed"),
        "verified": played.count("verified"),
        "refused": played.count("refused"),
        "refused_by_servers": sum(played.count("refused", place=place) for place in (FIRST_SERVER, SECOND_SERVER)),
        "refused_by_other_server": played.refused_by_other_server(),
        "refused_by_service": played.count("refused", place=SERVICE),
        "servers_refused_for": round(played.longest_refusing(FIRST_SERVER, SECOND_SERVER), 2),
        "service_refused_for": round(played.longest_refusing(SERVICE), 2),
    }


def _key_line(played: Played, number: int, dated: DatedKey) -> dict[str, Any]:
    moments = {state.value: _seconds(played, getattr(dated, state)) for state in State}
    uses = [use for use in played.uses if use.kid == dated.key.kid]
    places = [_place_line(place, [use for use in uses if use.place == place]) for place in PLACES]
    return {
        "name": f"Key {number}",
        "kid": dated.key.kid[:8],
        "moments": moments,
        "bands": _bands(moments),
        "places": places,
    }


def _seconds(played: Played, moment: datetime | None) -> float | None:
    # The first key is some milliseconds older than the run, which would give a negative number.
    return None if moment is None else round(max(0.0, (moment - played.began).total_seconds()), 2)


def _bands(moments: dict[str, float | None]) -> list[dict[str, Any]]:
    """Each state with its place on the axis. Leaves out a state that ends at the moment it begins."""
    begun = [(state, moment) for state, moment in moments.items() if moment is not None and moment < SECONDS]
    bands = []
    for (state, start), (_, end) in pairwise([*begun, ("", SECONDS)]):
        if end > start:
            wide = (end - start) / SECONDS * 100 >= NARROWEST_PERCENT
            place = {"x": _percent(start), "width": _percent(end - start)}
            bands.append({"state": state, "start": start, "end": end, "label": state if wide else "", **place})
    return bands


def _place_line(place: str, uses: list[Use]) -> dict[str, Any]:
    at = {act: [use.at for use in uses if use.act == act] for act in ("signed", "verified", "refused")}
    lines = [
        {"x": _percent(start), "width": _percent(max(0.04, end - start))} for start, end in _joined(at["verified"])
    ]
    counts = {act: len(moments) for act, moments in at.items()}
    marks = {act: [_percent(moment) for moment in at[act]] for act in ("signed", "refused")}
    return {"place": place, "counts": counts, "lines": lines, "marks": marks}


def _joined(moments: list[float]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for moment in sorted(moments):
        if joined and moment - joined[-1][1] < GAP:
            joined[-1] = joined[-1][0], moment
        else:
            joined.append((moment, moment))
    return joined


def _percent(seconds: float) -> str:
    return f"{seconds / SECONDS * 100:.2f}%"
