"""One word for one thing: names that were given up stay away, in code, addresses, settings, templates and files."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver

from jwt_demo.conf import conf as jwt_conf
from security.conf import conf as security_conf
from sessions_demo.conf import conf as session_conf
from tests.running import ROOT

# A part of a name between underscores or capitals, and the word to use instead.
PARTS = {
    "epoch": "token_version",
    "withdraw": "revoke",
    "withdrawn": "revoked",
    "withdrawal": "revocation",
    "withdrawals": "revocations",
    "rekey": "cycle_key",
    "ledger": "blacklist",
    "scrutiny": "verification",
    "unasked": "no_authentication",
    "spare": "keep",
}
# A whole name.
NAMES = {
    "confirm": "reauthenticate",
    "retry_window": "grace_period",
    "DOUBT": "REUSED_AFTER_GRACE",
    "judge": "classify",
    "tell": "sync_denylist",
    "is_whole": "is_complete",
    "KEPT": "what was kept",
    "Subject": "TokenUser",
    "RecordAuthentication": "SessionAuthentication",
    "BearerAuthentication": "JWTAuthentication",
    "admit": "record_login",
    "start_short": "access_token_only",
    "become": "cycle_key",
    "UNDER_WAY": "LOGOUT_GRACE",
    "why_over": "end_reason",
    "abandon": "discard_unsent",
    "JWT_ACCESS": 'SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"]',
    "JWT_REFRESH": 'SIMPLE_JWT["REFRESH_TOKEN_LIFETIME"]',
    "JWT_ACCESS_LIFETIME": 'SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"]',
    "JWT_REFRESH_LIFETIME": 'SIMPLE_JWT["REFRESH_TOKEN_LIFETIME"]',
    "JWT_ISSUER": 'SIMPLE_JWT["ISSUER"]',
    "JWT_AUDIENCE": 'SIMPLE_JWT["AUDIENCE"]',
    "CLOCK_SKEW": 'SIMPLE_JWT["LEEWAY"]',
    "JWT_ABSOLUTE": "JWT_ABSOLUTE_LIFETIME",
    "compact": "jws",
    "rounds": "revocation",
    "remembering": "remember_me",
    "stage": "sandbox",
    "Issue": "TokensAnswer",
    "Reissue": "RenewedTokensAnswer",
    "Issued": "IssuedTokens",
    "version": "token_version",
}
# Names that say nothing by themselves. Tests may use them.
VAGUE = {"made", "shown", "told", "story", "row", "_row", "_rows", "_record"}
APPS = ("accounts", "config", "jwt_demo", "lab", "notes", "security", "sessions_demo")


def is_old(name: str) -> bool:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")
    return name in NAMES or not PARTS.keys().isdisjoint(words)


def defined(source: str) -> Iterator[str]:
    """What `source` gives a name to: modules' own names, classes, functions, arguments, attributes and variables."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg) or (isinstance(node, ast.keyword) and node.arg):
            yield node.arg
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


def functions(source: str) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}


def tracked(*patterns: str) -> list[Path]:
    found = subprocess.check_output(["git", "ls-files", *patterns], cwd=ROOT, text=True).split()
    return [ROOT / name for name in found if (ROOT / name).is_file()]


def test_no_identifier_has_a_name_that_was_given_up() -> None:
    for file in tracked("*.py"):
        old = {name for name in defined(file.read_text()) if is_old(name)}
        assert not old, (file.relative_to(ROOT), old)


@pytest.mark.parametrize("app", APPS)
def test_no_function_of_the_site_has_a_name_that_says_nothing(app: str) -> None:
    for file in tracked(f"{app}/*.py"):
        assert not functions(file.read_text()) & VAGUE, file.relative_to(ROOT)


def test_no_file_or_folder_has_one() -> None:
    for file in tracked():
        path = file.relative_to(ROOT)
        for part in path.parts:
            assert not is_old(part.partition(".")[0].replace("-", "_")), path


def url_names(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.app_name not in ("admin",):
                yield from url_names(pattern.url_patterns)
        elif pattern.name:
            yield pattern.name


def test_no_address_has_one() -> None:
    names = set(url_names(get_resolver().url_patterns))
    assert {"login", "reauthenticate", "devices_page"} <= names
    assert not {name for name in names if is_old(name)}


def test_no_setting_has_one() -> None:
    names = {name for name in dir(settings) if name.isupper()}
    for conf in (security_conf, session_conf, jwt_conf):
        names |= conf._defaults.keys()
    assert "JWT_GRACE_PERIOD" in names
    assert not {name for name in names if is_old(name) or is_old(name.lower())}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def withdraw(): ...", True),
        ("def f(spare=None): ...", True),
        ("f(spare=1)", True),
        ("class BearerAuthentication: ...", True),
        ("x.rekeyed_by_rekey = 1", True),
        ("the_epoch = 1", True),
        ("EPOCH = 1", True),
        ("revoke_access()", False),
        ("conversion = 1", False),
    ],
)
def test_an_old_name_is_seen(source: str, found: bool) -> None:
    assert any(map(is_old, defined(source))) is found
