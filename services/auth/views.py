"""One view for each kind of credential.

Each answers 204, with the identity if the request has a credential, or refuses with an error status and the reason.
"""

from typing import Any

from django.conf import settings
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from jwt_demo.authentication import JWTAuthentication
from security.views import JsonView
from sessions_demo.authentication import SessionAuthentication


class OnlyJSON(DefaultContentNegotiation):
    """Always answers in JSON. The `Accept` header of the client is meant for the service."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class Check(JsonView):
    """Answers for one service. Without a credential there is no identity, and the service decides what is open."""

    permission_classes = [AllowAny]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = OnlyJSON

    def check(self, request: Request, service: str) -> Response:
        """204, with the three identity headers if the request is authenticated."""
        user = request.user
        if not user.is_authenticated:
            return Response(status=204)
        user_id, role = str(user.pk), str(user.role)
        token = settings.INTERNAL_TOKENS.issue(service, user_id, role)
        return Response(status=204, headers={"X-User-ID": user_id, "X-User-Role": role, "X-Internal-Token": token})

    # The method is that of the client's request, and only the service knows which methods it supports.
    get = head = post = put = patch = delete = options = http_method_not_allowed = check  # type: ignore[assignment]


class SessionCheck(Check):
    """Checks the session cookie, with one query to Redis."""

    authentication_classes = [SessionAuthentication]


class TokenCheck(Check):
    """Checks the access token: its signature, and whether it is revoked, as `JWT_REVOCATION` says."""

    authentication_classes = [JWTAuthentication]
