"""Settings read from an environment, each case in a process of its own."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import ROOT
from tests.sampling import sampled

GOOD = {
    "SECRET_KEY": secrets.token_urlsafe(48),
    "JWT_ACCESS_KEYS": secrets.token_urlsafe(48),
    "JWT_REFRESH_KEYS": secrets.token_urlsafe(48),
    "ALLOWED_HOSTS": "login.example.org",
    "SITE_URL": "https://login.example.org",
    "EMAIL_URL": "submission://user:p%40ss@mail.example.org:587",
}
PRINT = """
import json
from django.conf import settings as s
print(json.dumps({name: getattr(s, name) for name in NAMES}, default=str))
"""


def run(*command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": os.environ["PATH"], "ENV_FILE": os.devnull, "DJANGO_SETTINGS_MODULE": "config.settings"}
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=clean | environment, capture_output=True, text=True)


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in GOOD.items() if key != name}


@pytest.mark.parametrize(
    ("environment", "variable"),
    [
        (without("SECRET_KEY"), "SECRET_KEY"),
        (without("ALLOWED_HOSTS"), "ALLOWED_HOSTS"),
        (GOOD | {"DEMO": "maybe"}, "DEMO"),
        (GOOD | {"TRUSTED_PROXIES": "two"}, "TRUSTED_PROXIES"),
        (GOOD | {"DATABASE_URL": "nonsense"}, "DATABASE_URL"),
        (GOOD | {"DATABASE_URL": "mysql://a/b"}, "DATABASE_URL"),
        (GOOD | {"REDIS_URL": "localhost"}, "REDIS_URL"),
        (GOOD | {"EMAIL_URL": "smtp://mail:port"}, "EMAIL_URL"),
    ],
)
def test_a_variable_that_is_missing_or_wrong_is_named_in_one_sentence(
    environment: dict[str, str], variable: str
) -> None:
    ended = run("manage.py", "check", environment=environment)
    assert (ended.returncode, ended.stdout) == (1, "")
    (sentence,) = ended.stderr.splitlines()
    assert variable in sentence
    assert "Traceback" not in sentence
    assert GOOD["SECRET_KEY"] not in sentence


def test_a_site_without_keys_does_not_start_and_says_in_a_sentence_what_to_do(tmp_path: Path) -> None:
    """Neither a variable nor a file has the keys. The command makes the file, and then the site starts."""
    environment = without("JWT_ACCESS_KEYS") | {"VAR_DIR": str(tmp_path)}
    ended = run("-c", "import config.wsgi", environment=environment)
    assert ended.returncode == 1
    (sentence,) = ended.stderr.splitlines()
    assert "jwt.E001: JWT_KEY_FILE has no access keys" in sentence
    assert "Run manage.py rotate_keys" in sentence
    assert "Traceback" not in ended.stderr
    assert run("manage.py", "rotate_keys", "access", environment=environment).returncode == 0
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert run("-c", "import config.wsgi", environment=environment).returncode == 0


@pytest.mark.parametrize("variable", ["SECRET_KEY", "DATABASE_URL"])
def test_a_command_of_our_own_is_as_brief(variable: str) -> None:
    """Django reads the settings earlier for the project's own commands, in order to find them."""
    ended = run("manage.py", "housekeeping", "--once", environment=without(variable) | {"DATABASE_URL": "nonsense"})
    assert ended.returncode == 1
    (sentence,) = ended.stderr.splitlines()
    assert variable in sentence


REFUSED = [
    ({"SECRET_KEY": "change-me"}, "security.E001"),
    ({"ALLOWED_HOSTS": "*"}, "accounts.E001"),
    ({"DEMO": "1"}, "accounts.E002"),
    ({"SITE_URL": "http://login.example.org"}, "accounts.E003"),
    ({"EMAIL_URL": ""}, "accounts.E004"),
    ({"TRUSTED_PROXIES": "-1"}, "security.E008"),
]


# tests/security and tests/accounts test what each check refuses. Here: then no application is made.
@pytest.mark.parametrize(("wrong", "check"), sampled(REFUSED, REFUSED[:1]))
def test_there_is_no_application_under_what_the_checks_refuse(wrong: dict[str, str], check: str) -> None:
    ended = run("-c", "import config.wsgi", environment=GOOD | wrong)
    assert ended.returncode == 1
    assert f"{check}: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_production_settings_pass_every_check() -> None:
    ended = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", environment=GOOD)
    assert ended.returncode == 0, ended.stderr
    assert run("-c", "import config.wsgi", environment=GOOD).returncode == 0


def settings(environment: dict[str, str], *names: str) -> dict[str, object]:
    ended = run("-c", f"NAMES = {names!r}\n{PRINT}", environment=environment)
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout))


def test_nothing_is_open_unless_it_is_asked_for() -> None:
    found = settings(
        GOOD,
        "DEBUG",
        "DEMO",
        "SECURE_HSTS_SECONDS",
        "SECURE_HSTS_INCLUDE_SUBDOMAINS",
        "SECURE_HSTS_PRELOAD",
        "SECURE_SSL_REDIRECT",
        "TRUSTED_PROXIES",
        "SECURE_PROXY_SSL_HEADER",
    )
    assert found["DEBUG"] is found["DEMO"] is False
    assert found["SECURE_HSTS_SECONDS"] == 365 * 24 * 60 * 60
    assert found["SECURE_HSTS_INCLUDE_SUBDOMAINS"] is found["SECURE_HSTS_PRELOAD"] is False
    assert found["SECURE_SSL_REDIRECT"] is True
    assert (found["TRUSTED_PROXIES"], found["SECURE_PROXY_SSL_HEADER"]) == (0, None)


@pytest.mark.parametrize("preload", [False, True])
def test_hsts_reaches_other_hosts_only_where_it_was_asked_to(preload: bool) -> None:
    environment = GOOD | {"HSTS_INCLUDE_SUBDOMAINS": "1"} | ({"HSTS_PRELOAD": "1"} if preload else {})
    names = ("SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD")
    assert list(settings(environment, *names).values()) == [True, preload]
    ended = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", environment=environment)
    assert ended.returncode == 0, ended.stderr


def test_what_a_proxy_says_of_the_scheme_is_believed_only_if_there_is_one() -> None:
    found = settings(GOOD | {"TRUSTED_PROXIES": "1"}, "SECURE_PROXY_SSL_HEADER")
    assert found["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]


def test_mail_leaves_over_tls_where_the_address_says_so() -> None:
    found = settings(
        GOOD, "EMAIL_HOST", "EMAIL_PORT", "EMAIL_USE_TLS", "EMAIL_HOST_PASSWORD", "EMAIL_TIMEOUT", "EMAIL_BACKEND"
    )
    assert found == {
        "EMAIL_HOST": "mail.example.org",
        "EMAIL_PORT": 587,
        "EMAIL_USE_TLS": True,
        "EMAIL_HOST_PASSWORD": "p@ss",
        "EMAIL_TIMEOUT": 10,
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    }


def test_an_empty_variable_is_an_absent_one() -> None:
    empty = dict.fromkeys(("DATABASE_URL", "REDIS_URL", "VAR_DIR"), "")
    names = ("VAR_DIR", "STORE_SOCKET", "DATABASES")
    assert settings(GOOD | empty, *names) == settings(GOOD, *names)
    assert settings(GOOD | empty, "VAR_DIR")["VAR_DIR"] == str(ROOT / "var")


def test_what_it_writes_lies_where_it_was_told_to(tmp_path: Path) -> None:
    folder = tmp_path / "50% off #1"
    found = settings(GOOD | {"VAR_DIR": str(folder)}, "STATIC_ROOT", "STORE_SOCKET", "DATABASES", "CACHES")
    assert found["STATIC_ROOT"] == str(folder / "static")
    from redis.connection import parse_url

    from config import stores

    assert stores.sqlite_path(found["DATABASES"]["default"]) == folder / "db.sqlite3"  # type: ignore[index]
    assert parse_url(found["CACHES"]["sessions"]["LOCATION"])["path"] == found["STORE_SOCKET"]  # type: ignore[index]


def test_every_variable_that_is_read_is_explained() -> None:
    import re

    read = set(re.findall(r"env\.\w+\(\s*\"(\w+)\"|_or\(\"(\w+)\"", (ROOT / "config/settings.py").read_text()))
    explained = (ROOT / ".env.example").read_text()
    for name in {one or other for one, other in read}:
        assert re.search(rf"^{name}=", explained, re.M), name
