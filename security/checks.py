"""System checks: what must be true of the settings before either flow answers a request. Each error names a setting."""

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
# `DOOR` replaces it.
STOCK_DOOR = "django.contrib.auth.backends.ModelBackend"


# As a browser sends it (RFC 6454 section 6.2): no path, no capitals, no default port, no `null`.
ORIGIN = re.compile(
    r"(?!http://.*:80$|https://.*:443$)[a-z][a-z0-9+.-]*://([a-z0-9_.-]+|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?"
)

# In seconds it is 68 years. Adding a longer time to a date can overflow.
LARGEST = 2**31 - 1


# From 0 to 1: how similar a misspelt name is to ours. Names of other libraries, such as `JWT_AUTH_REFRESH_COOKIE`, are
# less similar.
RESEMBLES = 0.85


class _Checked:
    """Whether this process has passed all checks or is running them. A check may load code that asks for them again."""

    lock, passed = RLock(), False


def refuse_origins_without_text() -> None:
    """Raises `ImproperlyConfigured` if CSRF_TRUSTED_ORIGINS is not a list of strings.

    The app's `ready` calls it, before any check runs: Django's own check of this setting would fail with an exception.
    """
    if not _is_list_of_texts(settings.CSRF_TRUSTED_ORIGINS):
        raise ImproperlyConfigured("\n".join(map(_line, _origins())))


def refuse_mistakes() -> None:
    """Runs all registered system checks. Django does so by itself only under `manage.py`.

    The middleware calls it when it is created, so that a server with an error in its settings does not start, whatever
    created the application. Raises `ImproperlyConfigured` with a line for each error. Once the checks have passed, this
    process does not run them again.
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
        with suppress(ImportError):  # Django itself reports what cannot be imported
            if isinstance(kind := import_string(name), type):
                yield kind


@register("security")
def configuration(app_configs: Any, **kwargs: Any) -> list[Error]:
    """Runs all the checks below that are errors."""
    if wrong := [*wrong_values(conf, "security.E008", may_be_0=("TRUSTED_PROXIES",))]:
        return wrong
    found = [*_secret(), *_door(), *_cookies(), *_store(), *_clock(), *_origins()]
    return [*found, *_role(), *_guarded(), *misspelt(conf, "security.E011")]


def wrong_values(conf: Conf, check: str, may_be_0: Collection[str] = ()) -> Iterator[Error]:
    """Errors for the settings of an app whose value has another type than the default or is out of range.

    An app runs its other checks only if there are none, because those rely on the types.
    """
    for name, default in conf._defaults.items():
        says, fits = _kind(default, least=0 if name in may_be_0 else 1)
        if not fits(getattr(conf, name)):
            # An empty default means a secret. The settings must read it from the environment.
            example = repr(default) if default != () else f'[os.environ["{name}"]]'
            hint = f"Write for example {name} = {example} in your settings."
            yield Error(f"The value of {name} must be {says}.", hint=hint, id=check)


def _kind(default: Any, least: int) -> tuple[str, Callable[[Any], bool]]:
    if isinstance(default, int):
        says = f"a whole number from {least} to {LARGEST}, in seconds if it is a time"
        return says, lambda value: _is_number(value, least)
    if isinstance(default, str):
        return "a string", lambda value: isinstance(value, str)
    if default and isinstance(default[0], int):
        says = f"two whole numbers from {least} to {LARGEST}: how many, and in how many seconds"
        return says, lambda value: _is_list(value) and len(value) == 2 and all(_is_number(one, least) for one in value)
    return "a list or a tuple of strings", _is_list_of_texts


def _is_number(value: Any, least: int) -> bool:
    return type(value) is int and least <= value <= LARGEST


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_list_of_texts(value: Any) -> bool:
    return _is_list(value) and all(isinstance(one, str) for one in value)


def _secret() -> Iterator[Error]:
    # Under DEBUG the key from `startproject` is accepted: it is random, and only its prefix calls it insecure.
    key = settings.SECRET_KEY.removeprefix("django-insecure-") if _is_debug() else settings.SECRET_KEY
    if is_guessable(key):
        sentence = f"SECRET_KEY is shorter than {SECRET_BYTES} bytes or a placeholder."
        yield Error(sentence, hint=f"Set SECRET_KEY where your settings read it. {HOW_TO_MAKE}", id="security.E001")


def _is_debug() -> bool:
    # Django's test runner sets DEBUG to False and saves the old value. Without that value `manage.py test` would not
    # start with the key from `startproject`.
    saved = getattr(getattr(sys.modules.get("django.test.utils"), "_TestState", None), "saved_data", settings)
    return bool(getattr(saved, "debug", settings.DEBUG))


def is_guessable(key: str) -> bool:
    """Whether a secret is too short, or looks as if a person had typed it (ASVS 11.3)."""
    short = len(key.encode()) < SECRET_BYTES or len(set(key)) < 10
    return short or any(word in key.lower() for word in PLACEHOLDERS)


def _door() -> Iterator[Error]:
    if [*settings.AUTHENTICATION_BACKENDS][:1] != [DOOR]:
        others = [name for name in settings.AUTHENTICATION_BACKENDS if name not in (DOOR, STOCK_DOOR)]
        yield Error(
            f"AUTHENTICATION_BACKENDS must begin with {DOOR}: one before it would log users in without a throttle.",
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
        sentence = f'CACHES["{alias}"] must be a django_redis.cache.RedisCache on one server: it counts failed logins.'
        hint = (
            f'Write in your settings: CACHES["{alias}"] = {{"BACKEND": "django_redis.cache.RedisCache", "LOCATION": '
            '"redis://localhost:6379/0"}, with the address of your Redis. Or name another in THROTTLE_CACHE_ALIAS.'
        )
        yield Error(sentence, hint=hint, id="security.E005")


def in_redis(alias: str) -> bool:
    """Whether this is a cache of django-redis on one server, so that commands can be sent to Redis itself."""
    with suppress(ImportError):
        kind = import_string(settings.CACHES.get(alias, {}).get("BACKEND", ""))
        # Shards are on several servers, but a script, or a command with several keys, runs on one.
        return issubclass(kind, RedisCache) and not issubclass(client_class(alias), ShardClient)
    return False


def client_class(alias: str) -> type:
    """The class by which this cache of django-redis talks to Redis. Raises `ImportError` if there is no such class."""
    options = settings.CACHES[alias].get("OPTIONS", {})
    found: type = import_string(options.get("CLIENT_CLASS", "django_redis.client.DefaultClient"))
    return found


def _clock() -> Iterator[Error]:
    if not settings.USE_TZ:
        sentence = (
            "USE_TZ must be True: in local time a token expires hours too soon or too late, and one hour a year occurs "
            "twice."
        )
        yield Error(sentence, hint="Write in your settings: USE_TZ = True", id="security.E006")


def _origins() -> Iterator[Error]:
    # With a wildcard Django's CSRF check would trust every subdomain, even one that an attacker controls.
    found = settings.CSRF_TRUSTED_ORIGINS
    for origin in found if _is_list(found) else [None]:
        if not (isinstance(origin, str) and ORIGIN.fullmatch(origin)):
            value = f'"{origin}"' if _is_list(found) else repr(found)
            sentence = f"CSRF_TRUSTED_ORIGINS must be a list of origins as a browser sends them, but has {value}."
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
            f'SECURITY_ROLE is "{conf.SECURITY_ROLE}", which is not the path of a function: every login would fail.',
            hint="Write in your settings the path of a function that takes a user and returns a string, for example "
            f'SECURITY_ROLE = "{conf._defaults["SECURITY_ROLE"]}"',
            id="security.E009",
        )


def _guarded() -> Iterator[Error]:
    default = conf._defaults["SECURITY_GUARDED_FIELDS"]
    # Only columns: groups and permissions are in other tables, and the user's row does not change with them.
    columns = {name for field in get_user_model()._meta.concrete_fields for name in (field.name, field.attname)}
    for name in conf.SECURITY_GUARDED_FIELDS:
        if name not in default and name not in columns:
            sentence = f'SECURITY_GUARDED_FIELDS has "{name}", which is no column of the user model: it guards nothing.'
            hint = f"Write names of columns in your settings, for example SECURITY_GUARDED_FIELDS = {default}"
            yield Error(sentence, hint=hint, id="security.E010")


def misspelt(conf: Conf, check: str, places: Mapping[str, str] | None = None) -> Iterator[Error]:
    """Errors for settings whose names closely resemble one of an app's but are neither the app's nor Django's.

    `places` maps further names that are not settings to what to write instead.
    """
    write = {name: f"Write {name} in its place." for name in conf._defaults} | dict(places or {})
    for name in dir(settings):
        if name in conf._defaults or hasattr(global_settings, name) or not (near := nearest(name, write)):
            continue
        yield Error(
            f"The setting {name} would have no effect: there is no setting of that name.",
            hint=f"{write[near]} If another library reads {name}, add {check} to SILENCED_SYSTEM_CHECKS in your "
            "settings.",
            id=check,
        )


def nearest(name: str, names: Iterable[str]) -> str:
    """The one of these names that `name` spells or misspells, "" if there is none."""
    # Without the first letter JWT_ABSOLUTE_LIFETIME_REMEMBERED would resemble a name that begins with SESSION.
    alike = [one for one in names if one[:1] == name[:1]]
    return "".join(get_close_matches(name, alike, 1, RESEMBLES))


@register(Tags.database)
def wrapped(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[Warning]:
    """Warns of password hashes that are not wrapped yet, in a project that has the hashers for wrapped ones.

    Runs with `migrate` and with `check --database default`. Its id has a number that Django's own "security" warnings
    do not use. Otherwise a project that silences one of those would not see this warning.
    """
    from security import old_hashes  # it imports the models, and this module is imported before they can be loaded

    try:
        number = old_hashes.bare().count() if databases and old_hashes.can_be_read() else 0
    except DatabaseError:
        return []  # the table does not exist yet, or the database is away: Django reports both
    sentence = f"{number} users have a password hash by PBKDF2 alone. Until it is wrapped, refused logins take longer."
    hint = "Run: manage.py wrap_password_hashes"
    return [Warning(sentence, hint=hint, id="security.W901")] if number else []
