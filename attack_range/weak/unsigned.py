"""Weak: a session that is stored in a cookie without a signature."""

import base64
import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST, require_safe

COOKIE = "weak_unsigned_session"
ALICE = {"user": "alice", "role": "member"}


@require_POST
def log_in(request: HttpRequest) -> HttpResponse:
    """Begins Alice's session, which is stored in the cookie only."""
    response = JsonResponse(ALICE)
    response.set_cookie(COOKIE, encoded(ALICE), httponly=True, samesite="Strict")
    return response


def encoded(session: dict[str, Any]) -> str:
    """The value of the cookie for this session. It needs no key."""
    return base64.urlsafe_b64encode(json.dumps(session).encode()).rstrip(b"=").decode()


def session_of(cookie: str) -> dict[str, Any] | None:
    """The session in the cookie, or `None` if it cannot be read. Weak: nothing shows who wrote it."""
    try:
        session = json.loads(base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4)))
    except ValueError:
        return None
    return session if isinstance(session, dict) else None


@require_safe
def staff(request: HttpRequest) -> HttpResponse:
    """A page for administrators only. 401 for a cookie that cannot be read, 403 for another role."""
    session = session_of(request.COOKIES.get(COOKIE, ""))
    if not session:
        return JsonResponse({"error": "No session"}, status=401)
    return JsonResponse(session, status=200 if session.get("role") == "admin" else 403)


urlpatterns = [path("login", log_in), path("staff", staff)]
