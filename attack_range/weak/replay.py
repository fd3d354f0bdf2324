"""Weak: a logout that only deletes the cookie, and a refresh token that stays valid after it was exchanged."""

import secrets
import time
from collections import OrderedDict

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from attack_range.weak import looks
from attack_range.weak.bounds import forget

COOKIE = "weak_sessionid"
LIFETIME = 7 * 24 * 60 * 60
SESSIONS: OrderedDict[str, str] = OrderedDict()
REFRESH_TOKENS: OrderedDict[str, tuple[str, float]] = OrderedDict()
# When there are more, the oldest are deleted.
SESSIONS_MAX, REFRESH_TOKENS_MAX = 500, 500


@require_POST
def log_in(request: HttpRequest) -> HttpResponse:
    """Begins a session, and returns a refresh token."""
    session, token = _begin()
    response = JsonResponse({"refreshToken": token})
    response.set_cookie(COOKIE, session, httponly=True, samesite="Strict")
    return response


def _begin() -> tuple[str, str]:
    session, token = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
    SESSIONS[session] = "alice"
    forget(SESSIONS, SESSIONS_MAX)
    _keep(token, "alice", time.time() + LIFETIME)
    return session, token


def _keep(token: str, user: str, expires: float) -> None:
    REFRESH_TOKENS[token] = user, expires
    forget(REFRESH_TOKENS, REFRESH_TOKENS_MAX)


def whoami(request: HttpRequest) -> HttpResponse:
    """The user of the session in the cookie. 401 without one."""
    user = SESSIONS.get(request.COOKIES.get(COOKIE, ""))
    return JsonResponse({"user": user}, status=200 if user else 401)


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """Weak: deletes the cookie in the browser only. The session stays on the server."""
    response = HttpResponseRedirect("./")
    response.delete_cookie(COOKIE)
    return response


@require_POST
def refresh(request: HttpRequest) -> HttpResponse:
    """A new refresh token for one that has not expired."""
    token = exchanged(request.headers.get("Refresh-Token", ""))
    if token is None:
        return JsonResponse({"error": "Invalid refresh token"}, status=401)
    return JsonResponse({"refreshToken": token})


def exchanged(before: str) -> str | None:
    """The next refresh token for one that has not expired. `None` for another one."""
    # The exchanged token stays in the table.
    user, expires = REFRESH_TOKENS.get(before, ("", 0))
    if time.time() >= expires:
        return None
    token = secrets.token_urlsafe(16)
    _keep(token, user, expires)
    return token


def page(request: HttpRequest) -> HttpResponse:
    """For a visitor: log in, copy the cookie and the token, log out or exchange, and send the copies again."""
    parts, session = [], request.COOKIES.get(COOKIE, "")
    if "start" in request.POST:
        session, token = _begin()
        parts.append(looks.value("Your refresh token. Copy it:", token))
    parts += _said(request)
    parts.append(looks.value(f"Your cookie {COOKIE}:", session) if session else looks.text("You have no session."))
    response = looks.page("A logout that only deletes a cookie", *parts, *_forms())
    if "start" in request.POST:
        response.set_cookie(COOKIE, session, httponly=True, samesite="Strict")
    return response


def _said(request: HttpRequest) -> list[SafeString]:
    if cookie := request.POST.get("cookie", "").strip():
        user = SESSIONS.get(cookie)
        return [looks.outcome(f"The server answers: {f'200, you are {user}' if user else '401'}.")]
    if before := request.POST.get("token", "").strip():
        token = exchanged(before)
        return [looks.outcome(f"The server answers: {f'200, your next token is {token}' if token else '401'}.")]
    return []


def _forms() -> list[SafeString]:
    return [
        looks.form("", "Log in as Alice", looks.hidden("start")),
        looks.form("logout", "Log out"),
        looks.heading("Send a copied cookie"),
        looks.form("", "Ask who that is", looks.field("cookie", f"Value of {COOKIE}")),
        looks.heading("Exchange a refresh token, twice"),
        looks.form("", "Exchange", looks.field("token", "Refresh token")),
    ]


urlpatterns = [
    path("", page),
    path("login", log_in),
    path("whoami", whoami),
    path("logout", log_out),
    path("refresh", refresh),
]
