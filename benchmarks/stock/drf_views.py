"""The endpoints with DRF: a class for each way to authenticate."""

from typing import Any

from django.contrib.auth import authenticate, login, logout
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication, JWTStatelessUserAuthentication

from benchmarks.stock import users


@method_decorator(csrf_protect, name="dispatch")
class SessionLogin(APIView):
    """Takes name and password, sets the session's cookie. DRF's documentation asks for the CSRF check of a login."""

    def post(self, request: Request) -> Response:
        body: Any = request.data
        user = authenticate(request, username=body.get("username"), password=body.get("password"))
        if user is None:
            return Response({"error": "Invalid credentials"}, status=401)
        login(request._request, user)
        request.session["role"] = users.role_of(user)
        return Response({"message": "Logged in"})


class SessionLogout(APIView):
    """Ends the session."""

    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAuthenticated]

    def post(self, request: Request) -> Response:
        logout(request._request)
        return Response({"message": "Logged out"})


class SessionWhoami(APIView):
    """Answers by the session. Django reads the user's row."""

    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return Response(users.who(request.user))


class SessionProfile(SessionWhoami):
    """Answers by the session. Django reads the user's row."""

    def get(self, request: Request) -> Response:
        return Response(users.profile(request.user))


class TokenWhoami(SessionWhoami):
    """Answers by an access token. SimpleJWT reads the user's row."""

    authentication_classes = [JWTAuthentication]


class TokenProfile(SessionProfile):
    """Answers by an access token. SimpleJWT reads the user's row."""

    authentication_classes = [JWTAuthentication]


class StatelessWhoami(APIView):
    """Answers by an access token alone, without the user's row."""

    authentication_classes = [JWTStatelessUserAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        token: Any = request.auth
        return Response({"userId": str(request.user.pk), "role": token["role"]})
