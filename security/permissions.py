"""Permissions for views of either flow."""

from typing import Any

from django.utils import timezone
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from security.authentication import TokenUser, credential_role


class IsAdmin(IsAuthenticated):
    """Lets users with the role `admin` pass, and no others. It reads no row: the credential says the role."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and credential_role(request.user) == "admin"


class RecentlyAuthenticated(IsAuthenticated):
    """Lets users pass who proved the password within the last `within` seconds (ASVS 7.5.3, RFC 9470 section 1).

    Others get a 403; after a call of `reauthenticate` they pass. A user of another authentication class, or of
    `force_authenticate`, has no such proof.
    """

    within = 5 * 60
    message = "Prove your password again, by a POST to auth/reauthenticate, and repeat this request."
    code = "reauthenticate"

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        if not (super().has_permission(request, view) and isinstance(user, TokenUser)):
            return False
        return timezone.now().timestamp() - user.auth_time <= self.within
