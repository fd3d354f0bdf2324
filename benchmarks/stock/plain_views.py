"""Views without DRF. Those that read no row cannot know that the user was deactivated or has a new password."""

from django.contrib import auth
from django.http import HttpRequest, JsonResponse
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from benchmarks.stock import users


def session_whoami(request: HttpRequest) -> JsonResponse:
    """Answers from the session's record alone."""
    user_id = request.session.get(auth.SESSION_KEY)
    if user_id is None:
        return _refused("Not authenticated")
    return JsonResponse({"userId": user_id, "role": request.session["role"]})


def _refused(error: str) -> JsonResponse:
    return JsonResponse({"error": error}, status=401)


def session_profile(request: HttpRequest) -> JsonResponse:
    """Answers from the user's row."""
    if not request.user.is_authenticated:
        return _refused("Not authenticated")
    return JsonResponse(users.profile(request.user))


def token_whoami(request: HttpRequest) -> JsonResponse:
    """Answers from the access token alone."""
    scheme, _, raw = request.headers.get("Authorization", "").partition(" ")
    try:
        token = AccessToken(raw if scheme == "Bearer" else "")  # type: ignore[arg-type]
    except TokenError:
        return _refused("Invalid token")
    return JsonResponse({"userId": token["user_id"], "role": token["role"]})


def healthz(request: HttpRequest) -> JsonResponse:
    """Answers without any work."""
    return JsonResponse({"status": "ok"})
