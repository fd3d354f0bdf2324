"""What must be true of the configuration before either flow answers a request. Each refusal names its variable."""

import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from threading import RLock
from typing import Any

from django.conf import global_settings, settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.checks import ERROR, CheckMessage, Error, Tags, Warning, register, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.module_loading import import_string
from django_redis.cache import RedisCache
from django_redis.client import ShardClient

from security.conf import Conf, conf

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

# As seconds 68 years: a time that is longer breaks the arithmetic of dates.
LARGEST = 2**31 - 1


# Of other libraries, which share the beginning, a name may resemble one of ours by less: `JWT_AUTH_REFRESH_COOKIE`.
RESEMBLES = 0.85


class _Checked:
    """Whether this process has passed all checks, or is running them: a check may load code that calls this again."""

    lock, passed = RLock(), False


def refuse_origins_without_text() -> None:
    """Raises `ImproperlyConfigured` for CSRF_TRUSTED_ORIGINS that are no list of texts.

    The app calls it when it is ready, before any check runs: Django's own check of them would break.
    """
    if not _is_list_of_texts(settings.CSRF_TRUSTED_ORIGINS):
        raise ImproperlyConfigured("\n".join(map(_line, _origins())))


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
    if wrong := [*wrong_values(conf, "security.E008", may_be_0=("TRUSTED_PROXIES",))]:
        return wrong
    found = [*_secret(), *_door(), *_cookies(), *_store(), *_clock(), *_origins()]
    return [*found, *_role(), *_guarded(), *misspelt(conf, "security.E011")]


def wrong_values(conf: Conf, check: str, may_be_0: Collection[str] = ()) -> Iterator[Error]:
    """The settings of an app whose value has another type than the default, or is out of range.

    An app asks for its other checks only where there is none: they read each value as what it should be.
    """
    for name, default in conf._defaults.items():
        says, fits = _kind(default, least=0 if name in may_be_0 else 1)
        if not fits(getattr(conf, name)):
            # Only secrets have no default, and they are not written down in the settings.
            example = repr(default) if default != () else f'[os.environ["{name}"]]'
            hint = f"Write for example {name} = {example} in your settings."
            yield Error(f"The value of {name} must be {says}.", hint=hint, id=check)


def _kind(default: Any, least: int) -> tuple[str, Callable[[Any], bool]]:
    if isinstance(default, int):
        says = f"a whole number from {least} to {LARGEST}, of seconds if it is a time"
        return says, lambda value: _is_number(value, least)
    if isinstance(default, str):
        return "a text", lambda value: isinstance(value, str)
    if default and isinstance(default[0], int):
        says = f"two whole numbers from {least} to {LARGEST}, how many and in how many seconds"
        return says, lambda value: _is_list(value) and len(value) == 2 and all(_is_number(one, least) for one in value)
    return "a list or a tuple of texts", _is_list_of_texts


def _is_number(value: Any, least: int) -> bool:
    return type(value) is int and least <= value <= LARGEST


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_list_of_texts(value: Any) -> bool:
    return _is_list(value) and all(isinstance(one, str) for one in value)


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
    found = settings.CSRF_TRUSTED_ORIGINS
    for origin in found if _is_list(found) else [None]:
        if not (isinstance(origin, str) and ORIGIN.fullmatch(origin)):
            value = f'"{origin}"' if _is_list(found) else repr(found)
            sentence = f"CSRF_TRUSTED_ORIGINS must be a list of origins as a browser sends them, and has {value}."
            hint = (
                "Write each origin that you trust in your settings, without * and without a path: "
                'CSRF_TRUSTED_ORIGINS = ["https://app.example.org", "http://localhost:3000"]'
            )
            yield Error(sentence, hint=hint, id="security.E007")


def _role() -> Iterator[Error]:
    try:
        found = import_string(conf.SECURITY_ROLE)
    except (ImportError, TypeError, ValueError):
        found = None
    if not callable(found):
        yield Error(
            f'SECURITY_ROLE is "{conf.SECURITY_ROLE}", where nothing can be called: every login would break.',
            hint="Write in your settings the path of a function that takes a user and gives a text, for example "
            f'SECURITY_ROLE = "{conf._defaults["SECURITY_ROLE"]}"',
            id="security.E009",
        )


def _guarded() -> Iterator[Error]:
    default = conf._defaults["SECURITY_GUARDED_FIELDS"]
    # Not of groups and the like: they stand in other tables, and the user's row does not change with them.
    columns = {name for field in get_user_model()._meta.concrete_fields for name in (field.name, field.attname)}
    for name in conf.SECURITY_GUARDED_FIELDS:
        if name not in default and name not in columns:
            sentence = f'SECURITY_GUARDED_FIELDS has "{name}", which is no column of the user model: it guards nothing.'
            hint = f"Write names of columns in your settings, for example SECURITY_GUARDED_FIELDS = {default}"
            yield Error(sentence, hint=hint, id="security.E010")


def misspelt(conf: Conf, check: str, places: Mapping[str, str] | None = None) -> Iterator[Error]:
    """The settings whose names closely resemble one of an app, and are neither the app's nor Django's.

    `places` has further names, of which none is a setting, with what to write instead.
    """
    write = {name: f"Write {name} in its place." for name in conf._defaults} | dict(places or {})
    for name in dir(settings):
        if name in conf._defaults or hasattr(global_settings, name) or not (near := nearest(name, write)):
            continue
        yield Error(
            f"The setting {name} would have no effect: there is none of that name here.",
            hint=f"{write[near]} If another library reads {name}, add {check} to SILENCED_SYSTEM_CHECKS in your "
            "settings.",
            id=check,
        )


def nearest(name: str, names: Iterable[str]) -> str:
    """The one of these names that this one spells or misspells, "" if there is none."""
    # JWT_ABSOLUTE_LIFETIME_REMEMBERED resembles a name that begins with SESSION.
    alike = [one for one in names if one[:1] == name[:1]]
    return "".join(get_close_matches(name, alike, 1, RESEMBLES))


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
