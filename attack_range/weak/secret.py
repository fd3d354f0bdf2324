"""Weak: a session that is data signed with a guessable key, and one key for access and refresh tokens."""

import json
import secrets
import time
import zlib
from typing import Any

import jwt
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from attack_range.weak import looks

COOKIE = "weak_signed_session"
# A placeholder that was copied from an example and never changed.
SECRET = "change-me-in-production"  # noqa: S105
# Django's salt for sessions in a cookie. It is public, because it is in Django's source.
SALT = "django.contrib.sessions.backends.signed_cookies"
ALICE = {"user": "alice", "role": "member"}
# The key is strong, but both kinds of token share it.
ACCESS_KEY = REFRESH_KEY = secrets.token_bytes(32)
ACCESS_LIFETIME, REFRESH_LIFETIME = 15 * 60, 7 * 24 * 60 * 60


@require_POST
def log_in(request: HttpRequest) -> HttpResponse:
    """Begins Alice's session, which is stored in the cookie only."""
    response = HttpResponseRedirect("./")
    response.set_cookie(COOKIE, signing.dumps(ALICE, SECRET, SALT), httponly=True, samesite="Strict")
    return response


def session_of(cookie: str) -> dict[str, Any] | None:
    """The session in the cookie. `None` if the signature is wrong."""
    try:
        return dict(signing.loads(cookie, SECRET, SALT))
    except (signing.BadSignature, ValueError, TypeError, RecursionError, zlib.error):
        return None


@require_safe
def staff(request: HttpRequest) -> HttpResponse:
    """A page for administrators only. 401 for a cookie that is refused, 403 for another role."""
    session = session_of(request.COOKIES.get(COOKIE, ""))
    return JsonResponse(session or {"error": "No session"}, status=_status(session))


def _status(session: dict[str, Any] | None) -> int:
    if session is None:
        return 401
    return 200 if session.get("role") == "admin" else 403


@require_POST
def issue(request: HttpRequest) -> HttpResponse:
    """Returns Alice's two tokens."""
    return JsonResponse({"accessToken": _access(ALICE), "refreshToken": _token("refresh", ALICE, REFRESH_KEY)})


def _access(claims: dict[str, Any]) -> str:
    return _token("access", claims, ACCESS_KEY)


def _token(kind: str, claims: dict[str, Any], key: bytes) -> str:
    seconds = ACCESS_LIFETIME if kind == "access" else REFRESH_LIFETIME
    return jwt.encode({**claims, "type": kind, "exp": int(time.time()) + seconds}, key, "HS256")


@require_safe
def api(request: HttpRequest) -> HttpResponse:
    """The claims of an access token. 401 without a valid one."""
    claims = _verified("access", request.headers.get("Authorization", "").removeprefix("Bearer "), ACCESS_KEY)
    return JsonResponse(claims or {"error": "Invalid token"}, status=200 if claims else 401)


@require_POST
def refresh(request: HttpRequest) -> HttpResponse:
    """A new access token for a refresh token."""
    claims = _verified("refresh", request.headers.get("Refresh-Token", ""), REFRESH_KEY)
    if not claims:
        return JsonResponse({"error": "Invalid refresh token"}, status=401)
    return JsonResponse({"accessToken": _access({name: claims[name] for name in ALICE})})


def _verified(kind: str, token: str, key: bytes) -> dict[str, Any] | None:
    try:
        claims = dict(jwt.decode(token, key, ["HS256"]))
    except jwt.InvalidTokenError:
        return None
    return claims if claims.get("type") == kind and claims.keys() >= ALICE.keys() else None


def page(request: HttpRequest) -> HttpResponse:
    """For a visitor: the cookie, the session in it, and forms to send another cookie and to sign one."""
    cookie = request.COOKIES.get(COOKIE, "")
    sent = request.POST.get("cookie", "").strip()
    parts = [looks.outcome(_said(sent))] if sent else []
    if cookie:
        parts += [looks.value(f"Your cookie {COOKIE}:", cookie), looks.text(_said(cookie))]
    else:
        parts.append(looks.text("You have no session."))
    parts += [looks.form("login", "Log in as Alice"), looks.heading("Send another cookie")]
    parts.append(looks.form("", "Ask for the staff page", looks.area("cookie", f"Value of {COOKIE}", sent)))
    return looks.page("A session in a signed cookie", *parts, *_maker())


def _said(cookie: str) -> str:
    session = session_of(cookie)
    said = f"It says {json.dumps(session)}." if session else "Its signature does not fit."
    return f"{said} The staff page answers {_status(session)}."


def _maker() -> list[SafeString]:
    fields = (
        looks.area("session", "Contents of the session", json.dumps(ALICE | {"role": "admin"})),
        looks.field("key", "Key"),
    )
    return [looks.heading("Sign a cookie"), looks.form("make", "Sign", *fields)]


@require_POST
def make(request: HttpRequest) -> HttpResponse:
    """A cookie with the visitor's session, signed with the visitor's key. 400 without a key, or if it is not JSON."""
    key = request.POST.get("key", "")
    if not key:
        # With an empty key, Django would sign with the range's SECRET_KEY.
        return looks.page("A cookie is signed with a key, and none was given.", looks.form("./", "Back"), status=400)
    try:
        cookie = signing.dumps(json.loads(request.POST.get("session", "")), key, SALT)
    except (ValueError, RecursionError):
        return looks.page("The session is not JSON that can be read.", looks.form("./", "Back"), status=400)
    area = looks.area("cookie", f"Value of {COOKIE}", cookie)
    return looks.page("Your cookie", looks.form("./", "Ask for the staff page", area))


urlpatterns = [
    path("", page),
    path("make", make),
    path("login", log_in),
    path("staff", staff),
    path("tokens", issue),
    path("api", api),
    path("refresh", refresh),
]
