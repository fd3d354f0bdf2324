"""Strict fields, and the bodies of requests and answers of the JSON endpoints of both flows."""

from typing import Any

from rest_framework import serializers

from security.passwords import MAXIMUM_LENGTH
from security.users import login_field


class Text(serializers.CharField):
    """A JSON string, unchanged. DRF would accept 42 as "42" and trim a password."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(data) if isinstance(data, str) else self.fail("invalid")


class Flag(serializers.BooleanField):
    """A JSON boolean. DRF would accept "yes" as one."""

    def to_internal_value(self, data: Any) -> bool:
        return data if isinstance(data, bool) else self.fail("invalid", input=data)


class Message(serializers.Serializer):
    """What was done."""

    message = serializers.CharField()


class LoginBody(serializers.Serializer):
    """The login name, in the field that `login_field` names and read as `identifier`, and the password."""

    password = Text(max_length=MAXIMUM_LENGTH)
    remember = Flag(default=False)

    def get_fields(self) -> dict[str, serializers.Field]:
        return {login_field(): Text(max_length=254, source="identifier"), **super().get_fields()}


class ReauthenticateBody(serializers.Serializer):
    """The password, again."""

    password = Text(max_length=MAXIMUM_LENGTH)


class PasswordBody(serializers.Serializer):
    """The present password, and the new one."""

    current = Text(max_length=MAXIMUM_LENGTH)
    new = Text(max_length=MAXIMUM_LENGTH)


class Who(serializers.Serializer):
    """The user that the credential names."""

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
