"""`/lab/compare/`: this project compared with the usual alternatives. Shows the results of `make bench`."""

import json
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from lab.pages import render_page

# The plots in this folder are also served as static files.
RESULTS = settings.BASE_DIR / "benchmarks" / "results"
PARTS = {"command", "caption", "legend", "sentences", "plots", "tables"}


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The plots, the tables and what they mean. Without results, the page says how to make them."""
    try:
        shown = _read()
    except FileNotFoundError:
        return _without_results(request, "Nothing has been measured here yet.")
    except (OSError, ValueError):
        return _without_results(request, "There are results, but they cannot be read.")
    return render_page(request, "lab/compare.html", shown | {"plots": _with_addresses(shown["plots"])}, shown)


def _read() -> dict[str, Any]:
    """Reads what benchmarks/report.py wrote. Raises `ValueError` for a file in another form."""
    shown = json.loads((RESULTS / "page.json").read_text())
    if not isinstance(shown, dict) or not shown.keys() >= PARTS:
        raise ValueError("written by another version")
    return shown


def _without_results(request: HttpRequest, problem: str) -> HttpResponse:
    return render_page(request, "lab/compare.html", {"problem": problem}, {"error": problem})


def _with_addresses(plots: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The plots with their URLs. Leaves out plots that collectstatic has not seen; the next start adds them."""
    found = []
    for plot in plots:
        try:
            found.append(plot | {"address": staticfiles_storage.url(f"benchmarks/{plot['file']}")})
        except ValueError:
            continue
    return found
