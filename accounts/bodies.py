"""What JSON endpoints are sent and send: a strict parser, strict fields, and the bodies of both flows."""

import json
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from accounts.passwords import MAXIMUM_LENGTH


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
