"""Stock SimpleJWT's views, to measure ours against: nothing here is our own but the user's table."""

from typing import Any

from django.urls import path
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView


class Whoami(APIView):
    """Who asks; the stock authentication has read her row by then."""

    authentication_classes = [JWTAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return Response({"userId": str(request.user.pk)})


class Profile(Whoami):
    """The user, from the database."""

    def get(self, request: Request) -> Response:
        user: Any = request.user
        return Response({"id": user.pk, "email": user.email, "name": user.name})


urlpatterns = [
    path("login", TokenObtainPairView.as_view()),
    path("refresh", TokenRefreshView.as_view()),
    path("whoami", Whoami.as_view()),
    path("profile", Profile.as_view()),
]
