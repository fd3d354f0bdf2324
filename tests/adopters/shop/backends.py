"""An authentication backend beside Django's: the password is stored elsewhere."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest


class Elsewhere(BaseBackend):
    """Knows one user, as a directory server would."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        if (username, password) != ("elsewhere", "kept elsewhere"):
            return None
        return get_user_model().objects.filter(username=username, is_active=True).first()

    def get_user(self, user_id: Any) -> Any:
        return get_user_model().objects.filter(pk=user_id).first()
