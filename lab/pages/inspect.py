"""A session and a token side by side: where each keeps who you are, and for how long each still says so."""

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
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.models import Policy
from jwt_demo.revocation import CHECKS
from lab.claims.sandbox import Answer, Browser, Stage, stage
from lab.experiments import jws, session_record
from lab.experiments.jws import LONGEST
from lab.pages import show
from lab.pages.token import seen
from lab.tracing.trace import Exchange
from security.client import Client

TEMPLATE = "lab/inspect.html"
# Seconds that the access token of the experiment lives, and between two questions: short enough to wait for.
LIVES, EVERY = 3, 0.1
MEMBER, ADMIN = User.Role.MEMBER, User.Role.ADMIN
CHANGES = {"demote": (ADMIN, MEMBER), "promote": (MEMBER, ADMIN)}


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The page; posted, with what was to be opened or changed. 400 with a sentence for a token that is too long."""
    said = request.POST
    context: dict[str, Any] = {"longest": LONGEST, "lives": LIVES, "usual": jwt_conf.JWT_ACCESS_LIFETIME}
    if len(said.get("token", "")) > LONGEST:
        problem = f"That is more than {LONGEST:,} characters; no token is so long."
        return show(request, TEMPLATE, context | {"problem": problem}, {"error": problem}, status=400)
    do = said.get("do", "")
    if do == "both":
        context |= both()
    elif do == "mine":
        context |= {
            "mine": session_record.of(request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")),
            "asked_mine": True,
        }
    elif do == "token":
        context |= {"hers": seen(jws.read(said.get("token", ""))), "text": said.get("token", "")}
    elif do in CHANGES:
        context |= changed(*CHANGES[do])
    return show(request, TEMPLATE, context)


def both() -> dict[str, Any]:
    """One person, logged in both ways just now: the record on the server, the token in the client's hand."""
    with stage() as scene:
        person = scene.person()
        session, token = scene.logged_in("session", person), scene.logged_in("jwt", person)
        record = session_record.of(session.cookie(settings.SESSION_COOKIE_NAME))
        return {"record": record, "reading": seen(jws.read(token.access)), "token_length": len(token.access)}


@dataclass(frozen=True)
class Stale:
    """How long one way of checking went on granting the old role. `seconds` is measured from the change."""

    name: str
    lookup: str
    first: str
    seconds: float
    ended: bool

    @property
    def width(self) -> int:
        """For a bar of 100."""
        return max(1, min(100, round(self.seconds / LIVES * 100)))


def changed(before: str, after: str) -> dict[str, Any]:
    """Gives somebody another role while she is logged in, and asks each way of checking until it has noticed."""
    with stage() as scene:
        person = scene.person(role=before)
        questions = dict(ways(scene, person.user, scene.logged_in("session", person)))
        for ask in questions.values():
            ask()
        person.user.role = after
        person.user.save()
        moment = time.perf_counter()
        rows = [noticed(name, ask, before, moment) for name, ask in questions.items()]
        row = User.objects.get(pk=person.user.pk).role
    return {"rows": rows, "before": before, "after": after, "row": row}


def ways(scene: Stage, user: User, session: Browser) -> Iterator[tuple[str, Callable[[], Answer]]]:
    """Each way of checking, with whom to ask; `expiry` last, for it alone has to be waited for."""
    yield "session", lambda: session.get("/session/api/whoami")
    policy = replace(Policy.default(), access=LIVES)
    header = {"Authorization": f"Bearer {lifecycle.start(user, Client(), policy=policy).access}"}
    client = scene.browser()
    for check in sorted(CHECKS, key=lambda name: name == "expiry"):
        yield check, lambda check=check: client.get(f"/lab/whoami/{check}", headers=header)  # type: ignore[misc]


def noticed(name: str, ask: Callable[[], Answer], before: str, moment: float) -> Stale:
    """Asks until the old role is no longer granted, or the token must have ended."""
    first = answer = ask()
    granted = 0.0
    while answer.json.get("role") == before and time.perf_counter() - moment < LIVES + 1:
        granted = time.perf_counter() - moment
        time.sleep(EVERY)
        answer = ask()
    words = f"{first.status} {first.json.get('role') or first.json.get('error')}"
    return Stale(name, lookup(first.exchange), words, granted, answer.json.get("role") != before)


def lookup(exchange: Exchange) -> str:
    """What one question cost."""
    asked = [text.partition(" ")[0] for text in exchange.texts("redis")]
    asked += [f"{exchange.count('sql')} SQL"] if exchange.count("sql") else []
    return ", ".join(asked) or "nothing"
