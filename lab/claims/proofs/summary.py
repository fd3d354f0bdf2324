"""The comparison in short: where the data is, and how complex each flow is."""

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import global_settings, settings
from django.urls import URLPattern
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

import jwt_demo.models
import jwt_demo.urls
import sessions_demo.urls
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.conf import simple_jwt
from jwt_demo.models import TokenFamily
from lab.claims.evidence import Evidence, holds, proves
from lab.claims.sandbox import Sandbox
from lab.experiments.scripts import scripts_of
from sessions_demo import store
from sessions_demo.conf import conf as session_conf
from sessions_demo.models import DeviceSession
from sessions_demo.record import ROLE


@proves("C105")
def where_the_data_is(sandbox: Sandbox) -> Iterator[Evidence]:
    """Reads both credentials of one person, and what the server looks up for each."""
    person = sandbox.person(role="admin")
    session, token = sandbox.logged_in("session", person), sandbox.logged_in("jwt", person)
    data, cookie = (str(person.user.pk), "admin"), session.cookie(settings.SESSION_COOKIE_NAME)
    record = store.SessionStore(cookie).load()
    kept = record.get("_auth_user_id"), record.get(ROLE)
    yield holds("session: user and role in the server’s record", kept, kept == data)
    bare = cookie.isalnum() and "admin" not in cookie
    seen = f"{len(cookie)} random characters" if bare else "more than an id"
    yield holds("session: the cookie itself", seen, bare)
    payload = _payload(token.access)
    carried = payload.get("sub"), payload.get("role")
    yield holds("token: user and role inside it, read without a key", carried, carried == data)
    token.get("/jwt/api/whoami")
    answer = token.get("/jwt/api/whoami")
    answered = answer.json.get("userId"), answer.json.get("role")
    # Commands to the denylist do not count: it says what was revoked, and nothing about the user.
    read = [text for text in answer.exchange.texts("redis") if "deny" not in text] + answer.exchange.texts("sql")
    yield holds("token: what the server read to learn user and role", read, answered == data and not read)
    read = session.get("/session/api/whoami").exchange.texts("redis")
    yield holds(
        "session: what the server read to learn user and role", [_shorten(text) for text in read], len(read) == 1
    )


def _payload(token: str) -> dict[str, object]:
    part = token.split(".")[1]
    decoded: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


def _shorten(command: str) -> str:
    return command if len(command) <= 32 else command[:32] + "…"


@proves("C112")
def complexity(sandbox: Sandbox) -> Iterator[Evidence]:
    """Counts in the code that is running."""
    apps = ("sessions_demo", "jwt_demo")
    yield _tokens_have_more(
        "lines of Python, pages included", *(_count_lines((settings.BASE_DIR / app).glob("*.py")) for app in apps)
    )
    scripts = [_count_lines(scripts_of(app)) for app in apps]
    yield _tokens_have_more("lines of JavaScript that the client needs", *scripts)
    addresses = [_auth_addresses(module.urlpatterns) for module in (sessions_demo.urls, jwt_demo.urls)]
    added = sorted(addresses[1] - addresses[0])
    yield holds("endpoints that only tokens need", added, added == ["auth/refresh"] and addresses[0] < addresses[1])
    counts = [_count_settings(prefix) for prefix in ("SESSION_", "JWT_", "CSRF_")]
    counts[1] += len(simple_jwt._defaults)
    asked = "settings: SESSION_…, JWT_… with the keys of SIMPLE_JWT, and CSRF_… for every form of the site"
    yield holds(asked, counts, counts[0] < counts[1])
    columns = [sum(len(model._meta.local_fields) for model in models) for models in TABLES]
    yield _tokens_have_more("columns in the database", *columns)
    yield _tokens_have_more("possible outcomes when the credential is sent again", *MEANINGS)


TABLES = (DeviceSession,), (TokenFamily, OutstandingToken, BlacklistedToken)
# A session exists or it does not. The outcomes of a refresh token are the members of `Verdict`.
MEANINGS = 2, len(jwt_demo.models.Verdict)


def _tokens_have_more(asked: str, sessions: int, tokens: int) -> Evidence:
    return holds(asked, f"{sessions} for sessions, {tokens} for tokens", sessions < tokens)


def _count_lines(files: Iterable[Path]) -> int:
    # Empty lines and lines that are only a comment do not count.
    lines = [line.strip() for file in files for line in file.read_text().splitlines()]
    return sum(bool(line) and not line.startswith(("#", "//", "/*", "*")) for line in lines)


def _count_settings(prefix: str) -> int:
    """How many settings begin with `prefix`: those of the apps, and those of Django that this project changes."""
    changed = {name for name in dir(settings) if getattr(settings, name) != getattr(global_settings, name, None)}
    return sum(name.startswith(prefix) for name in {*changed, *session_conf._defaults, *jwt_conf._defaults})


def _auth_addresses(patterns: list[URLPattern]) -> set[str]:
    return {str(pattern.pattern) for pattern in patterns if str(pattern.pattern).startswith("auth/")}
