"""One view for each kind of credential. 204 with the identity, or without one; 401, 403 or 503 with the reason."""

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
    """Ignores what the client would like to be answered: that is for the service."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class Check(JsonView):
    """Answers for one service. Without a credential there is no identity, and the service decides what is open."""

    permission_classes = [AllowAny]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = OnlyJSON

    def check(self, request: Request, service: str) -> Response:
        """204, with the three headers of the identity where there is one."""
        user = request.user
        if not user.is_authenticated:
            return Response(status=204)
        user_id, role = str(user.pk), str(user.role)
        token = settings.INTERNAL_TOKENS.issue(service, user_id, role)
        return Response(status=204, headers={"X-User-ID": user_id, "X-User-Role": role, "X-Internal-Token": token})

    # The method is that of the request which the gateway holds; it is the service that knows which it has.
    get = head = post = put = patch = delete = options = http_method_not_allowed = check  # type: ignore[assignment]


class SessionCheck(Check):
    """By the session cookie: one look into Redis."""

    authentication_classes = [SessionAuthentication]


class TokenCheck(Check):
    """By the access token: the signature, and the check that `JWT_REVOCATION` names."""

    authentication_classes = [JWTAuthentication]
