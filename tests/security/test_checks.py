import ast
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.checks import ERROR, run_checks
from django.core.checks.registry import registry
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from pytest_django import Settings

from security import checks
from security.conf import conf as security_conf
from security.cookies import ExactCookiesMiddleware
from security.origin import OriginGate
from sessions_demo.middleware import SessionMiddleware
from tests.config.test_settings import GOOD as GOOD_ENVIRONMENT
from tests.config.test_settings import run
from tests.running import ROOT

GOOD = "zP3kV9tQ1mXr7Lw0BnYd5HsJ2GcFa8UoEiRpT6KvMhNqZxWy"


PRODUCTION = {
    "DEMO": False,
    "ALLOWED_HOSTS": ["login.example.org"],
    "SITE_URL": "https://login.example.org",
    "EMAIL_URL": "submission://user:password@mail.example.org:587",
}


DEMO = {"DEMO": True, "ALLOWED_HOSTS": ["localhost"], "SITE_URL": "http://localhost:8000", "EMAIL_URL": ""}


def ids(settings: Settings, **values: Any) -> set[str]:
    for name, value in (DEMO | values).items():
        setattr(settings, name, value)
    return {str(message.id) for message in run_checks(tags=["security"]) if message.is_serious(ERROR)}


@pytest.mark.parametrize("base", [PRODUCTION, DEMO], ids=["production", "demo"])
def test_a_good_configuration_passes(settings: Settings, base: dict[str, Any]) -> None:
    assert ids(settings, **base, SECRET_KEY=GOOD) == set()


@pytest.mark.parametrize(
    "key",
    [
        "",
        "short",
        GOOD[:31],
        "a" * 64,
        "ab" * 40,
        f"change-me-{GOOD}",
        f"django-insecure-{GOOD}",
        f"your SECRET {GOOD}",
    ],
)
def test_e001_a_key_that_can_be_guessed(settings: Settings, key: str) -> None:
    for name, value in PRODUCTION.items():
        setattr(settings, name, value)
    settings.SECRET_KEY = key or " "
    assert [message.id for message in checks.configuration(None)] == ["security.E001"]


@pytest.mark.parametrize("debug", [True, False])
def test_e001_a_key_of_startproject_does_in_the_tests_of_a_project_with_debug(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, debug: bool
) -> None:
    """Django's test runner sets DEBUG to False, and keeps the project's value in `_TestState`."""
    from django.test.utils import _TestState

    monkeypatch.setattr(_TestState.saved_data, "debug", debug)
    assert not settings.DEBUG
    found = ids(settings, **PRODUCTION, SECRET_KEY=f"django-insecure-{GOOD}")
    assert found == (set() if debug else {"security.E001"})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("TRUSTED_PROXIES", [-1, "1", None, True, 1.0, 2**31]),
        ("THROTTLE_ADDRESS", [100, None, "100", (100,), (100, 300, 1), (0, 300), (100, 0), ("100", "300"), {1, 2}]),
        ("THROTTLE_MAIL_TO_ADDRESSEE", [(5, -1), (5, timedelta(hours=1)), (True, 60)]),
        ("THROTTLE_CACHE_ALIAS", [None, 7, b"default"]),
        ("SECURITY_ROLE", [None, str, b"builtins.str"]),
        ("SECURITY_GUARDED_FIELDS", ["role", None, [None], (b"role",), {"role": 1}]),
    ],
)
def test_e008_a_value_of_another_type_or_out_of_range(settings: Settings, name: str, values: list[Any]) -> None:
    before = getattr(settings, name, security_conf._defaults[name])
    for value in values:
        setattr(settings, name, value)
        # The other checks do not run: their errors could be consequences of the wrong value.
        settings.SECRET_KEY, key = "short", settings.SECRET_KEY
        (error,) = checks.configuration(None)
        settings.SECRET_KEY = key
        assert (error.id, name in error.msg) == ("security.E008", True), value
        assert f"Write for example {name} = " in str(error.hint)
    setattr(settings, name, before)
    assert ids(settings) == set()


@pytest.mark.parametrize("name", security_conf._defaults)
def test_the_example_of_a_refused_value_is_taken(settings: Settings, name: str) -> None:
    setattr(settings, name, object())
    (error,) = checks.configuration(None)
    example = str(error.hint).removeprefix(f"Write for example {name} = ").removesuffix(" in your settings.")
    setattr(settings, name, ast.literal_eval(example))
    assert "security.E008" not in ids(settings)


def test_what_is_at_an_end_of_its_range_or_a_list_is_taken(settings: Settings) -> None:
    values = {"TRUSTED_PROXIES": 2, "THROTTLE_ADDRESS": [1, 2**31 - 1], "SECURITY_GUARDED_FIELDS": ["password"]}
    assert ids(settings, **values) == set()


@pytest.mark.parametrize("path", ["", "role", "nowhere.role", "..role", ".role", "security.conf.DEFAULT", "sys.path"])
def test_e009_a_role_that_nothing_gives(settings: Settings, path: str) -> None:
    assert ids(settings, SECURITY_ROLE=path) == {"security.E009"}
    assert ids(settings, SECURITY_ROLE="builtins.str") == set()


@pytest.mark.parametrize("name", ["pasword", "groups", "get_full_name", ""])
def test_e010_a_guard_that_guards_nothing(settings: Settings, name: str) -> None:
    assert ids(settings, SECURITY_GUARDED_FIELDS=(name,)) == {"security.E010"}
    assert ids(settings, SECURITY_GUARDED_FIELDS=("password", name)) == {"security.E010"}
    # `last_login` is a column of this model. `is_staff` is none, but is accepted because the default contains it.
    assert ids(settings, SECURITY_GUARDED_FIELDS=("password", "last_login", "is_staff", "is_superuser")) == set()


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("THROTTLE_ADRESS", "THROTTLE_ADDRESS"),
        ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
        ("SECURITY_ROLES", "SECURITY_ROLE"),
        ("SECURITY_GUARDED_FIELD", "SECURITY_GUARDED_FIELDS"),
        ("THROTTLE_MAIL_TO_ADDRESSE", "THROTTLE_MAIL_TO_ADDRESSEE"),
    ],
)
def test_e011_a_name_of_ours_that_is_misspelt(settings: Settings, name: str, near: str) -> None:
    setattr(settings, name, 1)
    (error,) = checks.configuration(None)
    assert (error.id, name in error.msg, f"Write {near} in" in str(error.hint)) == ("security.E011", True, True)
    settings.SILENCED_SYSTEM_CHECKS = ["security.E011"]
    assert error.is_silenced()


def test_names_of_django_and_of_others_are_left_alone(settings: Settings) -> None:
    others = ["AXES_PROXY_COUNT", "SECURITY_PASSWORD_SALT", "THROTTLE_RATES", "TRUSTED_HOSTS", "SECURE_SSL_HOST"]
    for name in others:
        setattr(settings, name, None)
    assert ids(settings) == set()


@pytest.mark.parametrize("backend", ["django.core.cache.backends.redis.RedisCache", "no.such.Cache", ""])
def test_e005_a_default_cache_that_cannot_count(settings: Settings, backend: str) -> None:
    caches = settings.CACHES | {"default": {"BACKEND": backend}}
    assert ids(settings, CACHES=caches) == {"security.E005"}


def test_e005_a_cache_of_several_servers(settings: Settings) -> None:
    shards = settings.CACHES["default"] | {"OPTIONS": {"CLIENT_CLASS": "django_redis.client.ShardClient"}}
    assert ids(settings, CACHES=settings.CACHES | {"default": shards}) == {"security.E005"}


def test_e006_local_time(settings: Settings) -> None:
    assert ids(settings, USE_TZ=False) == {"security.E006"}


@pytest.mark.parametrize(
    "origin",
    [
        "https://*.example.org",
        "https://*",
        "*",
        "null",
        "app.example.org",
        "https://",
        "https://app.example.org/",
        "https://app.example.org/spa",
        "https://App.example.org",
        "https://app.example.org:443",
        "http://app.example.org:80",
        "https://user@app.example.org",
        " https://app.example.org",
        "https://app.example.org\n",
        None,
        7,
        b"https://app.example.org",
    ],
)
@pytest.mark.parametrize("debug", [False, True])
def test_e007_what_is_no_single_origin(settings: Settings, origin: object, debug: bool) -> None:
    settings.CSRF_TRUSTED_ORIGINS, settings.DEBUG = ["https://a.example", origin], debug
    assert [error.id for error in checks.configuration(None)] == ["security.E007"]


@pytest.mark.parametrize("origins", ["https://app.example.org", None, 7, {"https://app.example.org"}, [None]])
def test_e007_what_is_no_list_of_texts(settings: Settings, origins: object) -> None:
    settings.CSRF_TRUSTED_ORIGINS = origins
    assert [error.id for error in checks.configuration(None)] == ["security.E007"]
    with pytest.raises(ImproperlyConfigured, match=r"^security\.E007: CSRF_TRUSTED_ORIGINS .* Write each origin"):
        checks.refuse_origins_without_text()
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example.org"]
    checks.refuse_origins_without_text()


def test_what_djangos_own_check_breaks_on_is_refused_before_it_runs(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text("from config.settings import *\nCSRF_TRUSTED_ORIGINS = [None]\n")
    path = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "DJANGO_SETTINGS_MODULE": "theirs"}
    ended = run("manage.py", "check", environment=GOOD_ENVIRONMENT | path)
    (sentence,) = ended.stderr.splitlines()
    assert (ended.returncode, sentence.startswith("security.E007: CSRF_TRUSTED_ORIGINS")) == (1, True)


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.org",
        "http://localhost:3000",
        "http://app.example.org:443",
        "https://app.example.org:80",
        "http://127.0.0.1:5173",
        "http://[::1]:5173",
        "https://xn--bcher-kva.example",
        "capacitor://localhost",
    ],
)
def test_an_origin_as_a_browser_sends_it_is_good(settings: Settings, origin: str) -> None:
    assert ids(settings, CSRF_TRUSTED_ORIGINS=[origin]) == set()


OURS = "security.backends.PasswordBackend"


@pytest.mark.parametrize(
    "backends",
    [
        [],
        ["django.contrib.auth.backends.ModelBackend"],
        ["django.contrib.auth.backends.ModelBackend", OURS],
    ],
)
def test_e003_a_way_in_past_the_throttle(settings: Settings, backends: list[str]) -> None:
    assert ids(settings, AUTHENTICATION_BACKENDS=backends) == {"security.E003"}
    assert ids(settings, AUTHENTICATION_BACKENDS=[OURS, "django.contrib.auth.backends.ModelBackend"]) == set()


COOKIES, SESSIONS, CSRF = (
    "security.cookies.ExactCookiesMiddleware",
    "sessions_demo.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
)


@pytest.mark.parametrize("order", [[], [SESSIONS, CSRF], [SESSIONS, COOKIES, CSRF], [CSRF, COOKIES, SESSIONS]])
def test_e004_cookies_read_before_they_are_looked_at(settings: Settings, order: list[str]) -> None:
    assert ids(settings, MIDDLEWARE=order) == {"security.E004"}
    assert ids(settings, MIDDLEWARE=[COOKIES, SESSIONS, CSRF]) == set()
    assert ids(settings, MIDDLEWARE=["lab.tracing.middleware.TraceMiddleware", COOKIES, CSRF]) == set()


@pytest.fixture
def unchecked(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has not run the checks yet."""
    settings.ALLOWED_HOSTS = ["localhost"]  # Django's test environment adds a host that a demo may not have
    monkeypatch.setattr(checks._Checked, "passed", False)


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@pytest.mark.parametrize("middleware", [ExactCookiesMiddleware, OriginGate, SessionMiddleware])
def test_no_middleware_of_a_part_is_made_under_what_the_checks_refuse(
    settings: Settings, unchecked: None, middleware: type
) -> None:
    settings.JWT_ACCESS_KEYS, settings.SESSION_IDLE_LIFETIME, good = ["secret"], 10**6, (settings.JWT_ACCESS_KEYS, 60)
    for _ in range(2):  # a refusal is not remembered
        with pytest.raises(ImproperlyConfigured) as refusal:
            middleware(nothing)
        lines = str(refusal.value).splitlines()
        assert [line.partition(":")[0] for line in lines] == ["jwt.E001", "session.E003"]
        assert "JWT_ACCESS_KEYS" in lines[0]
    settings.JWT_ACCESS_KEYS, settings.SESSION_IDLE_LIFETIME = good
    middleware(nothing)
    # A success is remembered: a server or a test that makes a hundred handlers runs the checks once.
    settings.JWT_ACCESS_KEYS = ["secret"]
    middleware(nothing)


def test_a_silenced_check_refuses_nothing(settings: Settings, unchecked: None) -> None:
    settings.SECURE_HSTS_PRELOAD = True
    with pytest.raises(ImproperlyConfigured, match="HSTS_PRELOAD"):
        checks.refuse_mistakes()
    settings.SILENCED_SYSTEM_CHECKS = [*settings.SILENCED_SYSTEM_CHECKS, "accounts.E005"]
    checks.refuse_mistakes()


def test_a_check_that_makes_an_application_does_not_run_all_of_them_for_ever(
    unchecked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def check(**kwargs: Any) -> list[Any]:
        made.append(WSGIHandler())
        return []

    monkeypatch.setattr(registry, "registered_checks", {*registry.registered_checks, check})
    monkeypatch.setattr(check, "tags", (), raising=False)
    checks.refuse_mistakes()
    assert len(made) == 1


def test_a_check_that_breaks_passes_nothing(unchecked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "run_checks", lambda: 1 / 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            checks.refuse_mistakes()


class TheirGate(OriginGate):
    """A project's own subclass of the gate."""


def test_what_guards_a_part_stands_in_middleware(settings: Settings) -> None:
    before, gate = settings.MIDDLEWARE, "security.origin.OriginGate"
    assert checks.has_middleware(gate)
    settings.MIDDLEWARE = [name for name in before if name != gate] + ["nowhere.Middleware", "accounts.mail.queue"]
    assert not checks.has_middleware(gate)
    settings.MIDDLEWARE = [f"{__name__}.TheirGate", *settings.MIDDLEWARE]
    assert checks.has_middleware(gate)


def test_no_message_repeats_the_secret(settings: Settings) -> None:
    key = f"change-me-{GOOD}"
    settings.SECRET_KEY = key
    assert key not in "".join(str(message) for message in run_checks(tags=["security"]))
    assert key == configured.SECRET_KEY


def test_a_random_key_is_no_placeholder_by_chance(settings: Settings) -> None:
    for case in ("xXx", "XXX"):
        assert ids(settings, SECRET_KEY=f"{GOOD}{case}") == set()


WRONG: dict[str, dict[str, Any]] = {
    "E001": {"SECRET_KEY": "short"},
    "E003": {"AUTHENTICATION_BACKENDS": ["theirs.Backend", "django.contrib.auth.backends.ModelBackend"]},
    "E004": {"MIDDLEWARE": []},
    "E005": {"THROTTLE_CACHE_ALIAS": "nowhere"},
    "E006": {"USE_TZ": False},
    "E007": {"CSRF_TRUSTED_ORIGINS": ["https://*.example.org"]},
    "E008": {"TRUSTED_PROXIES": -1},
    "E009": {"SECURITY_ROLE": "nowhere.role"},
    "E010": {"SECURITY_GUARDED_FIELDS": ("pasword",)},
    "E011": {"THROTTLE_ADRESS": (1, 1)},
}
# What to write, or which command to run.
INSTRUCTION = re.compile(r"^(Write|Set) .*\b(settings|Run:)|^Run: ")


@pytest.mark.parametrize("number", WRONG)
def test_each_message_says_what_to_write_where(settings: Settings, number: str) -> None:
    for name, value in (PRODUCTION | {"SECRET_KEY": GOOD} | WRONG[number]).items():
        setattr(settings, name, value)
    [message] = checks.configuration(None)
    assert message.id == f"security.{number}"
    [wrong] = WRONG[number]
    assert INSTRUCTION.search(message.hint or ""), message
    if number != "E005":
        assert wrong in message.msg
    assert ("THROTTLE_ADDRESS" if number == "E011" else wrong) in (message.hint or "")


def test_no_message_of_these_checks_is_left_out_above() -> None:
    ids = re.findall(r'"security\.([EW]\d+)"', Path(checks.__file__).read_text())
    assert sorted(ids) == sorted([*WRONG, "W901"])


def test_the_door_is_named_before_the_other_backends_of_a_project(settings: Settings) -> None:
    settings.AUTHENTICATION_BACKENDS = WRONG["E003"]["AUTHENTICATION_BACKENDS"]
    [message] = [one for one in checks.configuration(None) if one.id == "security.E003"]
    assert message.hint == f"Write in your settings: AUTHENTICATION_BACKENDS = ['{OURS}', 'theirs.Backend']"
