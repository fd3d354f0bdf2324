"""What every JSON endpoint does with the body it is sent, and with errors."""

from typing import Any

import pytest
from django.test import RequestFactory
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from security.backends import InvalidCredentials
from security.exceptions import exception_handler
from security.parsers import JSONParser
from security.serializers import Text
from security.throttle import Throttled
from security.views import JsonView


class Body(serializers.Serializer):
    name = Text(max_length=5)


class Echo(JsonView):
    """Answers with the body it was sent, or raises `error`."""

    permission_classes = []
    parser_classes = [JSONParser]
    error: Exception | None = None

    def post(self, request: Request) -> Response:
        if self.error:
            raise self.error
        return Response(self.read(Body))


def send(body: bytes = b'{"name": "x"}', error: Exception | None = None, **extra: Any) -> Any:
    kind = extra.pop("content_type", "application/json")
    response = Echo.as_view(error=error)(RequestFactory().post("/", body, kind, **extra))
    return response.render() if hasattr(response, "render") else response


def test_a_good_body_is_read() -> None:
    answer = send()
    assert (answer.status_code, answer.data, answer["Cache-Control"]) == (200, {"name": "x"}, "no-store")


@pytest.mark.parametrize(
    ("error", "status", "data"),
    [
        (InvalidCredentials(), 401, {"error": "Invalid credentials"}),
        (Throttled(7), 429, {"error": "Too many attempts"}),
        (exceptions.NotAuthenticated(), 401, {"error": "Not authenticated"}),
        (exceptions.PermissionDenied("because"), 403, {"error": "Forbidden"}),
        (exceptions.NotFound("a secret"), 404, {"error": "Not found"}),
        (exceptions.ValidationError({"name": ["No."]}), 400, None),
        (exceptions.ValidationError(["No."]), 400, None),
    ],
)
def test_every_refusal_has_one_form(error: Exception, status: int, data: dict[str, str] | None) -> None:
    from rest_framework.authentication import BasicAuthentication

    class Named(Echo):
        authentication_classes = [BasicAuthentication]

    answer = Named.as_view(error=error)(RequestFactory().post("/", b"{}", "application/json"))
    assert answer.status_code == status
    assert set(answer.data) <= {"error", "fields"}
    assert isinstance(answer.data["error"], str)
    assert data is None or answer.data == data
    assert answer["Cache-Control"] == "no-store"
    assert answer.get("Retry-After") == ("7" if status == 429 else None)


def test_what_is_nobodys_fault_here_is_not_dressed_up() -> None:
    assert exception_handler(ZeroDivisionError(), {"view": Echo()}) is None
    with pytest.raises(ZeroDivisionError):
        send(error=ZeroDivisionError())


def test_a_sentence_about_the_whole_body_stands_alone() -> None:
    assert send(b"[]").data == {"error": "Invalid data. Expected a dictionary, but got list."}


def test_a_field_that_is_wrong_is_named() -> None:
    assert set(send(b'{"name": 42}').data["fields"]) == set(send(b"{}").data["fields"]) == {"name"}


LENGTHS: dict[str, tuple[int, dict[str, str]]] = {
    "chunked": (411, {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}),
    "none": (411, {"CONTENT_LENGTH": ""}),
    **{
        f"{length[:9]!r}": (400, {"CONTENT_LENGTH": length})
        for length in ("x", "-1", "+5", "5.0", "1_0", " 5", "\u0665", "9" * 19, "9" * 5000)
    },
}


@pytest.mark.parametrize("length", LENGTHS)
def test_a_view_alone_refuses_a_body_without_a_length(length: str) -> None:
    """No middleware of the site runs here: a view that is used in another project must refuse by itself."""
    status, extra = LENGTHS[length]
    answer = send(**extra)
    assert answer.status_code == status
    assert "Content-Length" in answer.data.get("detail", answer.data["error"])
    assert send().status_code == 200


def test_a_view_alone_reads_no_more_than_it_accepts(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 13
    assert send(b'{"name": "x"}').status_code == 200
    assert send(b'{"name": "xy"}').status_code == 413


def test_without_a_body_no_length_is_needed() -> None:
    answer = Echo.as_view()(RequestFactory().generic("POST", "/"))
    assert answer.data["error"] == "Some fields are missing or wrong."
    assert Echo.as_view()(RequestFactory().get("/", content_type="application/json")).status_code == 405


def test_a_refusal_is_one_without_our_handler_too(settings: Any) -> None:
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"EXCEPTION_HANDLER": "rest_framework.views.exception_handler"}
    assert send(CONTENT_LENGTH="").status_code == 411
