"""The schema that drf-spectacular writes for the authentication classes and for a project's subclasses of them."""

from typing import Any

import pytest
from django.urls import path
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_demo.authentication import JWTAuthentication
from security.serializers import Message
from sessions_demo.authentication import SessionAuthentication


class View(APIView):
    @extend_schema(responses=Message)
    def get(self, request: Request) -> Response:
        return Response({"message": ""})


@pytest.mark.parametrize(("kind", "name"), [(JWTAuthentication, "bearer"), (SessionAuthentication, "session")])
def test_a_class_that_a_project_derives_is_the_same_credential(kind: Any, name: str) -> None:
    derived = type("Derived", (kind,), {})
    urls = [path(one.__name__, View.as_view(authentication_classes=[one])) for one in (kind, derived)]
    with GENERATOR_STATS.silence():
        GENERATOR_STATS.reset()
        described = SchemaGenerator(patterns=urls).get_schema(request=None, public=True)
        assert not GENERATOR_STATS
    assert name in described["components"]["securitySchemes"]
    assert [methods["get"]["security"] for methods in described["paths"].values()] == [[{name: []}]] * 2
