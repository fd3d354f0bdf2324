"""Weak: a login that keeps the session id that the browser has sent."""

import secrets
from collections import OrderedDict

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path
from django.utils.html import format_html
from django.views.decorators.http import require_POST, require_safe

from attack_range import hosts
from attack_range.weak import looks
from attack_range.weak.bounds import forget

COOKIE = "weak_fixation_id"
SESSIONS: OrderedDict[str, str] = OrderedDict()
# When there are more sessions, the oldest are deleted.
SESSIONS_MAX = 500
LONGEST_NAME = 40


@require_POST
def log_in(request: HttpRequest) -> HttpResponse:
    """Logs in a visitor who gives a name."""
    session = request.COOKIES.get(COOKIE) or secrets.token_urlsafe(16)
    SESSIONS[session] = request.POST.get("name", "")[:LONGEST_NAME] or "Alice"
    forget(SESSIONS, SESSIONS_MAX)
    response = HttpResponseRedirect("./")
    response.set_cookie(COOKIE, session, httponly=True, samesite="Strict")
    return response


@require_safe
def whoami(request: HttpRequest) -> HttpResponse:
    """The user of the session in the cookie. 401 without one."""
    user = SESSIONS.get(request.COOKIES.get(COOKIE, ""))
    return JsonResponse({"user": user}, status=200 if user else 401)


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """Ends the session."""
    SESSIONS.pop(request.COOKIES.get(COOKIE, ""), None)
    response = HttpResponseRedirect("./")
    response.delete_cookie(COOKIE)
    return response


def page(request: HttpRequest) -> HttpResponse:
    """For a visitor: the session id and its user, forms to log in and out, and a form to try another id."""
    session, tried = request.COOKIES.get(COOKIE, ""), request.POST.get("id", "").strip()
    parts = [looks.outcome(f"The server answers: {_who(tried)}")] if tried else []
    parts.append(looks.value(f"Your cookie {COOKIE}:", session) if session else looks.text("You have no session id."))
    parts += [
        looks.text(f"The server's answer to it: {_who(session)}"),
        looks.form("login", "Log in", looks.field("name", "Name", "Alice")),
        looks.form("logout", "Log out"),
        looks.heading("Send another session id"),
        looks.form("", "Ask who that is", looks.field("id", "Session id", tried)),
    ]
    return looks.page("A login that keeps the session id", *parts)


def _who(session: str) -> str:
    user = SESSIONS.get(session)
    return f"200, {user} is logged in." if user else "401, nobody is logged in."


@require_safe
def plant(request: HttpRequest) -> HttpResponse:
    """At the sibling host: sets a session id for the victim's whole domain, which any host in that domain can do."""
    session = "".join(c for c in request.GET.get("id", "") if c.isalnum())[:40] or "chosenbytheattacker"
    link = f"{hosts.origin(hosts.VICTIM)}/weak/fixation/"
    response = looks.page(
        "A shop in the victim's domain",
        looks.value("Your browser was just given this session id for the victim:", session),
        format_html('<p>Now log in at <a href="{}">{}</a> and compare.</p>', link, link),
    )
    response.set_cookie(COOKIE, session, domain=hosts.VICTIM)
    return response


urlpatterns = [
    path("", page),
    path("login", log_in),
    path("logout", log_out),
    path("whoami", whoami),
]
