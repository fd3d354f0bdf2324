"""What drf-spectacular makes of the authentication class, and of one that a project derives from it."""

from django.urls import path
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_demo.authentication import JWTAuthentication
from security.serializers import Message


class UntilItExpires(JWTAuthentication):
    check = "expiry"


class Usual(APIView):
    authentication_classes = [JWTAuthentication]

    @extend_schema(responses=Message)
    def get(self, request: Request) -> Response:
        return Response({"message": ""})


class Cheap(Usual):
    authentication_classes = [UntilItExpires]


def test_a_class_with_a_check_of_its_own_is_the_same_credential() -> None:
    urls = [path("usual", Usual.as_view()), path("cheap", Cheap.as_view())]
    with GENERATOR_STATS.silence():
        GENERATOR_STATS.reset()
        described = SchemaGenerator(patterns=urls).get_schema(request=None, public=True)
        assert not GENERATOR_STATS
    assert "bearer" in described["components"]["securitySchemes"]
    assert [described["paths"][name]["get"]["security"] for name in ("/usual", "/cheap")] == [[{"bearer": []}]] * 2
