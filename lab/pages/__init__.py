"""The pages of the lab, one module each. A view reads the form, runs an experiment or a proof, and renders a template.
The answer to a posted form is the page, or JSON for a script that asks for JSON. May import every other package of
the lab; no other package imports a page.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse

# The name of each page, its title, and what a visitor can do there, in the order of the links “Before” and “Next”.
PAGES = (
    ("wire", "The wire", "Record requests of this browser, and see every header, SQL statement and Redis command."),
    (
        "inspect",
        "A record and a token, side by side",
        "See the session record in Redis next to the claims of a token, and change the role.",
    ),
    ("token", "Take a token apart", "Decode, verify and forge a token, and see exactly why the server refuses it."),
    ("measure", "What a request costs", "Compare the modes: time, look-ups, header bytes, memory."),
    ("compare", "Compare with others", "Compare this project with stock Django and Express, measured in one run."),
    ("revocation", "Revoke access", "Ban a user and watch when each kind of login stops working."),
    ("refresh", "Refresh and theft", "Watch an owner and a thief use the same refresh token, in either order."),
    ("keys", "Keys that change", "Change the signing key while clients run, and see which tokens are refused."),
    ("remember", "Remember me", "Tick the box or not, close the browser, and see who is still logged in."),
    ("clients", "The same client, twice", "Run the same login from curl, Python and JavaScript."),
    ("mistakes", "Nine mistakes", "Common mistakes next to the line that fixes each, checked on this server."),
    ("range", "Attack range", "See which attacks succeed on weak code and fail on this site, in a real Chromium."),
    ("scale", "Two workers", "Send requests to two workers in turn, and restart one."),
    ("gateway", "A gateway", "Call a service through its gateway, directly, and with forged headers."),
    ("decide", "Which one for me?", "Answer seven questions and get a recommendation, with the usual objection."),
    ("interview", "Five questions", "Short answers to common questions, each with a proof to run."),
)


def render_page(
    request: HttpRequest, template: str, context: dict[str, Any], body: Any = None, status: int = 200
) -> HttpResponse:
    """The page, or `body` as JSON for a script that asks for JSON. No cache may store it: it shows a measurement."""
    if body is not None and request.headers.get("Accept", "").startswith("application/json"):
        response: HttpResponse = JsonResponse(body, status=status, safe=False)
    else:
        response = render(request, template, context | _place_of(request), status=status)
    response["Cache-Control"] = "no-store"
    return response


def _place_of(request: HttpRequest) -> dict[str, Any]:
    """The title of a page of the list, and the addresses and titles of the pages before and after it."""
    names = [name for name, _, _ in PAGES]
    name = request.resolver_match.url_name if request.resolver_match else None
    if name not in names:
        return {}
    at = names.index(name)
    around = [(reverse(f"lab:{name}"), title) for name, title, _ in PAGES]
    before, after = around[:at][-1:], around[at + 1 :][:1]
    return {"page_title": PAGES[at][1], "before_here": before, "after_here": after}
