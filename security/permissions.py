"""Permissions for views of either flow."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class IsAdmin(BasePermission):
    """The role `admin`: authenticated is not authorised."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.user.role == "admin"
