"""DRF permission for what a cookie authorises."""

from typing import Any

from django.http import HttpResponse
from rest_framework.authentication import CSRFCheck
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from security.refusals import csrf_refusal


class HasCsrfToken(BasePermission):
    """Cookies go along by themselves, so the page must prove that it could read one (CSRF). Login too:
    to log a user into the attacker's account is an attack, and stock DRF lets it through."""

    def has_permission(self, request: Request, view: Any) -> bool:
        check = CSRFCheck(lambda request: HttpResponse())
        # DRF has the check return the reason, where Django's returns a response.
        if reason := check.process_view(request._request, HttpResponse, (), {}):
            raise csrf_refusal(request._request, str(reason))
        return True
