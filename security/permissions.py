"""Permissions for views of either flow."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class IsAdmin(BasePermission):
    """Lets users with the role `admin` pass, and no others."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.user.role == "admin"
