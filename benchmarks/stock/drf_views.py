"""The same answers by DRF, a class for each way to authenticate."""

from typing import Any

from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication, JWTStatelessUserAuthentication

from benchmarks.stock import users


class SessionWhoami(APIView):
    """By the session; Django reads the user's row."""

    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return Response(users.who(request.user))


class SessionProfile(SessionWhoami):
    """Likewise."""

    def get(self, request: Request) -> Response:
        return Response(users.profile(request.user))


class TokenWhoami(SessionWhoami):
    """By an access token; SimpleJWT reads the user's row."""

    authentication_classes = [JWTAuthentication]


class TokenProfile(SessionProfile):
    """Likewise."""

    authentication_classes = [JWTAuthentication]


class StatelessWhoami(APIView):
    """By an access token alone."""

    authentication_classes = [JWTStatelessUserAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        token: Any = request.auth
        return Response({"userId": str(request.user.pk), "role": token["role"]})
