"""The pages of the lab, in a module each: a view reads the form, runs an experiment or a proof, and renders a
template. A posted form is answered with the page, or with JSON for a script that asks for JSON. May import every
other room of the lab; none of them imports a page.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render


def render_page(
    request: HttpRequest, template: str, context: dict[str, Any], body: Any = None, status: int = 200
) -> HttpResponse:
    """The page, or `body` as JSON for a script that asked for it. Never kept by a cache: it was measured just now."""
    if body is not None and request.headers.get("Accept", "").startswith("application/json"):
        response: HttpResponse = JsonResponse(body, status=status, safe=False)
    else:
        response = render(request, template, context, status=status)
    response["Cache-Control"] = "no-store"
    return response
