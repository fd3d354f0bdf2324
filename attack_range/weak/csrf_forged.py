"""The pages that forge requests, at the attacker's host, at the victim's other port and at the sibling host.

A person can use them too. `target` in the query names the target of the request, and `attempt` is passed on to it.
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

# Seconds after the login during which Chromium sends a cookie without SameSite with another site's form.
WINDOW = "120"
# Fields of the query with this prefix become fields of the forged request.
FIELD = "field_"
PAGES = ("link", "form", "fetch", "image", "countdown", "login", "open", "plant")


@dataclass(frozen=True)
class Target:
    """An address at the victim's host, and the fields of a forged request to it."""

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
    """One of the pages. 404 for an unknown target."""
    target = TARGETS.get(request.GET.get("target", "login" if name == "login" else "none"))
    if target is None:
        return HttpResponseNotFound("There is no such target.", "text/plain")
    return render(request, f"attack_range/csrf/{name}.html", _context(target, request.GET.dict()))


def _context(target: Target, query: dict[str, str]) -> dict[str, Any]:
    victim, attempt = hosts.origin(hosts.VICTIM), query.get("attempt", "")
    # A case may have created an account for the attacker. Then the query holds that account's name and password.
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
    """A page reports here that its request was answered or has failed. The report alone proves nothing."""
    return HttpResponse(status=204)


urlpatterns = [
    path("", index),
    path("report", report),
    *(path(name, page, {"name": name}) for name in PAGES),
]
