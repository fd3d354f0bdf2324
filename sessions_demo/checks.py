"""What must be true of the configuration before a session is begun."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import Error, register

from security.checks import has_middleware
from sessions_demo.conf import conf


@register("session")
def configuration(app_configs: Any, **kwargs: Any) -> list[Error]:
    """All of the checks below."""
    return [*_cookie(), *_serializer(), *_lifetimes(), *_middleware()]


def _cookie() -> Iterator[Error]:
    for kind in ("SESSION", "CSRF"):
        name = getattr(settings, f"{kind}_COOKIE_NAME")
        secure = getattr(settings, f"{kind}_COOKIE_SECURE") and not getattr(settings, f"{kind}_COOKIE_DOMAIN")
        if not (name.startswith("__Host-") and secure and getattr(settings, f"{kind}_COOKIE_PATH") == "/"):
            yield Error(
                f"{kind}_COOKIE_NAME must begin with __Host-, {kind}_COOKIE_SECURE be True, path and domain be left "
                "alone: otherwise a sibling subdomain can set this cookie.",
                id="session.E001",
            )


def _serializer() -> Iterator[Error]:
    options = settings.CACHES.get(settings.SESSION_CACHE_ALIAS, {}).get("OPTIONS", {})
    if not options.get("SERIALIZER", "").endswith("JSONSerializer"):
        yield Error(
            f'CACHES["{settings.SESSION_CACHE_ALIAS}"] must name a JSON SERIALIZER: otherwise an attacker '
            "who can write to Redis runs code here.",
            id="session.E002",
        )


def _lifetimes() -> Iterator[Error]:
    for suffix in ("", "_REMEMBERED"):
        idle, absolute = f"SESSION_IDLE_LIFETIME{suffix}", f"SESSION_ABSOLUTE_LIFETIME{suffix}"
        if not 0 < getattr(conf, idle) <= getattr(conf, absolute):
            yield Error(f"{idle} must be above 0 and at most {absolute}.", id="session.E003")


def _middleware() -> Iterator[Error]:
    for path, why in (
        ("security.bodies.BodyGate", "a form without a length would otherwise be taken for an empty one"),
        ("security.origin.OriginGate", "another site could otherwise log a browser in"),
        ("sessions_demo.middleware.SessionMiddleware", "Django's own renews no session and ends none in time"),
    ):
        if not has_middleware(path):
            yield Error(f"MIDDLEWARE must name {path}: {why}.", id="session.E010")
