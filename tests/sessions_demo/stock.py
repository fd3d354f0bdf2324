"""A stock Django project's views, to measure ours against: nothing here is our own but the user's table."""

from typing import Any

from django.contrib.auth.views import LoginView
from django.http import HttpRequest, JsonResponse
from django.urls import path


def whoami(request: HttpRequest) -> JsonResponse:
    """The closest a stock view comes: it has no way to say who asks without reading her row."""
    return JsonResponse({"userId": str(request.user.pk)})


def profile(request: HttpRequest) -> JsonResponse:
    """The user, from the database."""
    user: Any = request.user
    return JsonResponse({"id": user.pk, "email": user.email, "name": user.name})


urlpatterns = [
    path("login/", LoginView.as_view(next_page="/whoami"), name="login"),
    path("whoami", whoami),
    path("profile", profile),
]
