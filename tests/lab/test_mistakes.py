"""The nine mistakes: weak code is shown as text, and each check fails if this server makes the mistake."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.urls import URLResolver, get_resolver

from jwt_demo import cookies, tokens
from jwt_demo.conf import conf as jwt_conf
from lab.experiments.mistakes import BY_SLUG, MISTAKES, run_check
from security import checks
from tests.conftest import Browser
from tests.running import ROOT

PAGE = "/lab/mistakes/"


def test_one_line_differs_and_is_marked() -> None:
    assert len(MISTAKES) == 9
    for mistake in MISTAKES:
        sides = [[line.text for line in side if not line.differs] for side in (mistake.weak, mistake.strong)]
        assert sides[0] == sides[1]
        assert [sum(line.differs for line in side) for side in (mistake.weak, mistake.strong)] == [1, 1]


def test_a_check_runs_without_a_script_and_with_one(db: None, browser: Browser) -> None:
    page = browser.submit(PAGE, {"mistake": "algorithm"}).content.decode()
    assert re.search(r"alg none</dt><dd class=\"mark yes\">401 Invalid token</dd>", page)
    body = browser.submit(PAGE, {"mistake": "algorithm"}, headers={"Accept": "application/json"}).json()
    assert body["mistake"] == "algorithm"
    assert [item["true"] for item in body["evidence"]] == [True] * 3
    assert browser.submit(PAGE, {"mistake": "another"}).status_code == 400
    assert browser.get(PAGE).content.count(b"This line differs") == 18


def one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "JWT_REFRESH_KEYS", jwt_conf.JWT_ACCESS_KEYS)


def any_algorithm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accepts any algorithm, as the weak code does."""
    monkeypatch.setattr(tokens.Backend, "key_of", lambda self, token: self.ring.active)
    decode = tokens.jwt.decode

    def trusting(token: Any, key: Any, algorithms: Any, **more: Any) -> Any:
        alg = tokens.jwt.get_unverified_header(token)["alg"]
        return decode(token, key, [alg], **more | {"options": {"verify_signature": alg != "none"}})

    monkeypatch.setattr(tokens.jwt, "decode", trusting)


def readable(monkeypatch: pytest.MonkeyPatch) -> None:
    def put(response: Any, family: Any) -> None:
        response.set_cookie(jwt_conf.JWT_REFRESH_COOKIE_NAME, "x", secure=True, **cookies.ATTRIBUTES)

    monkeypatch.setattr(cookies, "put", put)


def sent_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "SESSION_COOKIE_SAMESITE", None)


def in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = settings.CACHES["sessions"] | {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    monkeypatch.setitem(settings.CACHES, "sessions", entry)


def guessable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "SECRET_KEY", "secret")


def a_month(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESS_TOKEN_LIFETIME", "REFRESH_TOKEN_LIFETIME"):
        monkeypatch.setitem(settings.SIMPLE_JWT, name, timedelta(days=30))
    for name in ("JWT_REFRESH_LIFETIME_REMEMBERED", "JWT_ABSOLUTE_LIFETIME"):
        # Where the project names none, the app's default holds.
        monkeypatch.setattr(settings, name, 30 * 86400, raising=False)


def talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    add = tokens.AccessToken.__init__

    def adding(self: Any, token: Any = None) -> None:
        add(self, token)
        self.payload.setdefault("email", "an address")

    monkeypatch.setattr(tokens.AccessToken, "__init__", adding)


@pytest.mark.parametrize(
    ("slug", "make"),
    [
        ("one-secret", one_key),
        ("algorithm", any_algorithm),
        ("httponly", readable),
        ("samesite", sent_along),
        ("memory", in_memory),
        ("weak-secret", guessable),
        ("lifetime", a_month),
        ("payload", talkative),
        ("storage", None),
    ],
)
def test_the_check_is_green_and_turns_red_with_the_mistake(
    db: None, monkeypatch: pytest.MonkeyPatch, slug: str, make: Callable[[pytest.MonkeyPatch], None] | None
) -> None:
    assert all(evidence.true for evidence in run_check(BY_SLUG[slug]))
    if make:
        make(monkeypatch)
        assert not all(evidence.true for evidence in run_check(BY_SLUG[slug]))


def test_weak_code_is_text_that_nothing_imports_or_routes_to() -> None:
    folder = ROOT / "templates" / "lab" / "mistakes"
    assert {path.suffix for path in folder.iterdir()} == {".txt"}
    assert {path.stem for path in folder.iterdir()} == set(BY_SLUG)
    patterns = [p for entry in get_resolver().url_patterns for p in getattr(entry, "url_patterns", [entry])]
    routes = [str(p.pattern) for p in patterns if not isinstance(p, URLResolver)]
    assert [route for route in routes if "mistakes" in route] == ["lab/mistakes/"]
    assert checks.is_guessable("secret")
