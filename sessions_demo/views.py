"""The session flow as JSON. Each view reads a body, calls a function of `lifecycle` and answers."""

from uuid import UUID

from django.core.exceptions import ValidationError
from django.middleware.csrf import get_token
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from security import passwords
from security.authentication import credential_role, row_of
from security.backends import verify
from security.client import Client
from security.outages import OUTAGE_RETRY_AFTER, OUTAGES
from security.permissions import IsAdmin
from security.revocation import revoke_access
from security.serializers import (
    DevicesAnswer,
    Ended,
    LoginBody,
    Message,
    PasswordBody,
    ProfileAnswer,
    ReauthenticateBody,
    Who,
)
from security.users import profile
from security.views import CLEAR, JsonView, non_atomic
from sessions_demo import lifecycle
from sessions_demo.authentication import SessionAuthentication
from sessions_demo.flow import FLOW
from sessions_demo.permissions import HasCsrfToken
from sessions_demo.record import DEVICE


class SessionView(JsonView):
    """Needs a session, and the CSRF token for an unsafe method. A view that is open sets its own permissions."""

    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAuthenticated]

    def device(self) -> str | None:
        """The id of this session's row; `None` for a user without a session, as by DRF's `force_authenticate`."""
        return str(self.request.auth[DEVICE]) if self.request.auth else None


@non_atomic
class Login(SessionView):
    """Takes a name and a password, and sets the session cookie."""

    name = "Log in"
    permission_classes = [HasCsrfToken]

    @extend_schema(request=LoginBody, responses=Message, auth=[])
    def post(self, request: Request) -> Response:
        body = self.read(LoginBody)
        user = verify(request._request, body["identifier"], body["password"])
        lifecycle.start(request._request, user, body["remember"])
        return Response({"message": "Logged in successfully"})


@non_atomic
class Reauthenticate(SessionView):
    """The user proves the password again, before a sensitive action. The session gets a new id."""

    name = "Prove the password again"

    @extend_schema(request=ReauthenticateBody, responses=Message)
    def post(self, request: Request) -> Response:
        body = self.read(ReauthenticateBody)
        user = verify(request._request, row_of(request.user).get_username(), body["password"])
        lifecycle.reauthenticate(request._request, user)
        return Response({"message": "Reauthenticated"})


@non_atomic
class Password(SessionView):
    """Changes the password. Every other session and every token ends; this session gets a new id."""

    name = "Change the password"

    @extend_schema(request=PasswordBody, responses=Message)
    def post(self, request: Request) -> Response:
        body = self.read(PasswordBody)
        user = verify(request._request, row_of(request.user).get_username(), body["current"])
        try:
            passwords.choose(user, body["new"])
        except ValidationError as error:
            raise serializers.ValidationError({"new": error.messages}) from None
        passwords.replace(user, Client.of(request._request), keep=request.auth)
        return Response({"message": "Password changed"})


@non_atomic
class Logout(SessionView):
    """Ends this session. Also succeeds if the session is already over, so that the browser drops the cookie."""

    name = "Log out"
    authentication_classes = []  # it would raise the error of Redis before `post` can answer that the logout failed
    permission_classes = [HasCsrfToken]

    @extend_schema(request=None, responses=Message)
    def post(self, request: Request) -> Response:
        try:
            lifecycle.end(request._request, "logged out")
        except OUTAGES:
            return Response({"error": "Logout failed"}, 503, headers={"Retry-After": str(OUTAGE_RETRY_AFTER)})
        return Response({"message": "Logged out"}, headers=CLEAR)


@non_atomic
class LogoutEverywhere(SessionView):
    """Ends all sessions and tokens of the user."""

    name = "Log out everywhere"

    @extend_schema(request=None, responses=Message)
    def post(self, request: Request) -> Response:
        revoke_access(row_of(request.user), "logged out everywhere")
        lifecycle.end(request._request, "logged out everywhere")
        return Response({"message": "Logged out everywhere"}, headers=CLEAR)


class Root(SessionView):
    """The addresses of the endpoints. Call this first: it sets the CSRF cookie and sends its token in a header."""

    name = "Session API"
    permission_classes = []

    @extend_schema(responses=OpenApiTypes.OBJECT, auth=[])
    def get(self, request: Request) -> Response:
        names = [
            "whoami",
            "profile",
            "staff",
            "devices",
            "login",
            "reauthenticate",
            "password",
            "logout",
            "logout_everywhere",
        ]
        links = {name: reverse(f"session:{name}", request=request) for name in names}
        return Response(links, headers={"X-CSRFToken": get_token(request._request)})


class Whoami(SessionView):
    """The id and the role of the user, from the session's record: one Redis GET, no SQL."""

    name = "Who am I"

    @extend_schema(responses=Who)
    def get(self, request: Request) -> Response:
        return Response({"userId": str(request.user.pk), "role": credential_role(request.user)})


class Profile(SessionView):
    """The user, from the database."""

    name = "My profile"

    @extend_schema(responses=ProfileAnswer)
    def get(self, request: Request) -> Response:
        return Response({"data": profile(row_of(request.user))})


class Staff(SessionView):
    """For users with the role admin. Other users get a 403."""

    name = "For administrators"
    permission_classes = [IsAuthenticated, IsAdmin]

    @extend_schema(responses=Message)
    def get(self, request: Request) -> Response:
        return Response({"message": "You are an administrator"})


@non_atomic
class Devices(SessionView):
    """The user's sessions. DELETE ends all but this one."""

    name = "Sessions of this user"

    @extend_schema(responses=DevicesAnswer)
    def get(self, request: Request) -> Response:
        current = self.device()
        devices = FLOW.list(request.user.pk)
        return Response({"devices": [entry.as_json(current) for entry in devices]})

    @extend_schema(operation_id="session_api_devices_end_others", responses={200: Ended})
    def delete(self, request: Request) -> Response:
        """Ends all sessions of the user but this one."""
        ended = FLOW.end_others(row_of(request.user), self.device(), "ended by its owner")
        return Response({"message": "The others were ended", "ended": ended})


@non_atomic
class Device(SessionView):
    """One of the user's sessions. DELETE ends it."""

    name = "One session"

    @extend_schema(responses={200: Message})
    def delete(self, request: Request, device: UUID) -> Response:
        """Ends one session of the user."""
        if str(device) == self.device():
            lifecycle.end(request._request, "ended by its owner")
        elif not FLOW.end(row_of(request.user), device, "ended by its owner"):
            raise exceptions.NotFound
        return Response({"message": "Ended"})
