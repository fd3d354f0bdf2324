"""What must be true of the configuration before either flow answers a request. Each refusal names its variable."""

import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from threading import RLock
from typing import Any

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.checks import ERROR, CheckMessage, Error, Tags, Warning, register, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.module_loading import import_string
from django_redis.cache import RedisCache
from django_redis.client import ShardClient

from security.conf import conf

SECRET_BYTES = 32


HOW_TO_MAKE = "Take the output of: python -c 'import secrets; print(secrets.token_urlsafe(48))'"


PLACEHOLDERS = ("change", "secret", "insecure", "example", "placeholder", "password", "xxxxxx")


DOOR = "security.backends.PasswordBackend"
# Ours stands in its place.
STOCK_DOOR = "django.contrib.auth.backends.ModelBackend"


# As a browser sends it (RFC 6454 section 6.2): no path, no capitals, no port that the scheme has anyway, no `null`.
ORIGIN = re.compile(
    r"(?!http://.*:80$|https://.*:443$)[a-z][a-z0-9+.-]*://([a-z0-9_.-]+|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?"
)


class _Checked:
    """Whether this process has passed all checks, or is running them: a check may load code that calls this again."""

    lock, passed = RLock(), False


def refuse_mistakes() -> None:
    """Runs all checks that Django knows, as only `manage.py` does by itself.

    The middleware of a part calls it when it is made, so that no server starts without it, whatever made the
    application. Raises `ImproperlyConfigured` with a line for each error. A process that has passed does not run them
    again; one that has not does.
    """
    errors = None
    with _Checked.lock:
        if _Checked.passed:
            return
        try:
            _Checked.passed = True
            errors = [_line(one) for one in run_checks() if one.is_serious(ERROR) and not one.is_silenced()]
        finally:
            _Checked.passed = errors == []
    if errors:
        raise ImproperlyConfigured("\n".join(sorted(errors)))


def _line(error: CheckMessage) -> str:
    where = f" ({error.obj})" if error.obj is not None else ""
    return " ".join(f"{error.id}: {error.msg}{where} {error.hint or ''}".split())


def has_middleware(path: str) -> bool:
    """Whether `MIDDLEWARE` names this class or a subclass of it."""
    return any(issubclass(kind, import_string(path)) for kind in _middleware())


def _middleware() -> Iterator[type]:
    for name in settings.MIDDLEWARE:
        with suppress(ImportError):  # Django itself says that it cannot be loaded
            if isinstance(kind := import_string(name), type):
                yield kind


@register("security")
def configuration(app_configs: Any, **kwargs: Any) -> list[Error]:
    """All of the checks below."""
    return [*_secret(), *_proxies(), *_door(), *_cookies(), *_store(), *_clock(), *_origins()]


def _secret() -> Iterator[Error]:
    # Under DEBUG the key that `startproject` has made will do: it is random, and only marked as one to replace.
    key = settings.SECRET_KEY.removeprefix("django-insecure-") if _is_debug() else settings.SECRET_KEY
    if is_guessable(key):
        sentence = f"SECRET_KEY is shorter than {SECRET_BYTES} bytes or a placeholder."
        yield Error(sentence, hint=f"Set SECRET_KEY where your settings read it. {HOW_TO_MAKE}", id="security.E001")


def _is_debug() -> bool:
    # Django's test runner takes DEBUG away, and keeps what it was: with it `manage.py test` would not start.
    saved = getattr(getattr(sys.modules.get("django.test.utils"), "_TestState", None), "saved_data", settings)
    return bool(getattr(saved, "debug", settings.DEBUG))


def is_guessable(key: str) -> bool:
    """Whether a secret is too short, or one that a person typed (ASVS 11.3)."""
    short = len(key.encode()) < SECRET_BYTES or len(set(key)) < 10
    return short or any(word in key.lower() for word in PLACEHOLDERS)


def _proxies() -> Iterator[Error]:
    if conf.TRUSTED_PROXIES < 0:
        sentence = "TRUSTED_PROXIES is a number of proxies and cannot be negative."
        hint = "Set TRUSTED_PROXIES, where your settings read it, to the number of your proxies, 0 for none."
        yield Error(sentence, hint=hint, id="security.E002")


def _door() -> Iterator[Error]:
    if [*settings.AUTHENTICATION_BACKENDS][:1] != [DOOR]:
        others = [name for name in settings.AUTHENTICATION_BACKENDS if name not in (DOOR, STOCK_DOOR)]
        yield Error(
            f"AUTHENTICATION_BACKENDS must begin with {DOOR}: one before it would be a way in without the throttle.",
            hint=f"Write in your settings: AUTHENTICATION_BACKENDS = {[DOOR, *others]}",
            id="security.E003",
        )


def _cookies() -> Iterator[Error]:
    exact = import_string("security.cookies.ExactCookiesMiddleware")
    for kind in _middleware():
        if issubclass(kind, exact):
            return
        if issubclass(kind, (SessionMiddleware, CsrfViewMiddleware)):
            break
    yield Error(
        "MIDDLEWARE must name security.cookies.ExactCookiesMiddleware before sessions and CSRF: without it a sibling "
        "host can set a cookie that Django reads as ours.",
        hint='Write in your settings, at their end: MIDDLEWARE.insert(0, "security.cookies.ExactCookiesMiddleware")',
        id="security.E004",
    )


def _store() -> Iterator[Error]:
    alias = conf.THROTTLE_CACHE_ALIAS
    if not in_redis(alias):
        sentence = f'CACHES["{alias}"] must be a django_redis.cache.RedisCache on one server: it counts failures.'
        hint = (
            f'Write in your settings: CACHES["{alias}"] = {{"BACKEND": "django_redis.cache.RedisCache", "LOCATION": '
            '"redis://localhost:6379/0"}, with the address of your Redis. Or name another in THROTTLE_CACHE_ALIAS.'
        )
        yield Error(sentence, hint=hint, id="security.E005")


def in_redis(alias: str) -> bool:
    """Whether this cache is one of django-redis, so that Redis itself can be asked."""
    with suppress(ImportError):
        kind = import_string(settings.CACHES.get(alias, {}).get("BACKEND", ""))
        # Shards are several servers, and a script or a list of keys is for one.
        return issubclass(kind, RedisCache) and not issubclass(client_class(alias), ShardClient)
    return False


def client_class(alias: str) -> type:
    """The class by which this cache of django-redis talks to Redis. Raises `ImportError` for one that is not there."""
    options = settings.CACHES[alias].get("OPTIONS", {})
    found: type = import_string(options.get("CLIENT_CLASS", "django_redis.client.DefaultClient"))
    return found


def _clock() -> Iterator[Error]:
    if not settings.USE_TZ:
        sentence = (
            "USE_TZ must be True: in local time a token expires hours too soon or too late, and one hour a year twice."
        )
        yield Error(sentence, hint="Write in your settings: USE_TZ = True", id="security.E006")


def _origins() -> Iterator[Error]:
    # A wildcard would let Django's CSRF check trust each host that a stranger comes by under that name.
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        if not ORIGIN.fullmatch(origin):
            sentence = f'CSRF_TRUSTED_ORIGINS holds "{origin}", which is not one origin as a browser sends it.'
            hint = (
                "Write each origin that you trust in your settings, without * and without a path: "
                'CSRF_TRUSTED_ORIGINS = ["https://app.example.org", "http://localhost:3000"]'
            )
            yield Error(sentence, hint=hint, id="security.E007")


@register(Tags.database)
def wrapped(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[Warning]:
    """Hashes that are not wrapped yet, in a project that has taken up the hashers for it.

    Asked by `migrate` and by `check --database default`. Its id has another number than those of Django, which begin
    alike: a project that silences one of Django's would not see this one.
    """
    from security import old_hashes  # it loads the models, and a server asks for the checks before they can be

    try:
        number = old_hashes.bare().count() if databases and old_hashes.can_be_read() else 0
    except DatabaseError:
        return []  # the table is not there yet, or the database is away: others say so
    sentence = f"{number} users have a password hash by PBKDF2 alone. Until it is wrapped, refused logins take longer."
    hint = "Run: manage.py wrap_password_hashes"
    return [Warning(sentence, hint=hint, id="security.W901")] if number else []
