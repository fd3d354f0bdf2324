"""Views of another project: DRF's own permissions, and only the two authentication classes of this one."""

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth import logout, update_session_auth_hash
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from rest_framework import parsers, permissions, routers, serializers, viewsets
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAdminUser, IsAuthenticated, IsAuthenticatedOrReadOnly
from rest_framework.renderers import TemplateHTMLRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from jwt_demo.authentication import JWTAuthentication
from jwt_demo.views import TokenView
from security.permissions import IsAdmin, RecentlyAuthenticated
from sessions_demo.authentication import SessionAuthentication
from sessions_demo.views import SessionView

CLASSES: dict[str, list[Any]] = {
    "session": [SessionAuthentication],
    "token": [JWTAuthentication],
    "either": [JWTAuthentication, SessionAuthentication],
    "session-first": [SessionAuthentication, JWTAuthentication],
}
PERMISSIONS: dict[str, Any] = {
    "authenticated": IsAuthenticated,
    "to-change": IsAuthenticatedOrReadOnly,
    "admin-user": IsAdminUser,
    "admin-role": IsAdmin,
    "recent": RecentlyAuthenticated,
    "model": permissions.DjangoModelPermissions,
}


def role(user: Any) -> str:
    """A project's own role function, whose value differs from the model's `role`."""
    return "cook"


class EntrySerializer(serializers.ModelSerializer):
    class Meta:
        model = LogEntry
        fields = ["id", "object_repr", "action_flag"]


class EntryViewSet(viewsets.ModelViewSet):
    """A view of rows that a user owns, filtered by and saved with `request.user`, as in many tutorials."""

    authentication_classes = CLASSES["either"]
    permission_classes = [IsAuthenticated]
    serializer_class = EntrySerializer

    def get_queryset(self) -> Any:
        return LogEntry.objects.filter(user=self.request.user).order_by("pk")

    def perform_create(self, serializer: Any) -> None:
        serializer.save(user=self.request.user)


class Answers(APIView):
    """Answers with the user's id. Has a queryset because DRF's model permissions need one."""

    queryset = LogEntry.objects.all()

    def get(self, request: Request) -> Response:
        return Response({"pk": str(request.user.pk)})

    post = put = patch = delete = get


class Named(Answers):
    """Answers with the e-mail address, which only the user's row contains."""

    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return Response({"email": request.user.email})  # type: ignore[union-attr]


class Rendered(Answers):
    """Names the user only in its template."""

    permission_classes = [IsAuthenticated]
    renderer_classes = [TemplateHTMLRenderer]

    def get(self, request: Request) -> Response:
        return Response({"who": request.user}, template_name="who.html")


class Breaks(Answers):
    """Writes a row, and then fails."""

    def post(self, request: Request) -> Response:
        LogEntry.objects.create(user=request.user, object_repr="half", action_flag=1)
        raise serializers.ValidationError("too late")


class BreaksByToken(TokenView, Breaks):
    pass


class BreaksBySession(SessionView, Breaks):
    pass


class Upload(Answers):
    permission_classes = [IsAuthenticated]
    parser_classes = [parsers.MultiPartParser]

    def post(self, request: Request) -> Response:
        return Response({"size": request.data["file"].size, "by": request.user.pk})


class Rate(UserRateThrottle):
    rate = "2/min"


class LeavesDjango(Answers):
    """Calls Django's own functions for sessions with `request.user`."""

    authentication_classes = CLASSES["session"]
    permission_classes = [IsAuthenticated]

    def post(self, request: Request) -> Response:
        update_session_auth_hash(request._request, request.user)  # type: ignore[arg-type]
        return Response({"email": request.user.email})  # type: ignore[union-attr]

    def delete(self, request: Request) -> Response:
        logout(request._request)
        return Response({})


class LogMiddleware:
    """A project's middleware that reads the user's e-mail address after the view."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response: HttpResponse = self.get_response(request)
        response["X-User"] = getattr(request.user, "email", "")
        return response


@api_view(["GET", "POST"])
@authentication_classes(CLASSES["either"])
@permission_classes([IsAuthenticated])
def function(request: Request) -> Response:
    return Response({"pk": str(request.user.pk)})


def plain(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"email": request.user.email})  # type: ignore[union-attr]


router = routers.SimpleRouter(trailing_slash=False)
router.register("entries", EntryViewSet, "entry")
urlpatterns = [
    path("any/", include(router.urls)),
    path("named", Named.as_view(authentication_classes=CLASSES["either"])),
    path("rendered", Rendered.as_view(authentication_classes=CLASSES["either"])),
    path("breaks/token", BreaksByToken.as_view()),
    path("breaks/session", BreaksBySession.as_view()),
    path("breaks/either", Breaks.as_view(authentication_classes=CLASSES["either"])),
    path("upload", Upload.as_view(authentication_classes=CLASSES["either"])),
    path("throttled", Answers.as_view(authentication_classes=CLASSES["either"], throttle_classes=[Rate])),
    path("leaves", LeavesDjango.as_view()),
    path("function", function),
    path("plain", plain),
    *(
        path(f"by/{way}/{name}", Answers.as_view(authentication_classes=classes, permission_classes=[permission]))
        for way, classes in CLASSES.items()
        for name, permission in PERMISSIONS.items()
    ),
    path("", include("config.urls")),
]
