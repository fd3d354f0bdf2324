"""`/lab/inspect/`: a session and a token side by side, and how long each grants a role that was changed."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from accounts.models import User
from jwt_demo import lifecycle
from jwt_demo.conf import access_lifetime
from jwt_demo.models import Policy
from jwt_demo.revocation import CHECKS
from lab.claims.sandbox import Answer, Browser, Sandbox, open_sandbox
from lab.experiments import jws, session_record
from lab.experiments.jws import MAX_LENGTH
from lab.pages import render_page
from lab.pages.token import describe_token
from lab.tracing.trace import Exchange
from security.client import Client

TEMPLATE = "lab/inspect.html"
# Seconds: the lifetime of the access token, short enough to wait for, and the time between two requests.
ACCESS_LIFETIME, POLL_INTERVAL = 3, 0.1
MEMBER, ADMIN = User.Role.MEMBER, User.Role.ADMIN
CHANGES = {"demote": (ADMIN, MEMBER), "promote": (MEMBER, ADMIN)}


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The page. A POST opens a record or a token, or changes a role. 400 with a sentence if the token is too long."""
    fields = request.POST
    context: dict[str, Any] = {"longest": MAX_LENGTH, "lives": ACCESS_LIFETIME, "usual": access_lifetime()}
    if len(fields.get("token", "")) > MAX_LENGTH:
        problem = f"The text has more than {MAX_LENGTH:,} characters. No token is so long."
        return render_page(request, TEMPLATE, context | {"problem": problem}, {"error": problem}, status=400)
    do = fields.get("do", "")
    if do == "both":
        context |= open_both()
    elif do == "mine":
        context |= {
            "mine": session_record.read_record(request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")),
            "asked_mine": True,
        }
    elif do == "token":
        context |= {"pasted": describe_token(jws.decode(fields.get("token", ""))), "text": fields.get("token", "")}
    elif do in CHANGES:
        context |= change_role(*CHANGES[do])
    return render_page(request, TEMPLATE, context)


def open_both() -> dict[str, Any]:
    """Logs in a user by both flows, and gives the session record on the server and the token of the client."""
    with open_sandbox() as sandbox:
        person = sandbox.person()
        session, token = sandbox.logged_in("session", person), sandbox.logged_in("jwt", person)
        record = session_record.read_record(session.cookie(settings.SESSION_COOKIE_NAME))
        return {
            "record": record,
            "reading": describe_token(jws.decode(token.access)),
            "token_length": len(token.access),
        }


@dataclass(frozen=True)
class StaleRole:
    """How long one check granted the old role. `seconds` counts from the change."""

    name: str
    lookups: str
    first: str
    seconds: float
    ended: bool

    @property
    def width(self) -> int:
        """The width of the bar, from 1 to 100."""
        return max(1, min(100, round(self.seconds / ACCESS_LIFETIME * 100)))


def change_role(before: str, after: str) -> dict[str, Any]:
    """Gives a logged-in user another role, and asks with each check until it no longer grants the old one."""
    with open_sandbox() as sandbox:
        person = sandbox.person(role=before)
        questions = dict(ways_of_checking(sandbox, person.user, sandbox.logged_in("session", person)))
        for ask in questions.values():
            ask()
        person.user.role = after
        person.user.save()
        moment = time.perf_counter()
        rows = [wait_until_noticed(name, ask, before, moment) for name, ask in questions.items()]
        row = User.objects.get(pk=person.user.pk).role
    return {"rows": rows, "before": before, "after": after, "row": row}


def ways_of_checking(sandbox: Sandbox, user: User, session: Browser) -> Iterator[tuple[str, Callable[[], Answer]]]:
    """Each check, with a function that asks whoami under it. `expiry` is last, because only it has to be waited for."""
    yield "session", lambda: session.get("/session/api/whoami")
    policy = replace(Policy.default(), access=ACCESS_LIFETIME)
    header = {"Authorization": f"Bearer {lifecycle.start(user, Client(), policy=policy).access}"}
    client = sandbox.browser()
    for check in sorted(CHECKS, key=lambda name: name == "expiry"):
        yield check, lambda check=check: client.get(f"/lab/whoami/{check}", headers=header)  # type: ignore[misc]


def wait_until_noticed(name: str, ask: Callable[[], Answer], before: str, moment: float) -> StaleRole:
    """Asks until the old role is no longer granted, or the token must have expired."""
    first = answer = ask()
    granted = 0.0
    while answer.json.get("role") == before and time.perf_counter() - moment < ACCESS_LIFETIME + 1:
        granted = time.perf_counter() - moment
        time.sleep(POLL_INTERVAL)
        answer = ask()
    words = f"{first.status} {first.json.get('role') or first.json.get('error')}"
    return StaleRole(name, describe_lookups(first.exchange), words, granted, answer.json.get("role") != before)


def describe_lookups(exchange: Exchange) -> str:
    """The Redis commands and SQL queries of one request."""
    asked = [text.partition(" ")[0] for text in exchange.texts("redis")]
    asked += [f"{exchange.count('sql')} SQL"] if exchange.count("sql") else []
    return ", ".join(asked) or "nothing"
