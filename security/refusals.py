"""Refused requests: the client and the log learn which check refused the request.

Needs Django and DRF. Gives `Refused` for views, `refusal` for middleware, and `csrf_refusal`, which says in words why
Django's CSRF check refused. A sentence quotes at most one header, cut to `LONGEST`, and never a secret.
"""

import json
import logging
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import (
    REASON_BAD_ORIGIN,
    REASON_CSRF_TOKEN_MISSING,
    REASON_NO_CSRF_COOKIE,
    REASON_NO_REFERER,
)
from rest_framework.exceptions import APIException

from security import events
from security.client import Client

# Characters of a header that an answer and the log repeat.
LONGEST = 100
# For the person who runs the proxy in front of this server.
PROXY = (
    "The proxy in front of this server must pass on both, in nginx: "
    "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;"
)
BAD_ORIGIN = REASON_BAD_ORIGIN.partition("%s")[0]


class Refused(APIException):
    """The check `check` refuses, with this status. `detail` says which header or field decided, and what to send.

    `deployment` means that a proxy in front of this server is at fault, not the client.
    """

    def __init__(self, status: int, check: str, detail: str, deployment: bool = False) -> None:
        super().__init__(detail, code=check)
        self.status_code, self.check, self.deployment = status, check, deployment

    @property
    def sentence(self) -> str:
        """`detail` as plain text."""
        return str(self.detail)


class Refusal(HttpResponse):
    """The answer of a middleware that refuses: one sentence, as JSON or as text. A site may show it as a page.

    It is JSON if `request` sends or asks for JSON. Clients that accept anything, as scripts do, get JSON too.
    """

    def __init__(self, refused: Refused, request: HttpRequest | None = None) -> None:
        is_json = request is not None and _wants_json(request)
        text = refused.sentence
        if is_json:
            text = json.dumps({"error": HTTPStatus(refused.status_code).phrase.capitalize(), "detail": text})
        kind = "application/json" if is_json else "text/plain; charset=utf-8"
        super().__init__(text, status=refused.status_code, content_type=kind)
        self["Cache-Control"] = "no-store"
        self.sentence = refused.sentence


def _wants_json(request: HttpRequest) -> bool:
    kinds = ["application/json", "text/html", "text/plain"]
    return request.content_type == kinds[0] or request.get_preferred_type(kinds) == kinds[0]


def refusal(request: HttpRequest, refused: Refused) -> Refusal:
    """Logs the refusal and returns the answer of a middleware."""
    log(request, refused.check, refused.sentence, refused.deployment)
    return Refusal(refused, request)


def log(request: HttpRequest, check: str, reason: str, deployment: bool = False) -> None:
    """Logs one line with the check and its reason. It is a warning if the operator of a proxy must change something."""
    level = logging.WARNING if deployment else logging.INFO
    events.log("request_refused", Client.of(request), level, check=check, reason=reason)


def csrf_refusal(request: HttpRequest, reason: str) -> Refused:
    """Django's `reason` as a sentence that also says what to send instead."""
    # The browser says same-origin, but Django sees another address: a proxy changed the host or the scheme.
    proxy = reason.startswith(BAD_ORIGIN) and request.headers.get("Sec-Fetch-Site") == "same-origin"
    return Refused(403, "csrf", _csrf_sentence(request, reason, proxy), deployment=proxy)


def _csrf_sentence(request: HttpRequest, reason: str, proxy: bool) -> str:
    here, cookie = address(request), settings.CSRF_COOKIE_NAME
    send = f"Send the value of the cookie {cookie} in the header {_csrf_header()} or the field csrfmiddlewaretoken."
    origin = f"Origin: {printable_header(request, 'Origin')}"
    if proxy:
        return f"CSRF check: the browser sent {origin}, but this server was asked as {here}. {PROXY}"
    if reason.startswith(BAD_ORIGIN):
        return f"CSRF check: {origin} is not {here}."
    if reason == REASON_NO_REFERER:
        return f"CSRF check: over https a request needs an Origin or a Referer. Send the header Origin: {here}"
    if reason.startswith("Referer"):
        return f"CSRF check: the header Referer does not name {here}. Send the header Origin: {here}"
    if reason == REASON_NO_CSRF_COOKIE:
        return f"CSRF check: the cookie {cookie} is missing. Get a page of this site first, and send its cookie back."
    if reason == REASON_CSRF_TOKEN_MISSING:
        return f"CSRF check: the token is missing. {send}"
    return f"CSRF check: the token does not match the cookie {cookie}, which each login and logout replace. {send}"


def _csrf_header() -> str:
    name = settings.CSRF_HEADER_NAME
    return "X-CSRFToken" if name == "HTTP_X_CSRFTOKEN" else name.removeprefix("HTTP_").replace("_", "-").title()


def address(request: HttpRequest) -> str:
    """This server's own origin, according to the request: the scheme and the host."""
    return f"{request.scheme}://{request.get_host()}"


def printable_header(request: HttpRequest, header: str) -> str:
    """The printable characters of a header, at most `LONGEST`, for an answer or the log."""
    return "".join(c for c in request.headers.get(header, "") if c.isprintable())[:LONGEST]
