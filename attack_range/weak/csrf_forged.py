"""The pages that forge requests: at the attacker's host, at the victim's other port and at the sibling host.

Each works for a person who opens it, too. `target` in the query says what is asked for; `attempt` is passed on.
"""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from attack_range import hosts
from attack_range.weak.csrf import PASSWORDS, SESSION
from attack_range.weak.csrf_defences import DEFENCE_WORDS, DEFENCES

# Seconds after its login in which a browser sends a cookie without SameSite along with another site's form.
WINDOW = "120"
# What the names of more fields begin with in the query.
FIELD = "field_"
PAGES = ("link", "form", "fetch", "image", "countdown", "login", "open", "plant")


@dataclass(frozen=True)
class Target:
    """An address at the victim's host, and what a forged request says to it."""

    path: str
    fields: dict[str, str] = field(default_factory=dict)


ORDER = {"to": "Mallory", "amount": "100"}
LOGIN = {"name": "Mallory", "password": PASSWORDS["Mallory"], "credential": "session-lax"}
TARGETS = {name: Target(f"/weak/csrf/transfer/{name}", ORDER) for name in DEFENCES} | {
    "login": Target("/weak/csrf/login", LOGIN),
    "refresh": Target("/weak/csrf/refresh"),
    "ours-session": Target("/session/logout/"),
    "ours-session-login": Target("/session/login/"),
    "ours-token": Target("/jwt/auth/refresh"),
    "ours-token-login": Target("/jwt/auth/login"),
}


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The list of these pages, for a person."""
    origins = {"attacker": hosts.origin(hosts.ATTACKER), "sibling": hosts.origin(hosts.SIBLING)}
    origins |= {"victim": hosts.origin(hosts.VICTIM), "port": hosts.origin(hosts.VICTIM, other=True)}
    return render(request, "attack_range/csrf/index.html", origins | {"defences": DEFENCE_WORDS})


@require_safe
def page(request: HttpRequest, name: str) -> HttpResponse:
    """One of them. 404 for a target there is not."""
    target = TARGETS.get(request.GET.get("target", "login" if name == "login" else "none"))
    if target is None:
        return HttpResponseNotFound("There is no such target.", "text/plain")
    return render(request, f"attack_range/csrf/{name}.html", _context(target, request.GET.dict()))


def _context(target: Target, query: dict[str, str]) -> dict[str, Any]:
    victim, attempt = hosts.origin(hosts.VICTIM), query.get("attempt", "")
    # The attacker's own account is one that a case has just opened; then the query holds its name and password.
    fields = target.fields | {key.removeprefix(FIELD): query[key] for key in query if key.startswith(FIELD)}
    return {
        "victim": victim,
        "domain": hosts.VICTIM,
        "attempt": attempt,
        "url": f"{victim}{target.path}?{urlencode({'attempt': attempt})}",
        "link": f"{victim}{target.path}?{urlencode(fields | {'attempt': attempt})}",
        "fields": fields,
        "body": urlencode(fields),
        "query": {"window": WINDOW, "cookie": SESSION} | query,
    }


@require_safe
def report(request: HttpRequest) -> HttpResponse:
    """A page of this host lets its server know that its request was answered or failed. It proves nothing more."""
    return HttpResponse(status=204)


urlpatterns = [
    path("", index),
    path("report", report),
    *(path(name, page, {"name": name}) for name in PAGES),
]
