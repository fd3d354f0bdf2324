"""What this browser is logged in with: for the strip that every page has below its navigation.

The session is part of the page, because the page has read it anyway. The token login is asked for by the script of the
strip, at `browser_now`: to look it up for each page would add a statement to every request whose cost the site shows.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_safe
from rest_framework.request import Request

from jwt_demo import cookies
from jwt_demo.conf import conf
from jwt_demo.models import TokenFamily, Transport, Verdict
from jwt_demo.rotation import family_for_rotation
from security.client import Client
from security.outages import DATABASE_OUTAGES
from sessions_demo.authentication import SessionAuthentication
from sessions_demo.record import ABSOLUTE_END, DEVICE, IDLE_END

# With these, a refresh would succeed now.
ACCEPTED = (Verdict.CURRENT, Verdict.RETRY)
# Within it, a clock time needs no date.
SOON = timedelta(hours=20)


def strip(request: HttpRequest) -> dict[str, Any]:
    """What the template of the strip shows. Lazy: a page without the strip must not read the session for it."""
    if isinstance(request, Request) and not isinstance(request.successful_authenticator, SessionAuthentication):
        # A page of the API whose view took no session. The user of a token has no name without a look-up.
        return unread(request) | ({"unread_session": True} if request.auth else {})
    return {
        **_known(request),
        "session": SimpleLazyObject(lambda: session_of(request)),
        "token_login": SimpleLazyObject(lambda: _token_login(request)),
        "asks": conf.JWT_REFRESH_COOKIE_NAME in request.COOKIES,
    }


def unread(request: HttpRequest) -> dict[str, Any]:
    """The strip of a page that must not read the session, because Redis may be away. Its script asks later."""
    names = {conf.JWT_REFRESH_COOKIE_NAME, settings.SESSION_COOKIE_NAME}
    has_session = settings.SESSION_COOKIE_NAME in request.COOKIES
    return _known(request) | {"unread_session": has_session, "asks": not names.isdisjoint(request.COOKIES)}


def _known(request: HttpRequest) -> dict[str, Any]:
    """What a request says without any look-up."""
    return {
        "method": request.method,
        "path": request.path,
        # One character is one byte (PEP 3333).
        "cookie_bytes": len(request.META.get("HTTP_COOKIE", "")),
        "refresh_cookie": conf.JWT_REFRESH_COOKIE_NAME in request.COOKIES,
    }


def session_of(request: HttpRequest) -> dict[str, Any]:
    """When the session of this request ends, and a name by which another tab can tell it from the next; {} without."""
    record = request.session
    if not (request.user.is_authenticated and DEVICE in record):
        return {}
    idle, absolute = (datetime.fromtimestamp(record[key], UTC) for key in (IDLE_END, ABSOLUTE_END))
    return {"id": record[DEVICE], "ends": idle, "ends_soon": idle < datetime.now(UTC) + SOON, "absolute_end": absolute}


def token_login_of(request: HttpRequest) -> dict[str, Any]:
    """The token login that the refresh cookie of this request would go on with now, by one statement; {} without one.

    It rotates nothing. A login that was ended, a user who was banned, and a token that was used before give {}. So a
    thief with a copy of a refresh token can ask whether it is still the newest. Only a refresh detects the theft.
    """
    token = cookies.good(request.COOKIES.get(conf.JWT_REFRESH_COOKIE_NAME))
    family = family_for_rotation(token["sid"]) if token else None
    if not (token and family) or family.classify(token, Client.of(request), Transport.COOKIE) not in ACCEPTED:
        return {}
    ends = min(family.expires, family.absolute_end)
    return {"name": _name(family), "ends": ends.isoformat(), "accessSecondsLeft": _access_seconds_left(family)}


def _token_login(request: HttpRequest) -> dict[str, Any]:
    # A page is not refused because the database is away: a logout succeeds without it.
    with suppress(*DATABASE_OUTAGES):
        return token_login_of(request)
    return {}


def _name(family: TokenFamily) -> str:
    user: Any = family.user
    return user.get_full_name()


def _access_seconds_left(family: TokenFamily) -> int:
    # The newest access token was issued together with the newest refresh token.
    age = (datetime.now(UTC) - family.issued).total_seconds()
    return max(0, ceil(family.policy["access"] - age))


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """`/browser-now`: both logins of this browser as JSON, for the script of the strip."""
    user: Any = request.user
    session = {"id": found["id"], "name": user.get_full_name()} if (found := session_of(request)) else None
    state = {"session": session, "token": token_login_of(request) or None}
    return JsonResponse(state, headers={"Cache-Control": "no-store"})
