"""Stock SimpleJWT's views, to compare ours with. Only the table of the users is ours."""

from typing import Any

from django.urls import path
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView


class Whoami(APIView):
    """The user who asks. The stock authentication has read the row of the user before."""

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
