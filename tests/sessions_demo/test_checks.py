"""A configuration that would weaken a session stops the start, with an id."""

from typing import Any

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from sessions_demo.checks import configuration
from sessions_demo.conf import conf as session_conf


def ids() -> list[str | None]:
    return [error.id for error in configuration(None)]


def test_the_configuration_is_sound() -> None:
    assert ids() == []
    assert [message for message in run_checks() if (message.id or "").startswith("session.")] == []


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("SESSION_COOKIE_NAME", "sessionid", "session.E001"),
        ("SESSION_COOKIE_SECURE", False, "session.E001"),
        ("SESSION_COOKIE_DOMAIN", "example.org", "session.E001"),
        ("SESSION_COOKIE_PATH", "/session/", "session.E001"),
        ("CSRF_COOKIE_NAME", "csrftoken", "session.E001"),
        ("CSRF_COOKIE_SECURE", False, "session.E001"),
        ("CSRF_COOKIE_DOMAIN", ".example.org", "session.E001"),
        ("CSRF_COOKIE_PATH", "/x", "session.E001"),
        ("SESSION_CACHE_ALIAS", "nowhere", "session.E002"),
        ("SESSION_IDLE_LIFETIME", 0, "session.E003"),
        ("SESSION_IDLE_LIFETIME", -1, "session.E003"),
        ("SESSION_IDLE_LIFETIME", 24 * 3600 + 1, "session.E003"),
        ("SESSION_IDLE_LIFETIME_REMEMBERED", 0, "session.E003"),
        ("SESSION_ABSOLUTE_LIFETIME", 1, "session.E003"),
        ("SESSION_ABSOLUTE_LIFETIME_REMEMBERED", 60, "session.E003"),
    ],
)
def test_what_would_weaken_a_session_is_refused(settings: Settings, name: str, value: Any, error: str) -> None:
    setattr(settings, name, value)
    assert ids() == [error]


@pytest.mark.parametrize(
    "options", [{}, {"SERIALIZER": "django_redis.serializers.pickle.PickleSerializer"}, {"SERIALIZER": ""}]
)
def test_a_serializer_that_could_run_code_is_refused(settings: Settings, options: dict[str, str]) -> None:
    settings.CACHES = settings.CACHES | {"sessions": settings.CACHES["sessions"] | {"OPTIONS": options}}
    assert ids() == ["session.E002"]


def test_a_lifetime_may_be_all_idle(settings: Settings) -> None:
    settings.SESSION_IDLE_LIFETIME = session_conf.SESSION_ABSOLUTE_LIFETIME
    assert ids() == []


@pytest.mark.parametrize(
    "name", ["security.bodies.BodyGate", "security.origin.OriginGate", "sessions_demo.middleware.SessionMiddleware"]
)
def test_a_part_without_the_middleware_that_guards_it_is_refused(settings: Settings, name: str) -> None:
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if one != name]
    assert ids() == ["session.E010"]
