"""Every error answer of the site: one sentence, as a page or as `{"error": …}`, without internal details.

`config.urls` names the handlers. `ErrorPageMiddleware` adds a body to errors that views return without one (405), and
turns the throttle's exception into a 429 wherever it is raised.
"""

import re
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DataError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import REASON_NO_CSRF_COOKIE
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.generic import FormView

from config.browser_now import unread
from config.home import site_settings
from config.navigation import links
from security import refusals
from security.backends import InvalidCredentials
from security.outages import OUTAGE_RETRY_AFTER, OUTAGES
from security.refusals import Refusal, address, csrf_refusal
from security.throttle import Throttled
from sessions_demo.pages import login_again

SENTENCES = {
    400: ("Bad request", "The server could not make sense of what was sent."),
    403: ("Forbidden", "You may not do that from here."),
    404: ("Not found", "There is nothing at this address."),
    405: ("Method not allowed", "This address does not accept that method."),
    411: ("Length required", "This address accepts no body without a length."),
    413: ("Too large", "That was more than this address accepts."),
    415: ("Unsupported media type", "This address accepts application/json only."),
    429: ("Too many attempts", "There were too many failed attempts, so the server did not check this one."),
    500: ("Server error", "Something went wrong on the server. The error has been logged."),
    503: (
        "Unavailable for a moment",
        "A store this site depends on does not answer, or too many people log in at once. If you were logged in, you "
        "are still logged in. Try again shortly.",
    ),
}
# Over http, Safari accepts no Secure cookie at all. Other browsers accept one only from localhost.
NO_COOKIE = (
    "Your browser did not keep this site’s cookie, so nothing was done. On the machine that runs the site, open "
    f"{settings.SITE_URL} in Chrome or Firefox. Anywhere else, and in Safari, start the site with “make run HTTPS=1” "
    "and use the https address it prints. If cookies are blocked for this site, allow them, then try again."
)
ADMINS_ONLY = "This page is for administrators"
# Django's reason begins with this if the token in a form is outdated. Each login and logout replaces the token.
OUTDATED = "CSRF token from POST"
OLD_PAGE = (
    "This page is older than the last login or logout in this browser, perhaps in another tab, so nothing was done. "
    "Load it again, then try once more."
)
# Under these paths, a client that names no type gets JSON.
API = re.compile(r"/(session|jwt|notes)/(auth|api)/")
# Exceptions of a database for a value that no column can hold (a NUL in PostgreSQL, a number of 30 digits in SQLite).
# A library can send a value of the request to the database without a form that validates it.
UNSTORABLE = (DataError, OverflowError)


class ErrorPageMiddleware:
    """Adds the site's own body to each error without one, and replaces the body of a `Refusal`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        sentence = response.sentence if isinstance(response, Refusal) else None
        if response.status_code not in SENTENCES or response.streaming or (response.content and not sentence):
            return response
        # For 429 and 503 the site's own sentence is used. A refusal's is for projects that have none.
        sentence = None if response.status_code in (429, 503) else sentence
        filled = answer(request, response.status_code, sentence, _seconds(response.get("Retry-After", "")))
        # The response object stays the same, or Django would log the error a second time.
        response.content = filled.content
        for name, value in [*filled.items(), ("Content-Length", str(len(filled.content)))]:
            response[name] = value
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """429 with the seconds to wait (RFC 6585 section 4). 403 if access was revoked during the login."""
        if isinstance(exception, InvalidCredentials):
            return answer(request, 403)
        if isinstance(exception, Throttled):
            return answer(request, 429, retry_after=exception.retry_after)
        return None


def _seconds(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler400`. Answers 413 for a body that is too large, which Django counts as a bad request."""
    if not isinstance(exception, RequestDataTooBig):
        return answer(request, 400)
    sentence = f"The body is larger than the {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes that are accepted here."
    refusals.log(request, "body size", sentence)
    return answer(request, 413, sentence)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler403`. Says who is logged in, if the view has read it."""
    # `request.user` would read the session here, and Redis may be away.
    user: Any = getattr(request, "_cached_user", None)
    if user is None or not user.is_authenticated or wants_json(request):
        return answer(request, 403)
    who = f"You are logged in as {user.get_full_name()} ({user.role})."
    return answer(request, 403, f"{'You may not do that' if user.is_staff else ADMINS_ONLY}. {who}")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """`CSRF_FAILURE_VIEW`. Says which part of the check failed, and what the user can do."""
    refused = csrf_refusal(request, reason)
    refusals.log(request, refused.check, refused.sentence, refused.deployment)
    if wants_json(request):
        return answer(request, 403, refused.sentence)
    if reason == REASON_NO_CSRF_COOKIE:
        return answer(request, 403, NO_COOKIE)
    if reason.startswith(OUTDATED):
        return login_again(request) or answer(request, 403, OLD_PAGE, again=_page_of(request))
    return answer(request, 403, refused.sentence)


def _page_of(request: HttpRequest) -> str:
    """The path of the page with the form. "" if the browser does not send it and this address has no page."""
    here, referer, match = address(request), request.headers.get("Referer", ""), request.resolver_match
    if referer.startswith(f"{here}/"):
        page = referer.removeprefix(here)
    else:
        has_page = match and hasattr(getattr(match.func, "view_class", FormView), "get")
        page = request.get_full_path() if has_page else ""
    # A path that begins with two slashes would be a link to another site.
    return page if url_has_allowed_host_and_scheme(page, None) else ""


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler404`."""
    return answer(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`, which Django calls while the exception is being handled.

    While a store is away the answer is a 503 and the cookie stays, so that users are still logged in afterwards.
    """
    error = sys.exc_info()[1]
    if isinstance(error, UNSTORABLE):
        return answer(request, 400)
    if isinstance(error, OUTAGES):
        return answer(request, 503, retry_after=OUTAGE_RETRY_AFTER)
    return answer(request, 500)


def answer(
    request: HttpRequest, status: int, sentence: str | None = None, retry_after: int | None = None, again: str = ""
) -> HttpResponse:
    """The error `status`, as a page or as JSON, whichever the client asked for. `sentence` replaces the usual one.

    `retry_after` is in seconds. `again` is the path of a page of this site, for a link to load it again.
    """
    title, usual = SENTENCES[status]
    response: HttpResponse
    if wants_json(request):
        response = JsonResponse({"error": title} | ({"detail": sentence} if sentence else {}), status=status)
    else:
        again = again or (_page_of(request) if status == 429 else "")
        heading = "This page is out of date" if sentence == OLD_PAGE else title
        context = _context(request, status, retry_after)
        context |= {"title": heading, "sentence": sentence or usual, "again": again}
        page = render_to_string("error.html", context)
        response = HttpResponse(page, status=status)
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    response["Cache-Control"] = "no-store"
    return response


def _context(request: HttpRequest, status: int, retry_after: int | None) -> dict[str, Any]:
    # Not by the context processors: they would read the session, and Redis may be away.
    found = {"status": status, "navigation": links(request.path_info), "browser_now": unread(request)}
    if status == 429 and retry_after is not None:
        found |= {"wait": _in_words(retry_after), "until": timezone.now() + timedelta(seconds=retry_after)}
    return site_settings() | found


def _in_words(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return " ".join(f"{number} {unit}" for number, unit in ((minutes, "min"), (rest, "s")) if number)


def wants_json(request: HttpRequest) -> bool:
    """Whether the client asked for JSON, by the `Content-Type` that it sent or by `Accept`."""
    if request.content_type == "application/json":
        return True
    kinds = ["application/json", "text/html"] if API.match(request.path_info) else ["text/html", "application/json"]
    return request.get_preferred_type(kinds) == "application/json"
