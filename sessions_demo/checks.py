"""System checks of this app's configuration. Each error says what is wrong and what to write instead."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.conf import global_settings, settings
from django.core.checks import Error, Warning, register
from django_redis.client import DefaultClient, HerdClient, SentinelClient

from security.checks import client_class, has_middleware, in_redis, misspelt, wrong_values
from sessions_demo.conf import conf

JSON = "django_redis.serializers.json.JSONSerializer"


@register("session")
def configuration(app_configs: Any, **kwargs: Any) -> list[Error]:
    """Runs all the checks below that are errors."""
    if wrong := [*wrong_values(conf, "session.E009", may_be_0=("SESSION_SEEN_EVERY", "SESSION_ROWS_KEPT"))]:
        return wrong
    found = [*_cookie(), *_script(), *_engine(), *_store(), *_lifetimes(), *_middleware()]
    return [*found, *misspelt(conf, "session.E011")]


def _cookie() -> Iterator[Error]:
    for kind, name in (("SESSION", "__Host-sessionid"), ("CSRF", "__Host-csrftoken")):
        found = getattr(settings, f"{kind}_COOKIE_NAME")
        secure = getattr(settings, f"{kind}_COOKIE_SECURE") and not getattr(settings, f"{kind}_COOKIE_DOMAIN")
        if not (found.startswith("__Host-") and secure and getattr(settings, f"{kind}_COOKIE_PATH") == "/"):
            yield Error(
                f"A sibling subdomain can set the cookie {found}: its name must begin with __Host-, and it must be "
                "secure and have the path / and no domain.",
                hint=f'In the settings, write {kind}_COOKIE_NAME = "{name}" and {kind}_COOKIE_SECURE = True, and take '
                f"out {kind}_COOKIE_DOMAIN and {kind}_COOKIE_PATH.",
                id="session.E001",
            )


def _script() -> Iterator[Error]:
    if not settings.SESSION_COOKIE_HTTPONLY:
        yield Error(
            "SESSION_COOKIE_HTTPONLY = False has no effect: the cookie is always HttpOnly, because a script that can "
            "read it can steal the session.",
            hint="In the settings, write SESSION_COOKIE_HTTPONLY = True, or take it out.",
            id="session.E001",
        )


def _engine() -> Iterator[Error]:
    from sessions_demo.store import SessionStore  # not at the top: the models are not loaded yet

    try:
        engine = getattr(import_module(settings.SESSION_ENGINE), "SessionStore", None)
    except ImportError:
        engine = None
    if not (isinstance(engine, type) and issubclass(engine, SessionStore)):
        yield Error(
            f'SESSION_ENGINE is "{settings.SESSION_ENGINE}": its sessions cannot be listed and ended here.',
            hint='In the settings, write SESSION_ENGINE = "sessions_demo.store".',
            id="session.E008",
        )


def _store() -> Iterator[Error]:
    alias = settings.SESSION_CACHE_ALIAS
    cache, where = settings.CACHES.get(alias, {}), f'In the settings, in CACHES["{alias}"], write'
    if not in_redis(alias):
        yield Error(
            f'CACHES["{alias}"], which SESSION_CACHE_ALIAS names, is not a django-redis cache on one server. In any '
            "other cache, an ended session can come back.",
            hint=f'{where} "BACKEND": "django_redis.cache.RedisCache", and leave "CLIENT_CLASS" out.',
            id="session.E004",
        )
        return
    options = cache.get("OPTIONS", {})
    if not options.get("SERIALIZER", "").endswith("JSONSerializer"):
        yield Error(
            f'CACHES["{alias}"] has no JSON serializer: an attacker who can write to Redis can run code here.',
            hint=f'{where} "OPTIONS": {{"SERIALIZER": "{JSON}"}}.',
            id="session.E002",
        )
    yield from _honesty(alias, options, where)
    yield from _one_server(alias, cache, where)


def _honesty(alias: str, options: dict[str, Any], where: str) -> Iterator[Error]:
    if options.get("IGNORE_EXCEPTIONS", getattr(settings, "DJANGO_REDIS_IGNORE_EXCEPTIONS", False)):
        yield Error(
            f'CACHES["{alias}"] ignores exceptions: while Redis is away, every user would be logged out.',
            hint=f'{where} "OPTIONS": {{"IGNORE_EXCEPTIONS": False}}, whatever DJANGO_REDIS_IGNORE_EXCEPTIONS is.',
            id="session.E005",
        )


def _one_server(alias: str, cache: dict[str, Any], where: str) -> Iterator[Error]:
    client = client_class(alias)
    if not issubclass(client, DefaultClient) or issubclass(client, (HerdClient, SentinelClient)):
        yield Error(
            f'CACHES["{alias}"] has a client class that reads from replicas, or that reports a record as missing '
            "before its end. An ended session could still be accepted, or a live one lost.",
            hint=f'{where} "OPTIONS": {{"CLIENT_CLASS": "django_redis.client.DefaultClient"}}.',
            id="session.E006",
        )
    location = cache.get("LOCATION", "")
    servers = location.split(",") if isinstance(location, str) else list(location)
    if len(servers) != 1:
        yield Error(
            f'CACHES["{alias}"] has {len(servers)} addresses. django-redis uses all but the first as replicas, and a '
            "replica may still have a session that was ended.",
            hint=f'{where} "LOCATION": "{servers[0] if servers else "redis://localhost:6379/0"}", the one server that '
            "takes writes.",
            id="session.E007",
        )


def _lifetimes() -> Iterator[Error]:
    for suffix in ("", "_REMEMBERED"):
        idle, absolute = f"SESSION_IDLE_LIFETIME{suffix}", f"SESSION_ABSOLUTE_LIFETIME{suffix}"
        if getattr(conf, idle) > getattr(conf, absolute):
            yield Error(
                f"{idle} is {getattr(conf, idle)} and {absolute} is {getattr(conf, absolute)} seconds. The first must "
                "be at most the second.",
                hint=f"In the settings, write both as seconds, such as {idle} = 7200 and {absolute} = 86400.",
                id="session.E003",
            )


def _middleware() -> Iterator[Error]:
    for path, why, place in (
        (
            "security.bodies.BodyGate",
            "a form without a Content-Length would be read as an empty form",
            "before the session middleware",
        ),
        (
            "security.origin.OriginGate",
            "another site could log a user in to another account",
            "before the session middleware",
        ),
        (
            "sessions_demo.middleware.SessionMiddleware",
            "Django's own middleware neither renews sessions nor ends them in time",
            "in the place of django.contrib.sessions.middleware.SessionMiddleware",
        ),
    ):
        if not has_middleware(path):
            yield Error(
                f"MIDDLEWARE does not name {path}: {why}.",
                hint=f'In the settings, in MIDDLEWARE, write "{path}" {place}.',
                id="session.E010",
            )


@register("session")
def age(app_configs: Any, **kwargs: Any) -> list[Warning]:
    """Warns of a lifetime in Django's setting, which does not end the session of a logged-in user.

    It is no error, because a project may mean the sessions without a user.
    """
    if settings.SESSION_COOKIE_AGE == global_settings.SESSION_COOKIE_AGE:
        return []
    return [
        Warning(
            "SESSION_COOKIE_AGE ends only sessions without a user. The sessions of users have lifetimes of their own.",
            hint="In the settings, write for example SESSION_IDLE_LIFETIME = 7200 and SESSION_ABSOLUTE_LIFETIME = "
            "86400. If you mean the sessions without a user, add session.W901 to SILENCED_SYSTEM_CHECKS.",
            id="session.W901",
        )
    ]
