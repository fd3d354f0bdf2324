"""The session flow as JSON. Each view is a verb of `lifecycle` with a body and an answer around it."""

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.middleware.csrf import get_token
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.models import User
from security import passwords
from security.authentication import Subject
from security.backends import verify
from security.client import Client
from security.models import SecurityEvent
from security.outages import OUTAGES
from security.permissions import IsAdmin
from security.refusals import csrf_refusal
from security.revocation import access_withdrawn
from security.serializers import ConfirmBody, DevicesAnswer, Ended, LoginBody, Message, PasswordBody, ProfileAnswer, Who
from security.views import CLEAR, JsonView
from sessions_demo import lifecycle
from sessions_demo.lifecycle import DEVICE, ROLE, USER_ID, VERSION


class RecordAuthentication(BaseAuthentication):
    """Believes the record in Redis, one GET: a withdrawal deletes the record, so there is nothing to look up.

    Once a minute, when the session is noted as in use, its rows are asked too. So a record that could not be deleted
    is believed for a minute and no longer.
    """

    def authenticate(self, request: Request) -> tuple[Subject, Any] | None:
        session = request._request.session
        if request.method in SAFE_METHODS:
            # What changes something reads the user's row itself, and should not wait for the rows twice.
            lifecycle.renew(session)
        if DEVICE not in session:
            return None
        return Subject(int(session[USER_ID]), session[ROLE]), session

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="session"'


class HasCsrfToken(BasePermission):
    """Cookies go along by themselves, so the page must prove that it could read one (CSRF). Login too:
    logging somebody into the attacker's account is an attack, and stock DRF lets it through."""

    def has_permission(self, request: Request, view: Any) -> bool:
        check = CSRFCheck(lambda request: HttpResponse())
        if reason := check.process_view(request._request, self.has_permission, (), {}):
            raise csrf_refusal(request._request, reason)
        return True


class SessionView(JsonView):
    """Closed: a session, then the CSRF token. A view that is open says so."""

    authentication_classes = [RecordAuthentication]
    permission_classes = [IsAuthenticated, HasCsrfToken]

    def row(self) -> User:
        """The user's row, if it still stands as it did at login. Raises 401."""
        row = User.objects.filter(pk=self.request.user.pk, is_active=True, token_version=self.request.auth[VERSION])
        if user := row.first():
            return user
        raise exceptions.NotAuthenticated


class Login(SessionView):
    """Email and password in, cookie out."""

    permission_classes = [HasCsrfToken]

    @extend_schema(request=LoginBody, responses=Message, auth=[])
    def post(self, request: Request) -> Response:
        body = self.read(LoginBody)
        user = verify(request._request, body["email"], body["password"])
        lifecycle.start(request._request, user, body["remember"])
        return Response({"message": "Logged in successfully"})


class Confirm(SessionView):
    """The password again, before something that matters. The session gets a new id."""

    @extend_schema(request=ConfirmBody, responses=Message)
    def post(self, request: Request) -> Response:
        body = self.read(ConfirmBody)
        user = verify(request._request, self.row().email, body["password"])
        lifecycle.confirm(request._request, user)
        return Response({"message": "Confirmed"})


class Password(SessionView):
    """A new password. Every other session ends; this one goes on under a new id."""

    @extend_schema(request=PasswordBody, responses=Message)
    def post(self, request: Request) -> Response:
        body = self.read(PasswordBody)
        user = verify(request._request, self.row().email, body["current"])
        try:
            passwords.choose(user, body["new"])
        except ValidationError as error:
            raise serializers.ValidationError({"new": error.messages}) from None
        client = Client.of(request._request)
        passwords.replace(user, SecurityEvent.Name.PASSWORD_CHANGE, client, spare=request.auth)
        return Response({"message": "Password changed"})


class Logout(SessionView):
    """Ends this session. Works without a live one, so that nobody is kept from leaving."""

    authentication_classes = []  # it would ask the store before `post` can say what failed
    permission_classes = [HasCsrfToken]

    @extend_schema(request=None, responses=Message)
    def post(self, request: Request) -> Response:
        try:
            lifecycle.end(request._request, "logged out")
        except OUTAGES:
            return Response({"error": "Logout failed"}, 503, headers={"Retry-After": "5"})
        return Response({"message": "Logged out"}, headers=CLEAR)


class LogoutEverywhere(SessionView):
    """Ends everything of this user, in both flows."""

    @extend_schema(request=None, responses=Message)
    def post(self, request: Request) -> Response:
        access_withdrawn(self.row(), "logged out everywhere")
        lifecycle.end(request._request, "logged out everywhere")
        return Response({"message": "Logged out everywhere"}, headers=CLEAR)


class Root(SessionView):
    """Where things are. Sets the CSRF cookie, and repeats it for clients that keep no jar."""

    permission_classes = []

    @extend_schema(responses=OpenApiTypes.OBJECT, auth=[])
    def get(self, request: Request) -> Response:
        names = ["whoami", "profile", "staff", "devices", "login", "confirm", "password", "logout", "logout_everywhere"]
        links = {name: reverse(f"session:{name}", request=request) for name in names}
        return Response(links, headers={"X-CSRFToken": get_token(request._request)})


class Whoami(SessionView):
    """Who the credential says you are: one Redis GET, no SQL."""

    @extend_schema(responses=Who)
    def get(self, request: Request) -> Response:
        return Response({"userId": str(request.user.pk), "role": request.user.role})


class Profile(SessionView):
    """The user, from the database."""

    @extend_schema(responses=ProfileAnswer)
    def get(self, request: Request) -> Response:
        user = self.row()
        return Response({"data": {"id": str(user.pk), "email": user.email, "name": user.name, "role": user.role}})


class Staff(SessionView):
    """What only the role `admin` may see: authenticated is not authorised."""

    permission_classes = [IsAuthenticated, IsAdmin]

    @extend_schema(responses=Message)
    def get(self, request: Request) -> Response:
        return Response({"message": "You are an administrator"})


class Devices(SessionView):
    """The sessions of this user; DELETE ends all but this one."""

    @extend_schema(responses=DevicesAnswer)
    def get(self, request: Request) -> Response:
        current = request.auth[DEVICE]
        devices = lifecycle.FLOW.list(request.user.pk)
        return Response({"devices": [entry.as_json(current) for entry in devices]})

    @extend_schema(operation_id="session_api_devices_end_others", responses={200: Ended})
    def delete(self, request: Request) -> Response:
        ended = lifecycle.FLOW.end_others(self.row(), request.auth[DEVICE], "ended by its owner")
        return Response({"message": "The others were ended", "ended": ended})


class Device(SessionView):
    """One of them; DELETE ends it."""

    @extend_schema(responses={200: Message})
    def delete(self, request: Request, device: UUID) -> Response:
        if str(device) == request.auth[DEVICE]:
            lifecycle.end(request._request, "ended by its owner")
        elif not lifecycle.FLOW.end(self.row(), device, "ended by its owner"):
            raise exceptions.NotFound
        return Response({"message": "Ended"})
