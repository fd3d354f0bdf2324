"""A configuration that weakens sessions stops the start, with the id of the check and what to write instead."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import global_settings
from django.core.checks import run_checks
from django_redis.cache import RedisCache
from django_redis.client import DefaultClient
from pytest_django import Settings

from sessions_demo.checks import age, configuration
from sessions_demo.conf import conf as session_conf
from sessions_demo.store import SessionStore as OurStore


class SessionStore(OurStore):
    """A project's own subclass of this project's store."""


def ids() -> list[str | None]:
    errors = configuration(None)
    # Each error says what is wrong, and then what to write and where.
    assert [
        one.msg for one in errors if not re.match("In the settings, .*write|Write .* settings", one.hint or "")
    ] == []
    assert [one.msg for one in errors if "  " in one.msg + (one.hint or "")] == []
    return [error.id for error in errors]


def test_the_configuration_is_sound() -> None:
    assert ids() == []
    found = [one for one in run_checks() if (one.id or "").startswith("session.") and not one.is_silenced()]
    assert found == []


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("SESSION_COOKIE_NAME", "sessionid", "session.E001"),
        ("SESSION_COOKIE_SECURE", False, "session.E001"),
        ("SESSION_COOKIE_DOMAIN", "example.org", "session.E001"),
        ("SESSION_COOKIE_PATH", "/session/", "session.E001"),
        ("SESSION_COOKIE_HTTPONLY", False, "session.E001"),
        ("CSRF_COOKIE_NAME", "csrftoken", "session.E001"),
        ("CSRF_COOKIE_SECURE", False, "session.E001"),
        ("CSRF_COOKIE_DOMAIN", ".example.org", "session.E001"),
        ("CSRF_COOKIE_PATH", "/x", "session.E001"),
        ("SESSION_CACHE_ALIAS", "nowhere", "session.E004"),
        ("SESSION_IDLE_LIFETIME", 0, "session.E009"),
        ("SESSION_IDLE_LIFETIME", -1, "session.E009"),
        ("SESSION_IDLE_LIFETIME", "7200", "session.E009"),
        ("SESSION_IDLE_LIFETIME", timedelta(hours=2), "session.E009"),
        ("SESSION_IDLE_LIFETIME", None, "session.E009"),
        ("SESSION_IDLE_LIFETIME", 7200.5, "session.E009"),
        ("SESSION_ABSOLUTE_LIFETIME", True, "session.E009"),
        ("SESSION_ABSOLUTE_LIFETIME", 2**31, "session.E009"),
        ("SESSION_SEEN_EVERY", "60", "session.E009"),
        ("SESSION_SEEN_EVERY", -1, "session.E009"),
        ("SESSION_ROWS_KEPT", timedelta(days=30), "session.E009"),
        ("SESSION_ROWS_KEPT", -5, "session.E009"),
        ("SESSION_IDLE_LIFETIM", 60, "session.E011"),
        ("SESSION_ABSOLUTE_LIFETIMES", 60, "session.E011"),
        ("SESSION_IDLE_LIFETIME_REMEMBER", 60, "session.E011"),
        ("SESSION_IDLE_LIFETIME", 24 * 3600 + 1, "session.E003"),
        ("SESSION_IDLE_LIFETIME_REMEMBERED", 0, "session.E009"),
        ("SESSION_ABSOLUTE_LIFETIME", 1, "session.E003"),
        ("SESSION_ABSOLUTE_LIFETIME_REMEMBERED", 60, "session.E003"),
    ],
)
def test_what_would_weaken_a_session_is_refused(settings: Settings, name: str, value: Any, error: str) -> None:
    setattr(settings, name, value)
    assert ids() == [error]
    (found,) = configuration(None)
    if error in ("session.E009", "session.E011"):
        assert name in found.msg
        assert re.search(r"\bSESSION_[A-Z_]+(LIFETIME|REMEMBERED|EVERY|KEPT)\b( = \d+)? in ", found.hint or "")


def test_each_wrong_type_is_reported_and_nothing_else(settings: Settings) -> None:
    settings.SESSION_IDLE_LIFETIME, settings.SESSION_SEEN_EVERY = timedelta(hours=2), None
    settings.SESSION_COOKIE_NAME = "sessionid"
    assert ids() == ["session.E009", "session.E009"]


@pytest.mark.parametrize("name", ["SESSION_SEEN_EVERY", "SESSION_ROWS_KEPT"])
def test_what_may_be_nothing_may_be_0(settings: Settings, name: str) -> None:
    setattr(settings, name, 0)
    assert ids() == []


def test_names_of_django_and_of_other_parts_and_libraries_are_left_alone(settings: Settings) -> None:
    others = ["SESSION_EXPIRE_SECONDS", "SESSION_IDLE_TIMEOUT", "SESSION_SECURITY_EXPIRE_AFTER"]
    for name in ["SESSION_COOKIE_AGE", "SESSION_SAVE_EVERY_REQUEST", "JWT_ABSOLUTE_LIFETIME_REMEMBERED", *others]:
        setattr(settings, name, 1)
    assert ids() == []


def test_an_age_of_djangos_cookie_that_ends_no_login_is_a_warning(settings: Settings) -> None:
    for seconds in (60, 8 * 60 * 60, None):
        settings.SESSION_COOKIE_AGE = seconds
        (warning,) = age(None)
        assert (warning.id, warning.is_serious()) == ("session.W901", False)
        assert "write for example SESSION_IDLE_LIFETIME = 7200" in str(warning.hint)
        assert "SESSION_ABSOLUTE_LIFETIME" in str(warning.hint)
    settings.SESSION_COOKIE_AGE = global_settings.SESSION_COOKIE_AGE
    assert age(None) == []


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
    """A project's own cache class."""


class OwnClient(DefaultClient):
    """A project's own client class."""


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
