"""The pages of the lab, one module each. A view reads the form, runs an experiment or a proof, and renders a template.
The answer to a posted form is the page, or JSON for a script that asks for JSON. May import every other package of
the lab; no other package imports a page.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render


def render_page(
    request: HttpRequest, template: str, context: dict[str, Any], body: Any = None, status: int = 200
) -> HttpResponse:
    """The page, or `body` as JSON for a script that asks for JSON. No cache may store it: it shows a measurement."""
    if body is not None and request.headers.get("Accept", "").startswith("application/json"):
        response: HttpResponse = JsonResponse(body, status=status, safe=False)
    else:
        response = render(request, template, context, status=status)
    response["Cache-Control"] = "no-store"
    return response
