"""A configuration that would weaken a session stops the start, with an id and with what to write instead."""

from typing import Any

import pytest
from django.core.checks import run_checks
from django_redis.cache import RedisCache
from django_redis.client import DefaultClient
from pytest_django import Settings

from sessions_demo.checks import configuration
from sessions_demo.conf import conf as session_conf
from sessions_demo.store import SessionStore as OurStore


class SessionStore(OurStore):
    """A project's own, made of ours."""


def ids() -> list[str | None]:
    errors = configuration(None)
    # Each says what is wrong, and then what to write where.
    assert [one.msg for one in errors if not (one.hint or "").startswith("In the settings, ")] == []
    assert [one.msg for one in errors if " write " not in (one.hint or "") or "  " in one.msg + (one.hint or "")] == []
    return [error.id for error in errors]


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
        ("SESSION_CACHE_ALIAS", "nowhere", "session.E004"),
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


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}, "session.E004"),
        ({"BACKEND": "django.core.cache.backends.dummy.DummyCache"}, "session.E004"),
        ({"BACKEND": "django.core.cache.backends.redis.RedisCache"}, "session.E004"),
        ({"BACKEND": "no.such.Cache"}, "session.E004"),
        ({"CLIENT_CLASS": "django_redis.client.ShardClient"}, "session.E004"),
        ({"CLIENT_CLASS": "no.such.Client"}, "session.E004"),
        ({"IGNORE_EXCEPTIONS": True}, "session.E005"),
        ({"CLIENT_CLASS": "django_redis.client.HerdClient"}, "session.E006"),
        ({"CLIENT_CLASS": "django_redis.client.SentinelClient"}, "session.E006"),
        ({"CLIENT_CLASS": "django_redis.cache.RedisCache"}, "session.E006"),
        ({"LOCATION": "redis://one:6379/0,redis://two:6379/0"}, "session.E007"),
        ({"LOCATION": ["redis://one:6379/0", "redis://two:6379/0"]}, "session.E007"),
        ({"LOCATION": ()}, "session.E007"),
        ({"LOCATION": ["redis://one:6379/0"]}, None),
        ({"IGNORE_EXCEPTIONS": False}, None),
        ({"CLIENT_CLASS": "django_redis.client.DefaultClient"}, None),
        ({"BACKEND": f"{__name__}.OwnCache", "CLIENT_CLASS": f"{__name__}.OwnClient"}, None),
    ],
)
def test_a_store_that_would_lose_or_revive_sessions_is_refused(
    settings: Settings, change: dict[str, Any], error: str | None
) -> None:
    before = settings.CACHES["sessions"]
    cache = before | {name: value for name, value in change.items() if name in ("BACKEND", "LOCATION")}
    cache["OPTIONS"] = before["OPTIONS"] | {name: value for name, value in change.items() if name not in cache}
    settings.CACHES = settings.CACHES | {"sessions": cache}
    assert ids() == ([error] if error else [])


class OwnCache(RedisCache):
    """A project's own."""


class OwnClient(DefaultClient):
    """Likewise."""


def test_exceptions_may_be_ignored_elsewhere_only(settings: Settings) -> None:
    settings.DJANGO_REDIS_IGNORE_EXCEPTIONS = True
    assert ids() == ["session.E005"]
    before = settings.CACHES["sessions"]
    options = before["OPTIONS"] | {"IGNORE_EXCEPTIONS": False}
    settings.CACHES = settings.CACHES | {"sessions": before | {"OPTIONS": options}}
    assert ids() == []


@pytest.mark.parametrize(
    ("engine", "error"),
    [
        ("django.contrib.sessions.backends.cache", "session.E008"),
        ("django.contrib.sessions.backends.db", "session.E008"),
        ("sessions_demo.conf", "session.E008"),
        ("no.such.engine", "session.E008"),
        (__name__, None),
    ],
)
def test_other_sessions_than_ours_are_refused(settings: Settings, engine: str, error: str | None) -> None:
    settings.SESSION_ENGINE = engine
    assert ids() == ([error] if error else [])


def test_a_lifetime_may_be_all_idle(settings: Settings) -> None:
    settings.SESSION_IDLE_LIFETIME = session_conf.SESSION_ABSOLUTE_LIFETIME
    assert ids() == []


@pytest.mark.parametrize(
    "name", ["security.bodies.BodyGate", "security.origin.OriginGate", "sessions_demo.middleware.SessionMiddleware"]
)
def test_a_part_without_the_middleware_that_guards_it_is_refused(settings: Settings, name: str) -> None:
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if one != name]
    assert ids() == ["session.E010"]
