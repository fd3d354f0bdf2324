"""Permissions for views of either flow."""

from typing import Any

from django.utils import timezone
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from security.authentication import TokenUser, credential_role


class IsAdmin(IsAuthenticated):
    """Allows only users with the role `admin`. It reads no row: the role is in the credential."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and credential_role(request.user) == "admin"


class RecentlyAuthenticated(IsAuthenticated):
    """Allows users who proved the password within the last `within` seconds (ASVS 7.5.3, RFC 9470 section 1).

    Others get a 403 and must call `reauthenticate` first. Users of another authentication class, or of
    `force_authenticate`, are refused too, because their credential does not say when the password was proved.
    """

    within = 5 * 60
    message = "Prove your password again, by a POST to auth/reauthenticate, and repeat this request."
    code = "reauthenticate"

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        if not (super().has_permission(request, view) and isinstance(user, TokenUser)):
            return False
        return timezone.now().timestamp() - user.auth_time <= self.within
