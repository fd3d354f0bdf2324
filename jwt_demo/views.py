"""The token flow as JSON. Each view reads a body, calls a function of `lifecycle`, and answers."""

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError

from jwt_demo import cookies, lifecycle
from jwt_demo.authentication import REVOKED, JWTAuthentication, NoAuthentication, challenge
from jwt_demo.conf import conf
from jwt_demo.flow import FLOW
from jwt_demo.keys import public_keys, ring
from jwt_demo.lifecycle import InvalidRefresh, IssuedTokens, ReusedAfterGrace, ReuseDetected, RevokedRefresh
from jwt_demo.models import TokenFamily, Transport
from jwt_demo.tokens import AccessToken
from security import origin, passwords
from security.authentication import credential_role, row_of
from security.backends import verify
from security.client import Client
from security.devices import AGAIN
from security.exceptions import UNAVAILABLE
from security.outages import OUTAGE_RETRY_AFTER, OUTAGES
from security.permissions import IsAdmin
from security.revocation import revoke_access
from security.serializers import (
    DevicesAnswer,
    Ended,
    Flag,
    LoginBody,
    Message,
    PasswordBody,
    ProfileAnswer,
    ReauthenticateBody,
    Text,
    Who,
)
from security.users import access_of, profile
from security.views import CLEAR, JsonView, non_atomic

# What to do instead, for a client at another origin.
WITHOUT_COOKIES = 'Without cookies, send "transport": "body" or "refresh": false.'
IN_THE_BODY = "Without cookies, send the refreshToken in the body."


@csrf_exempt  # otherwise a POST would be a 403 about the CSRF token instead of a 405
@login_not_required
@require_safe
def key_set(request: HttpRequest) -> JsonResponse:
    """The public keys that verify access tokens, for services (RFC 7517 section 5), also those that are pending.

    A verifier may keep them for `JWT_KEYS_MAX_AGE` seconds, which is less than a key is pending. A key for HS256 has no
    public part and is not here.
    """
    response = JsonResponse({"keys": public_keys(ring("access"))}, content_type="application/jwk-set+json")
    # Private: a shared cache would keep the keys too, and its time would be added to that of the service.
    response["Cache-Control"] = f"private, max-age={conf.JWT_KEYS_MAX_AGE}"
    return response


class KeyReplaced(exceptions.APIException):
    """A key that leaked was removed while an answer was signed with it.

    A login that is sent again succeeds. A refresh that is sent again is a 401, because the same key signed its token.
    """

    status_code, default_detail, wait = 503, UNAVAILABLE, OUTAGE_RETRY_AFTER


class TokenView(JsonView):
    """The base of all views. It needs a valid access token; a view that needs none says so."""

    authentication_classes = [JWTAuthentication]
    permission_classes = [IsAuthenticated]
    unauthenticated = "No token provided"

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Adds the challenge; `insufficient_scope` for a valid token without the needed role (RFC 6750 section 3.1)."""
        response = super().finalize_response(request, response, *args, **kwargs)
        # The origin gate refuses without a look at the token. Its answer has a `detail`.
        if response.status_code == 403 and "detail" not in response.data:
            response["WWW-Authenticate"] = challenge(error="insufficient_scope")
        elif response.status_code == 401:
            # As after a wrong password. The 401 for a wrong token has its challenge already (RFC 9110 section 15.5.2).
            response.setdefault("WWW-Authenticate", challenge())
        return response

    def handle_exception(self, exc: Exception) -> Response:
        """503 when the key of a token was removed before the token was signed."""
        return super().handle_exception(KeyReplaced() if isinstance(exc, TokenBackendError) else exc)

    def device(self) -> str | None:
        """The id of the token's family; `None` for a request without a token, as with `force_authenticate`."""
        return str(self.request.auth["sid"]) if self.request.auth else None

    def family(self) -> TokenFamily | None:
        """The family of the access token, `None` for an access token without one. Raises 401 when it has ended."""
        family = TokenFamily.objects.filter(pk=self.device()).first()
        if family and not family.is_open():
            raise exceptions.AuthenticationFailed(REVOKED)
        return family

    def decide_origin(self, family: TokenFamily | None) -> None:
        """Raises 403 for a page of another origin if its new refresh token would be set as a cookie."""
        sets_cookie = family is not None and family.transport == Transport.COOKIE
        origin.decide(self.request._request, not sets_cookie, WITHOUT_COOKIES)

    def answer(self, issued: IssuedTokens, **more: Any) -> Response:
        """The access token in the body, and the refresh token by the transport of its family."""
        seconds = issued.access["exp"] - int(timezone.now().timestamp())
        response = Response(more | {"accessToken": str(issued.access), "expiresIn": seconds})
        if issued.family and issued.family.transport == Transport.BODY:
            response.data["refreshToken"] = issued.family.text()
        elif issued.family:
            cookies.put(response, issued.family)
        return response


class TokenLoginBody(LoginBody):
    """The user's name, the password, and which tokens are needed: for a browser or an app, or an access token only."""

    # DRF's own message repeats what was sent. Half of a surrogate pair in an answer would be a 500.
    transport = serializers.ChoiceField(
        choices=Transport.choices, default=Transport.COOKIE, error_messages={"invalid_choice": "Not cookie or body."}
    )
    refresh = Flag(default=True)


class RefreshBody(serializers.Serializer):
    """A native client's refresh token; a browser sends its cookie and no body."""

    refreshToken = Text(required=False, max_length=10_000)


class TokensAnswer(serializers.Serializer):
    """An access token and the seconds it lives; the refresh token only for a native client."""

    accessToken = serializers.CharField()
    expiresIn = serializers.IntegerField()
    refreshToken = serializers.CharField(required=False)


class RenewedTokensAnswer(Message):
    """New tokens after the user has proved the password.

    After a change of the password there are none for a login with an access token only, or in an outage.
    """

    accessToken = serializers.CharField(required=False)
    expiresIn = serializers.IntegerField(required=False)
    refreshToken = serializers.CharField(required=False)


@non_atomic
@method_decorator(origin.decides_origin, name="dispatch")
class Login(TokenView):
    """Takes a name and a password. Gives an access token, and a refresh token in a cookie or in the body."""

    name = "Log in"
    authentication_classes = [NoAuthentication]
    permission_classes = []

    @extend_schema(request=TokenLoginBody, responses=TokensAnswer, auth=[])
    def post(self, request: Request) -> Response:
        body, client = self.read(TokenLoginBody), Client.of(request._request)
        sets_cookie = body["refresh"] and body["transport"] == Transport.COOKIE
        origin.decide(request._request, not sets_cookie, WITHOUT_COOKIES)
        user = verify(request._request, body["identifier"], body["password"])
        if not body["refresh"]:
            return self.answer(lifecycle.access_token_only(user, client))
        issued = lifecycle.start(user, client, body["remember"], body["transport"])
        before, transport = cookies.presented(request._request, {})
        if body["transport"] == transport and (token := cookies.good(before)):
            # The browser will replace that cookie, and could not end the family of the old token any more.
            lifecycle.end(token, None, AGAIN)
        return self.answer(issued)


@non_atomic
@method_decorator(origin.decides_origin, name="dispatch")
class Refresh(TokenView):
    """Gives the next access token, and the next refresh token, which replaces the one that was sent."""

    name = "Get new tokens"
    authentication_classes = [NoAuthentication]
    permission_classes = []

    @extend_schema(request=RefreshBody, responses=TokensAnswer, auth=[])
    def post(self, request: Request) -> Response:
        text, transport = cookies.presented(request._request, self.read(RefreshBody))
        is_exempt = transport == Transport.BODY or origin.is_under_bearer(request._request)
        origin.decide(request._request, is_exempt, IN_THE_BODY)
        if not text:
            raise exceptions.AuthenticationFailed("No refresh token")
        # None of these 401s clears the cookie: it may be a newer one by the time this answer arrives.
        try:
            if token := cookies.good(text):
                return self.answer(lifecycle.rotate(token, Client.of(request._request), transport))
        except ReusedAfterGrace:
            raise exceptions.AuthenticationFailed("Refresh token already used") from None
        except ReuseDetected:
            raise exceptions.AuthenticationFailed("Token reuse detected") from None
        except RevokedRefresh:
            raise exceptions.AuthenticationFailed("Access revoked") from None
        except InvalidRefresh:
            pass
        raise exceptions.AuthenticationFailed("Invalid refresh token")


@non_atomic
class Reauthenticate(TokenView):
    """The user proves the password again, before an important action. The new access token says when."""

    name = "Prove the password again"

    @extend_schema(request=ReauthenticateBody, responses=RenewedTokensAnswer)
    def post(self, request: Request) -> Response:
        body, family = self.read(ReauthenticateBody), self.family()
        self.decide_origin(family)
        user = verify(request._request, row_of(request.user).get_username(), body["password"])
        issued = lifecycle.reauthenticate(family, user, Client.of(request._request))
        return self.answer(issued, message="Reauthenticated")


@non_atomic
class Password(TokenView):
    """Changes the password. All other logins of the user end. This family goes on with new tokens."""

    name = "Change the password"

    @extend_schema(request=PasswordBody, responses=RenewedTokensAnswer)
    def post(self, request: Request) -> Response:
        body, family = self.read(PasswordBody), self.family()
        self.decide_origin(family)
        user = verify(request._request, row_of(request.user).get_username(), body["current"])
        try:
            passwords.choose(user, body["new"])
        except ValidationError as error:
            raise serializers.ValidationError({"new": error.messages}) from None
        passwords.replace(user, Client.of(request._request), keep=family)
        if family is None or family.token_version != access_of(user).token_version:
            # The login has an access token only. Or a store failed before the family got new tokens, and it ends, too.
            return Response({"message": "Password changed"})
        return self.answer(lifecycle.reissue(family), message="Password changed")


@non_atomic
@method_decorator(origin.decides_origin, name="dispatch")
class Logout(TokenView):
    """Logs out by the refresh token, the access token or both. Works without a valid one, so every user can log out."""

    name = "Log out"
    authentication_classes = [NoAuthentication]
    permission_classes = []

    @extend_schema(request=RefreshBody, responses=Message, auth=[])
    def post(self, request: Request) -> Response:
        text, transport = cookies.presented(request._request, self.read(RefreshBody))
        is_exempt = transport == Transport.BODY or origin.is_under_bearer(request._request)
        origin.decide(request._request, is_exempt, IN_THE_BODY)
        try:
            is_last = lifecycle.end(cookies.good(text), self.bearer(), "logged out")
        except OUTAGES:
            return Response({"error": "Logout failed"}, 503, headers={"Retry-After": str(OUTAGE_RETRY_AFTER)})
        response = Response({"message": "Logged out"}, headers=CLEAR)
        if text and transport == Transport.COOKIE and is_last:
            cookies.clear(response)
        return response

    def bearer(self) -> AccessToken | None:
        """The access token of the request, if it is valid; otherwise `None`."""
        authentication = JWTAuthentication()
        header = authentication.get_header(self.request)
        raw = authentication.get_raw_token(header) if header else None
        try:
            return AccessToken(raw) if raw else None
        except TokenError:
            return None


@non_atomic
class LogoutEverywhere(TokenView):
    """Ends all logins of this user, in both flows."""

    name = "Log out everywhere"

    @extend_schema(request=None, responses=Message)
    def post(self, request: Request) -> Response:
        revoke_access(row_of(request.user), "logged out everywhere")
        response = Response({"message": "Logged out everywhere"}, headers=CLEAR)
        if cookies.is_of(request._request, self.device()):
            cookies.clear(response)
        return response


class Root(TokenView):
    """The addresses of the endpoints. Log in first: it gives the access token that the others need."""

    name = "Token API"
    authentication_classes = [NoAuthentication]
    permission_classes = []

    @extend_schema(responses=OpenApiTypes.OBJECT, auth=[])
    def get(self, request: Request) -> Response:
        names = ["whoami", "profile", "staff", "devices", "login", "refresh", "reauthenticate", "password", "logout"]
        names.append("logout_everywhere")
        return Response({name: reverse(f"jwt:{name}", request=request) for name in names})


class Whoami(TokenView):
    """The user that the credential names: one Redis MGET, no SQL."""

    name = "Who am I"

    @extend_schema(responses=Who)
    def get(self, request: Request) -> Response:
        return Response({"userId": str(request.user.pk), "role": credential_role(request.user)})


class Profile(TokenView):
    """The user, from the database."""

    name = "My profile"

    @extend_schema(responses=ProfileAnswer)
    def get(self, request: Request) -> Response:
        return Response({"data": profile(row_of(request.user))})


class Staff(TokenView):
    """For users with the role admin. Other users get a 403."""

    name = "For administrators"
    permission_classes = [IsAuthenticated, IsAdmin]

    @extend_schema(responses=Message)
    def get(self, request: Request) -> Response:
        return Response({"message": "You are an administrator"})


@non_atomic
class Devices(TokenView):
    """The token logins of this user. DELETE ends all but this one."""

    name = "Token logins of this user"

    @extend_schema(responses=DevicesAnswer)
    def get(self, request: Request) -> Response:
        current = self.device()
        devices = FLOW.list(request.user.pk)
        return Response({"devices": [entry.as_json(current) for entry in devices]})

    @extend_schema(operation_id="jwt_api_devices_end_others", responses={200: Ended})
    def delete(self, request: Request) -> Response:
        """Ends all token logins of this user but this one."""
        ended = FLOW.end_others(row_of(request.user), self.device(), "ended by its owner")
        return Response({"message": "The others were ended", "ended": ended})


@non_atomic
class Device(TokenView):
    """One token login of this user. DELETE ends it."""

    name = "One token login"

    @extend_schema(responses={200: Message})
    def delete(self, request: Request, device: UUID) -> Response:
        """Ends one token login of this user."""
        if not FLOW.end(row_of(request.user), device, "ended by its owner"):
            raise exceptions.NotFound
        response = Response({"message": "Ended"})
        if cookies.is_of(request._request, str(device)):
            cookies.clear(response)
        return response
