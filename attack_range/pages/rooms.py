"""The pages of the rooms. The server passes a visitor's form on to the address that the visitor could use with curl."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from attack_range import hosts
from attack_range.pages import visits
from attack_range.pages.rendering import render_page
from attack_range.rooms import BY_SLUG, ROOMS, Room, Visitor, find
from attack_range.scene import Scene
from attack_range.weak import rooms as weak

ADDRESS = "/weak/rooms/"
NOTHING = "Nothing was sent: the field is empty."
UNSENDABLE = "Nothing was sent: there are characters in it that no token and no cookie can hold."
# For the form with two fields.
BOTH_EMPTY = "Nothing was sent: both fields are empty, the secret and the token."
UNANSWERED = "The weak server did not answer in time. Try again."
DOORS = ("look-up", "denylist", "expiry")


@dataclass(frozen=True)
class Try:
    """What the visitor typed, and the request that is made of it."""

    typed: str
    method: str
    path: str
    token: str = ""
    cookies: dict[str, str] | None = None
    data: dict[str, str] | None = None


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The list of the rooms, and which of them are solved."""
    visit = visits.of(request)
    return render_page(request, "rooms", {"rooms": ROOMS, "solved": find(visit.nonce).solved}, visit)


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """One room. A POST with a known `act` does what `ACTS` says. Another POST sends the form's request and shows the
    answer."""
    if slug not in BY_SLUG:
        raise Http404
    room, visit = BY_SLUG[slug], visits.of(request)
    visitor = find(visit.nonce)
    given: dict[str, Any] = weak.give(visitor, slug)
    said: dict[str, Any] = {}
    if request.method == "POST" and (act := ACTS.get((slug, request.POST.get("act", "")))):
        act(visitor)
        given = weak.give(visitor, slug)
    elif request.method == "POST":
        said = {"typed": request.POST, **_send(TRIES[slug](request.POST, given))}
        if slug == "weak-secret" and said.get("unsent") == NOTHING:
            said["unsent"] = BOTH_EMPTY
    return _render(request, room, visit, given | said)


@require_POST
def reset(request: HttpRequest) -> HttpResponse:
    """Starts all rooms again."""
    visit = visits.of(request)
    find(visit.nonce).start_again()
    response = redirect("range:rooms")
    response.status_code = 303
    visits.save(response, visit)
    return response


def _render(request: HttpRequest, room: Room, visit: visits.Visit, context: dict[str, Any]) -> HttpResponse:
    visitor, place = find(visit.nonce), ROOMS.index(room)
    if room.slug == "stolen-refresh":
        weak.let_owner_come(visitor)
        context |= visitor.given[room.slug] | {"due_at": _clock(context["due"])}
    more = {
        "room": room,
        "number": place + 1,
        "is_solved": room.slug in visitor.solved,
        "after": ROOMS[place + 1] if place + 1 < len(ROOMS) else None,
        "address": hosts.origin(hosts.VICTIM) + ADDRESS + room.slug,
        "doors": DOORS,
        "words": weak.WORDS,
        "cookie_name": weak.COOKIE,
        "now": _clock(time.time()),
    }
    return render_page(request, f"rooms/{room.slug}", context | more, visit)


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S UTC")


def _send(wanted: Try) -> dict[str, str | int]:
    if not wanted.typed:
        return {"unsent": NOTHING}
    if not wanted.typed.isascii() or not wanted.typed.isprintable() or ";" in wanted.typed:
        return {"unsent": UNSENDABLE}
    headers = {"Authorization": f"Bearer {wanted.token}"} if wanted.token else {}
    try:
        with Scene() as scene:
            url = scene.url(ADDRESS + wanted.path)
            answer = scene.ask(wanted.method, url, wanted.cookies, headers=headers, data=wanted.data)
    except httpx.HTTPError:
        return {"unsent": UNANSWERED}
    return {"status": answer.status_code, "body": answer.text}


def _word(form: QueryDict, name: str) -> str:
    return "".join(form.get(name, "").removeprefix("Bearer ").split())


def _log_alice_out(visitor: Visitor) -> None:
    cookie = weak.give(visitor, "copied-cookie")["cookie"]
    _send(Try(cookie, "POST", "copied-cookie/logout", cookies={weak.COOKIE: cookie}))


def _give_another(room: str) -> Callable[[Visitor], None]:
    def forget(visitor: Visitor) -> None:
        visitor.given.pop(room, None)

    return forget


# Functions for the other buttons, by the room and the button's value.
ACTS: dict[tuple[str, str], Callable[[Visitor], None]] = {
    ("copied-cookie", "log-out"): _log_alice_out,
    ("copied-cookie", "again"): _give_another("copied-cookie"),
    ("stolen-refresh", "owner"): lambda visitor: weak.let_owner_come(visitor, now=True),
    ("stolen-refresh", "again"): _give_another("stolen-refresh"),
    ("after-ban", "ban"): weak.ban,
    ("after-ban", "again"): _give_another("after-ban"),
}


def _try_token(form: QueryDict, given: dict[str, Any]) -> Try:
    token = _word(form, "token")
    return Try(token, "GET", "edit-the-token", token)


def _try_cookie(form: QueryDict, given: dict[str, Any]) -> Try:
    cookie = _word(form, "cookie")
    return Try(cookie, "GET", "copied-cookie", cookies={weak.COOKIE: cookie})


def _try_refresh(form: QueryDict, given: dict[str, Any]) -> Try:
    token = _word(form, "token")
    return Try(token, "POST", "stolen-refresh", data={"token": token})


def _try_door(form: QueryDict, given: dict[str, Any]) -> Try:
    token, door = _word(form, "token"), form.get("door")
    return Try(token, "GET", f"after-ban/{door if door in DOORS else DOORS[0]}", token)


def _try_birthday(form: QueryDict, given: dict[str, Any]) -> Try:
    found = _word(form, "found")
    return Try(found, "POST", "payload", given["token"], data={"found": found})


def _try_secret(form: QueryDict, given: dict[str, Any]) -> Try:
    token, secret = _word(form, "token"), _word(form, "secret")
    if token:
        return Try(token, "GET", "weak-secret", token)
    return Try(secret, "POST", "weak-secret/guess", given["token"], data={"secret": secret})


# Functions that turn a form into a request, by the room.
TRIES: dict[str, Callable[[QueryDict, dict[str, Any]], Try]] = {
    "edit-the-token": _try_token,
    "copied-cookie": _try_cookie,
    "stolen-refresh": _try_refresh,
    "after-ban": _try_door,
    "payload": _try_birthday,
    "weak-secret": _try_secret,
}
