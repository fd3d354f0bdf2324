"""DRF permission for what a cookie authorises."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from sessions_demo.authentication import enforce_csrf


class HasCsrfToken(BasePermission):
    """For views that need no session: `SessionAuthentication` asks for the token only where there is one.

    Login too: to log a user into the attacker's account is an attack, and stock DRF lets it through.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        enforce_csrf(request._request)
        return True
