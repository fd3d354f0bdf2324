"""Views without DRF. Those that read no row cannot know that the user was deactivated or has a new password."""

import json
from typing import Any

from django.contrib import auth
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from benchmarks.stock import users


@require_POST
def login(request: HttpRequest) -> JsonResponse:
    """Name and password in, cookie out. CsrfViewMiddleware guards it, as DRF's documentation asks of a login."""
    body = json.loads(request.body)
    user: Any = auth.authenticate(request, username=body.get("username"), password=body.get("password"))
    if user is None:
        return _refused("Invalid credentials")
    auth.login(request, user)
    request.session["role"] = users.role_of(user)
    return JsonResponse({"message": "Logged in"})


def _refused(error: str) -> JsonResponse:
    return JsonResponse({"error": error}, status=401)


@require_POST
def logout(request: HttpRequest) -> JsonResponse:
    """Ends the session."""
    auth.logout(request)
    return JsonResponse({"message": "Logged out"})


def session_whoami(request: HttpRequest) -> JsonResponse:
    """From the session's record alone."""
    user_id = request.session.get(auth.SESSION_KEY)
    if user_id is None:
        return _refused("Not authenticated")
    return JsonResponse({"userId": user_id, "role": request.session["role"]})


def session_profile(request: HttpRequest) -> JsonResponse:
    """From the user's row."""
    if not request.user.is_authenticated:
        return _refused("Not authenticated")
    return JsonResponse(users.profile(request.user))


def token_whoami(request: HttpRequest) -> JsonResponse:
    """From the access token alone."""
    scheme, _, raw = request.headers.get("Authorization", "").partition(" ")
    try:
        token = AccessToken(raw if scheme == "Bearer" else "")  # type: ignore[arg-type]
    except TokenError:
        return _refused("Invalid token")
    return JsonResponse({"userId": token["user_id"], "role": token["role"]})


def healthz(request: HttpRequest) -> JsonResponse:
    """What a request costs of which nothing is asked."""
    return JsonResponse({"status": "ok"})
