"""`/lab/revocation/`: for how long each credential works after the user's access was revoked.

Without a script, one POST plays a whole round. With a script, the browser polls, and each POST does one step: begin,
ask with the session, log in again, revoke or end. Between them, the server keeps only the user and the logins.
"""

from base64 import urlsafe_b64encode
from dataclasses import asdict
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.views.decorators.http import require_http_methods

from accounts.models import User
from lab.claims.sandbox import DOMAIN, PREFIX, Person, Sandbox, delete_people, open_sandbox
from lab.experiments import revocation
from lab.experiments.revocation import ACTS, BY_KEY, STRATEGIES, Credential
from lab.pages import render_page
from security.backends import InvalidCredentials

# Seconds: the lifetime of access tokens with a script and without one, and the longest time for a round. The site's own
# access tokens live 15 minutes, which is too long to wait for.
ACCESS_LIFETIME, LIFE_WITHOUT_SCRIPT, MAX_ROUND = 10, 5, 15 * 60
SALT = "lab.revocation"
OVER = "This round is over. Begin a new one."


COLUMNS = ("Last 200", "First 401", "Token’s time left", "SQL a request", "Redis a request", "Time, median")


class BadRequest(Exception):
    """The request cannot be carried out. The text says why."""


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The steps of a round. A POST does one step, or plays a whole round."""
    if request.method != "POST":
        return _render(request, {})
    try:
        body = _perform(request.POST.get("do", "play"), request)
    except BadRequest as error:
        return _render(request, {"error": str(error)}, 400)
    return _render(request, body)


def _render(request: HttpRequest, body: dict[str, Any], status: int = 200) -> HttpResponse:
    names = {strategy.key: asdict(strategy) for strategy in STRATEGIES}
    lifetimes = {"life": ACCESS_LIFETIME, "life_alone": LIFE_WITHOUT_SCRIPT}
    numbers = [_numbers(observation) for observation in body.get("observations", [])]
    context = {"acts": ACTS, "names": names, "columns": COLUMNS, "numbers": numbers, **lifetimes, **body}
    return render_page(request, "lab/revocation.html", context, body, status)


def _perform(what: str, request: HttpRequest) -> dict[str, Any]:
    if what == "play":
        return _run_round(_requested_act(request))
    if what == "begin":
        return _begin()
    person = _person_of_round(request.POST.get("round", ""))
    if what == "ask":
        return _ask_with_session(request.POST.get("session", ""))
    if what == "login":
        return _log_in_again(person)
    if what == "revoke":
        return _revoke(person, _requested_act(request))
    if what == "end":
        delete_people([person.user.pk], [person.email])
        return {}
    raise BadRequest("There is no such action.")


def _requested_act(request: HttpRequest) -> str:
    act = request.POST.get("act", "")
    if act not in ACTS:
        raise BadRequest("Choose one of the four buttons.")
    return act


def _run_round(act: str) -> dict[str, Any]:
    with open_sandbox() as sandbox:
        observations = revocation.run_round(sandbox, act, LIFE_WITHOUT_SCRIPT)
    scale = max([1.0, *(observation.refused or observation.last_ok or 0 for observation in observations)]) * 1.05
    rows = [observation.as_json() | {"width": _percent(observation.last_ok, scale)} for observation in observations]
    return {"played": ACTS[act].name, "observations": rows, "act": act}


def _numbers(observation: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """A row of the table: the name of the strategy, and each column with its value."""
    last, refused, left = (observation[name] for name in ("last_ok", "refused", "left"))
    values = [
        "none" if last is None else f"{last:.2f} s",
        "none yet" if refused is None else f"{refused:.2f} s",
        "–" if left is None else f"{left:.2f} s",
        str(observation["sql"]),
        str(observation["redis"]),
        f"{observation['ms']:.2f} ms",
    ]
    return observation["strategy"]["name"], [*zip(COLUMNS, values, strict=True)]


def _percent(seconds: float | None, scale: float) -> str:
    return f"{max(0.8, (seconds or 0) / scale * 100):.1f}%"


def _begin() -> dict[str, Any]:
    # `open_sandbox()` would delete the user at the end of this request. Housekeeping deletes the users of closed tabs.
    sandbox = Sandbox()
    person = sandbox.person(role=User.Role.ADMIN)
    held = [revocation.log_in(sandbox, person, strategy, ACCESS_LIFETIME) for strategy in STRATEGIES]
    return {
        "round": signing.dumps(person.user.pk, salt=SALT),
        "life": ACCESS_LIFETIME,
        "lanes": [_lane(credential) for credential in held],
        # Encrypted: the user is an administrator, so the plain session id would open the admin to every visitor.
        "session": _cipher().encrypt(held[0].browser.cookie(settings.SESSION_COOKIE_NAME).encode()).decode(),
    }


def _cipher() -> Fernet:
    return Fernet(urlsafe_b64encode(salted_hmac(SALT, "session", algorithm="sha256").digest()))


def _lane(credential: Credential) -> dict[str, Any]:
    # In seconds from now, because the clock of the browser may be wrong.
    left = credential.ends - timezone.now().timestamp() if credential.ends else None
    return {
        "key": credential.strategy.key,
        "path": credential.strategy.path,
        "access": credential.browser.access,
        "refresh": credential.refresh,
        "left": left,
    }


def _person_of_round(name: str) -> Person:
    try:
        number = signing.loads(name, salt=SALT, max_age=MAX_ROUND)
        user = User.objects.get(pk=number, email__startswith=PREFIX, email__endswith=DOMAIN)
    except (signing.BadSignature, User.DoesNotExist):
        raise BadRequest(OVER) from None
    return Person(user, user.email, "")


def _ask_with_session(session: str) -> dict[str, Any]:
    """Asks whoami with the session of a round. The server asks, so the visitor's own session cookie is not replaced."""
    try:
        opened = _cipher().decrypt(session.encode(errors="replace")).decode()
    except InvalidToken:
        raise BadRequest("That is not a session of a round.") from None
    browser = Sandbox().browser()
    browser.set_cookie(settings.SESSION_COOKIE_NAME, opened)
    answer = browser.get(BY_KEY["session"].path)
    cost = {kind: answer.exchange.count(kind) for kind in ("sql", "redis")}
    return {"status": answer.status, "body": answer.json, "ms": answer.exchange.ms, **cost}


def _revoke(person: Person, act: str) -> dict[str, Any]:
    try:
        revocation.revoke(person.user.pk, act)
    except User.DoesNotExist:
        # Another request has ended the round in the meantime.
        raise BadRequest(OVER) from None
    return {}


def _log_in_again(person: Person) -> dict[str, Any]:
    """Logs in again, as a client without a refresh token must when its token has expired."""
    try:
        return _lane(revocation.log_in(Sandbox(), person, BY_KEY["short"], ACCESS_LIFETIME))
    except InvalidCredentials:
        raise BadRequest("Dana cannot log in any more.") from None
