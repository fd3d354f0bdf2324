"""Nine common mistakes, each with the weak code, the strong code, and a check of this server.

The weak code is text under `templates/lab/mistakes/`. Nothing can import it, and no URL runs it.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from django.conf import settings
from django.template.loader import get_template

from jwt_demo import checks as token_checks
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.keys import material, ring
from jwt_demo.models import Policy
from jwt_demo.tokens import AccessToken
from lab.claims.evidence import Evidence, holds
from lab.claims.sandbox import Answer, Browser, Sandbox, open_sandbox
from lab.experiments import jws, session_record
from lab.experiments.scripts import scripts_of
from security.checks import SECRET_BYTES, is_guessable

DIFFERENCE_MARK, SEPARATOR = "> ", "---\n"
WHOAMI = "/jwt/api/whoami"
STORAGE = re.compile(r"\b(localStorage|sessionStorage)\b")
MONTH = 30 * 24 * 60 * 60
Check = Callable[[Sandbox], Iterator[Evidence]]


@dataclass(frozen=True)
class Line:
    """A line of code, and whether it differs between the weak and the strong version."""

    text: str
    differs: bool


@dataclass(frozen=True)
class Mistake:
    """One mistake: its name in the address, the claim about it, what it is, what it costs, and the check for it."""

    slug: str
    claim: str
    title: str
    cost: str
    check: Check

    @property
    def weak(self) -> list[Line]:
        """The code with the mistake."""
        return self._code(0)

    @property
    def strong(self) -> list[Line]:
        """The same code without the mistake."""
        return self._code(1)

    @property
    def strong_text(self) -> str:
        """The code without the mistake as plain text, for the clipboard."""
        return "\n".join(line.text.rstrip() for line in self.strong)

    def _code(self, side: int) -> list[Line]:
        text = get_template(f"lab/mistakes/{self.slug}.txt").template.source  # type: ignore[attr-defined]
        lines = text.split(SEPARATOR)[side].splitlines()
        return [Line(line.removeprefix(DIFFERENCE_MARK), line.startswith(DIFFERENCE_MARK)) for line in lines]


def run_check(mistake: Mistake) -> list[Evidence]:
    """Checks this server for the mistake, and gives what was seen."""
    with open_sandbox() as sandbox:
        return list(mistake.check(sandbox))


def _check_storage(sandbox: Sandbox) -> Iterator[Evidence]:
    answer = sandbox.browser().log_in(sandbox.person(), "jwt")
    yield holds("What a browser's login puts in the body", ", ".join(answer.json), "refreshToken" not in answer.json)
    scripts = scripts_of("jwt_demo")
    using = [path.name for path in scripts if STORAGE.search(path.read_text())]
    yield holds(f"Scripts of the token page that use storage, of {len(scripts)}", len(using), not using)


def _check_lifetime(sandbox: Sandbox) -> Iterator[Evidence]:
    claims = jws.read_claims(sandbox.logged_in("jwt").access)
    seconds = claims["exp"] - claims["iat"]
    yield holds("An access token lives", f"{seconds} s", seconds <= 15 * 60)
    try:
        replace(Policy.default(), access=MONTH)
        said = "accepted"
    except ValueError as error:
        said = f"refused: {error}"
    yield holds("A policy with 30 days for the access token is", said, said.startswith("refused"))


def _check_payload(sandbox: Sandbox) -> Iterator[Evidence]:
    person = sandbox.person()
    claims = jws.read_claims(sandbox.logged_in("jwt", person).access)
    more = claims.keys() - AccessToken.claims.keys()
    yield holds("Token claims beside the eleven that are allowed", sorted(more), not more)
    secret = [person.email, person.user.name, person.user.password, person.password]
    found = [word for word in secret if word in json.dumps(claims)]
    yield holds("E-mail, name, password or its hash in the payload", len(found), not found)


def _check_one_secret(sandbox: Sandbox) -> Iterator[Evidence]:
    browser = sandbox.logged_in("jwt")
    swapped = jws.resign(browser.access, ring("refresh").active)
    answer = _whoami(browser, swapped)
    yield holds("An access token signed with the refresh key", _describe_answer(answer), answer.status == 401)
    shared = [error.msg for error in token_checks.configuration(None) if error.id == "jwt.E002"]
    yield holds("Shared keys that the check at start finds", len(shared), not shared)


def _check_algorithm(sandbox: Sandbox) -> Iterator[Evidence]:
    browser = sandbox.logged_in("jwt")
    decoded = jws.decode(browser.access)
    payload = json.dumps(decoded.payload | {"role": "admin"})
    # An attacker knows the public key of a pair, and can try it as the secret of an HMAC.
    for algorithm, key in (("none", b""), ("HS512", jws.as_bytes(ring("access").active))):
        token = jws.build_token(json.dumps(decoded.header | {"alg": algorithm}), payload, key, algorithm)
        answer = _whoami(browser, token)
        yield holds(f"A self-made administrator with alg {algorithm}", _describe_answer(answer), answer.status == 401)
    control = _whoami(browser, browser.access)
    yield holds("The real token", _describe_answer(control), control.status == 200)


def _check_httponly(sandbox: Sandbox) -> Iterator[Evidence]:
    for flow, name in _login_cookies():
        line = _set_cookie_line(sandbox.browser().log_in(sandbox.person(), flow), name)
        yield holds(f"Set-Cookie of {name}", _attributes(line), "HttpOnly" in _attributes(line))


def _check_samesite(sandbox: Sandbox) -> Iterator[Evidence]:
    for flow, name in (*_login_cookies(), ("session", settings.CSRF_COOKIE_NAME)):
        line = _set_cookie_line(sandbox.browser().log_in(sandbox.person(), flow), name)
        yield holds(f"Set-Cookie of {name}", _attributes(line), "SameSite=Strict" in _attributes(line))


def _check_memory(sandbox: Sandbox) -> Iterator[Evidence]:
    backend = settings.CACHES[settings.SESSION_CACHE_ALIAS]["BACKEND"]
    yield holds("Where sessions are kept", backend, backend == "django_redis.cache.RedisCache")
    browser = sandbox.logged_in("session")
    record = session_record.read_record(browser.cookie(settings.SESSION_COOKIE_NAME))
    seen = f"{record.size} bytes, {record.ttl} s to live" if record else "nothing"
    yield holds("What Redis has of a session that began just now", seen, record is not None)


def _check_weak_secret(sandbox: Sandbox) -> Iterator[Evidence]:
    secrets = {"SECRET_KEY": [settings.SECRET_KEY]}
    secrets |= {f"The {kind} keys": [dated.secret for dated in ring(kind).dated] for kind in ("access", "refresh")}
    for name, keys in secrets.items():
        short, weak = min(len(key.encode()) for key in keys), [key for key in keys if _is_guessable(key)]
        yield holds(f"{name}: the shortest, and how many can be guessed", f"{short} bytes, {len(weak)}", not weak)
    yield holds("The word “secret” as a key would be", "refused at start", is_guessable("secret"))
    value = sandbox.logged_in("session").cookie(settings.SESSION_COOKIE_NAME)
    signed = not re.fullmatch(r"[a-z0-9]{32}", value)
    yield holds("The session cookie", "signed data" if signed else "a random id: no secret signs it", not signed)


def _is_guessable(key: str) -> bool:
    return is_guessable(material(key)) or len(key.encode()) < SECRET_BYTES


def _login_cookies() -> tuple[tuple[str, str], ...]:
    return ("session", settings.SESSION_COOKIE_NAME), ("jwt", jwt_conf.JWT_REFRESH_COOKIE_NAME)


def _set_cookie_line(answer: Answer, name: str) -> str:
    return next((line for line in answer.set_cookies if line.startswith(f"{name}=")), "")


def _attributes(line: str) -> list[str]:
    return [part.strip() for part in line.split(";")[1:]]


def _whoami(browser: Browser, token: str) -> Answer:
    return browser.get(WHOAMI, headers={"Authorization": f"Bearer {token}"})


def _describe_answer(answer: Answer) -> str:
    return f"{answer.status} {answer.json.get('error') or answer.json.get('role') or ''}".strip()


MISTAKES = (
    Mistake(
        "storage",
        "C84",
        "A token in localStorage",
        "Any script that runs in the page, from any vendor, can read the token and send it away.",
        _check_storage,
    ),
    Mistake(
        "lifetime",
        "C85",
        "An access token for 30 days",
        "Nothing is looked up, so a thief who copies the token on the first day can use it for 29 more days.",
        _check_lifetime,
    ),
    Mistake(
        "payload",
        "C86",
        "Private data in the payload",
        "The payload is encoded, not encrypted: anyone with the token, or with a log that contains it, can read it.",
        _check_payload,
    ),
    Mistake(
        "one-secret",
        "C87",
        "One secret for both kinds of token",
        "An attacker who gets the key of the short-lived token can also make the long-lived one.",
        _check_one_secret,
    ),
    Mistake(
        "algorithm",
        "C88",
        "The token chooses its algorithm",
        "A token that says “none” needs no signature, so any client can write one for an administrator.",
        _check_algorithm,
    ),
    Mistake(
        "httponly",
        "C89",
        "A session cookie without HttpOnly",
        "A script in the page can read the session id, and an attacker can use it from another machine.",
        _check_httponly,
    ),
    Mistake(
        "samesite",
        "C90",
        "A cookie without SameSite",
        "Other sites can make the browser send it: always with a link, and in its first two minutes with a form.",
        _check_samesite,
    ),
    Mistake(
        "memory",
        "C91",
        "Sessions in the memory of a process",
        "A restart logs out every user, a second process knows none of the sessions, and old sessions fill the memory.",
        _check_memory,
    ),
    Mistake(
        "weak-secret",
        "C92",
        "A weak secret, or none",
        "If the cookie is signed data, an attacker who guesses the secret can write a cookie for any user.",
        _check_weak_secret,
    ),
)
BY_SLUG = {mistake.slug: mistake for mistake in MISTAKES}
