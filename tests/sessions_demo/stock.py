"""The views of a stock Django project, for comparison. Only the table of users is this project's."""

from typing import Any

from django.contrib.auth.views import LoginView
from django.http import HttpRequest, JsonResponse
from django.urls import path


def whoami(request: HttpRequest) -> JsonResponse:
    """The nearest that a stock view has to whoami. It must read the user's row to name the user."""
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
