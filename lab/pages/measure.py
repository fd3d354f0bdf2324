"""`/lab/measure/`: compares the cost of a request in each mode, on this machine. Only a POST measures."""

import re
from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_http_methods

from lab.experiments import measure
from lab.experiments.measure import Report
from lab.experiments.revocation import STRATEGIES
from lab.pages import render_page

# With more requests the answer would take so long that the page seems broken. `manage.py measure` allows more.
MIN_REQUESTS, MAX_REQUESTS, DEFAULT_REQUESTS = 10, 200, 50
LOGINS = 5
FORMATS: dict[str, Callable[[Report], HttpResponse]] = {
    "csv": lambda report: _file(measure.as_csv(report), "text/csv", "csv"),
    "json": lambda report: _file(JsonResponse(report.as_json()).content, "application/json", "json"),
}


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The form. A POST answers with the table, or with a file of it."""
    if request.method != "POST":
        return _render(request, {})
    modes, number = request.POST.getlist("modes"), request.POST.get("requests", "")
    if not modes or not set(modes) <= set(measure.MODES):
        return _render(request, {"error": "Choose at least one of the modes."}, 400)
    # Digits first: `int()` raises `ValueError` for other text, and for a number of more than 4,300 digits.
    if not (re.fullmatch("[0-9]{1,3}", number) and MIN_REQUESTS <= int(number) <= MAX_REQUESTS):
        return _render(
            request, {"error": f"Choose between {MIN_REQUESTS} and {MAX_REQUESTS} requests of each mode."}, 400
        )
    report = measure.measure(modes, int(number), LOGINS)
    if form := FORMATS.get(request.POST.get("format", "")):
        return form(report)
    return _render(request, {"report": report, **_table_and_bars(report)})


def _render(request: HttpRequest, body: dict[str, Any], status: int = 200) -> HttpResponse:
    chosen = request.POST.getlist("modes") or list(measure.MODES)
    context = {
        "strategies": STRATEGIES,
        "chosen": chosen,
        "least": MIN_REQUESTS,
        "most": MAX_REQUESTS,
        "usual": DEFAULT_REQUESTS,
    }
    answer = {"report": body["report"].as_json() | _table_and_bars(body["report"])} if "report" in body else body
    number = request.POST.get("requests", "")
    context["requests"] = number if number.isdigit() and len(number) < 5 else DEFAULT_REQUESTS
    return render_page(request, "lab/measure.html", context | body, answer, status)


def _table_and_bars(report: Report) -> dict[str, Any]:
    """The report as text and as lengths of bars, so that the script and the template draw the same picture."""
    # Turned: one row for each measure and one column for each mode, so that the columns fit on the page.
    heading, *lines = zip(*measure.table_rows(report), strict=True)
    rows = [(name, [*zip(heading[1:], values, strict=True)]) for name, *values in lines]
    longest = max(mode.p95 for mode in report.modes)
    kinds = {strategy.key: strategy.kind for strategy in STRATEGIES}
    bars = [
        {
            "name": mode.name,
            "kind": kinds[mode.key],
            "p50": f"{mode.p50:.2f}",
            "p95": f"{mode.p95:.2f}",
            "ratio": f"{mode.ratio:.2f}",
            "half": f"{max(0.8, mode.p50 / longest * 100):.1f}%",
            "most": f"{max(0.8, mode.p95 / longest * 100):.1f}%",
        }
        for mode in report.modes
    ]
    return {"heading": heading, "rows": rows, "bars": bars, "caption": measure.caption(report)}


def _file(content: str | bytes, kind: str, suffix: str) -> HttpResponse:
    response = HttpResponse(content, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="measured.{suffix}"'
    response["Cache-Control"] = "no-store"
    return response
