"""A DRF permission that asks for the CSRF token."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from sessions_demo.authentication import enforce_csrf


class HasCsrfToken(BasePermission):
    """For views that need no session. `SessionAuthentication` asks for the token only if there is a session.

    A login needs the token too, or another site could log the user in to the attacker's account. DRF does not ask.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        enforce_csrf(request._request)
        return True
