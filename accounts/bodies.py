"""What JSON endpoints are sent and send: a strict parser, strict fields, and the bodies of both flows.

For forms too: the middleware `BodyGate`, which refuses a body that nothing would read.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from accounts.passwords import MAXIMUM_LENGTH
from accounts.refusals import Refused, refusal

LENGTH = re.compile(r"[0-9]{1,18}")
# A client that sends one of these with one of those sends a body, over HTTP/2 without any Transfer-Encoding.
SENDING = ("POST", "PUT", "PATCH")
READ = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")


class BodyGate:
    """Refuses a body without a usable length. It stands before the CSRF check, which would find no token in it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            body_length(request)
        except Refused as refused:
            return refusal(request, refused)
        return self.get_response(request)


def body_length(request: HttpRequest) -> int:
    """How many bytes of body follow, 0 for none.

    Django and DRF read no body without a Content-Length, so a token in it would be ignored and a logout do nothing.
    Raises `Refused`: 411 for a body without a length (RFC 9110 section 15.5.12), 400 for a length that is no number.
    """
    length = request.META.get("CONTENT_LENGTH", "")
    if not length and _announces_a_body(request):
        raise Refused(411, "body length", "Send the header Content-Length, 0 without a body, and no Transfer-Encoding.")
    if length and not LENGTH.fullmatch(length):
        raise Refused(400, "body length", "The header Content-Length must be a number of bytes.")
    return int(length or 0)


def _announces_a_body(request: HttpRequest) -> bool:
    return "Transfer-Encoding" in request.headers or (request.method in SENDING and request.content_type in READ)


class JSONParser(BaseParser):
    """JSON in UTF-8 (RFC 8259 section 8.1). DRF's answers a body nested too deep with a 500."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The value. Raises `ParseError`."""
        try:
            return json.loads(stream.read().decode(), parse_constant=_refuse, object_pairs_hook=_object)
        except (ValueError, RecursionError):
            raise ParseError("The body is not valid JSON.") from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of two fields of one name each reader believes another: what was checked is not what is used.
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a name twice")
    return found


class Text(serializers.CharField):
    """A JSON string as it is. DRF would take 42 for "42" and trim a password."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(data) if isinstance(data, str) else self.fail("invalid")


class Flag(serializers.BooleanField):
    """A JSON boolean. DRF would take "yes" for one."""

    def to_internal_value(self, data: Any) -> bool:
        return data if isinstance(data, bool) else self.fail("invalid", input=data)


class Message(serializers.Serializer):
    """What was done."""

    message = serializers.CharField()


class LoginBody(serializers.Serializer):
    """Who, and the proof."""

    email = Text(max_length=254)
    password = Text(max_length=MAXIMUM_LENGTH)
    remember = Flag(default=False)


class ConfirmBody(serializers.Serializer):
    """The password, again."""

    password = Text(max_length=MAXIMUM_LENGTH)


class PasswordBody(serializers.Serializer):
    """The password, and what is to take its place."""

    current = Text(max_length=MAXIMUM_LENGTH)
    new = Text(max_length=MAXIMUM_LENGTH)


class Who(serializers.Serializer):
    """Who the credential says is asking."""

    userId = serializers.CharField()
    role = serializers.CharField()


class ProfileData(serializers.Serializer):
    """A user, from the database."""

    id = serializers.CharField()
    email = serializers.CharField()
    name = serializers.CharField()
    role = serializers.CharField()


class ProfileAnswer(serializers.Serializer):
    """The user who asks."""

    data = ProfileData()  # type: ignore[assignment]


class DeviceAnswer(serializers.Serializer):
    """One login on one device."""

    id = serializers.UUIDField()
    current = serializers.BooleanField()
    address = serializers.CharField()
    userAgent = serializers.CharField()
    started = serializers.DateTimeField()
    lastSeen = serializers.DateTimeField()
    ends = serializers.DateTimeField()
    remember = serializers.BooleanField()


class DevicesAnswer(serializers.Serializer):
    """All of a user's devices in one flow."""

    devices = DeviceAnswer(many=True)


class Ended(Message):
    """How many devices were ended."""

    ended = serializers.IntegerField()
