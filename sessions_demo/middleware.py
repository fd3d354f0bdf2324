"""What happens to every answer that a session had a part in."""

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date

from security.backends import InvalidCredentials
from security.checks import refuse_mistakes
from security.outages import OUTAGE_RETRY_AFTER, OUTAGES
from security.refusals import Refusal, Refused
from security.revocation import KEPT_CREDENTIAL
from security.throttle import Throttled
from sessions_demo import lifecycle
from sessions_demo.set_expiry import follow_expiry

# As urls.py has it.
APP_NAME = "session"
UNAVAILABLE = (
    "A store this site depends on does not answer, or too many people log in at once. If you were logged in, you are "
    "still logged in. Try again shortly."
)
THROTTLED = "There were too many failed attempts. Wait a little, then try again."


class SessionMiddleware(DjangoSessionMiddleware):
    """Django's, which also renews, keeps caches out, and clears the cookie with the attributes it was set with.

    Django clears the cookie of every request whose session is over, and sets it again whenever a session is saved.
    Meanwhile another answer may have given the browser a newer one. So the cookie is set by an answer that brings a
    new id, and cleared by that of a request that itself ended the session.

    It cannot be made under a configuration that the checks refuse, so that no server starts.
    """

    # Django's can await the view. This one wraps it in a function that does not, and would take the coroutine for the
    # answer. So Django runs it in a thread.
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        refuse_mistakes()
        super().__init__(_kept(get_response))

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """The answer. When another request ended the session meanwhile, it goes out and leaves the cookie alone.

        503 when the session cannot be saved.
        """
        try:
            lifecycle.revoke_again(request.session)  # type: ignore[arg-type]
            lifecycle.discard_half_login(request)
            response = self._saved(request, response)
        except OUTAGES:
            lifecycle.discard_unsent(request)
            return _refusal(request, 503, "store", UNAVAILABLE, OUTAGE_RETRY_AFTER)
        _look_at_cookies(request, response)
        return response

    def _saved(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        session: Any = request.session
        if response.status_code < 500:
            if session.accessed and not session.renewed:
                lifecycle.renew(session)
            follow_expiry(request)
        if session.accessed and not session.is_empty():
            response["Cache-Control"] = "no-store"
        try:
            return super().process_response(request, response)
        except SessionInterrupted:
            # The record is gone and stays gone; without its key the session reads as empty.
            session.flush()
            return super().process_response(request, response)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """503, 429 or 403 for what a page of this app raised, or any view whose session could not be read.

        `None` for everything else: a project answers for its own stores as it did before.
        """
        if not (_is_of_this_app(request) or exception is getattr(request.session, "outage", None)):
            return None
        if isinstance(exception, OUTAGES):
            return _refusal(request, 503, "store", UNAVAILABLE, OUTAGE_RETRY_AFTER)
        if isinstance(exception, Throttled):
            return _refusal(request, 429, "throttle", THROTTLED, exception.retry_after)
        if isinstance(exception, InvalidCredentials):
            return _refusal(request, 403, "revoked", "Your access was revoked while the page was being made.")
        return None


def _is_of_this_app(request: HttpRequest) -> bool:
    return bool(request.resolver_match and APP_NAME in request.resolver_match.app_names)


def _refusal(
    request: HttpRequest, status: int, check: str, sentence: str, retry_after: int | None = None
) -> HttpResponse:
    response = Refusal(Refused(status, check, sentence), request)
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    return response


def _kept(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def inner(request: HttpRequest) -> HttpResponse:
        # Django's own page for a new password leaves its user logged in, and knows nothing of `keep`.
        kept = KEPT_CREDENTIAL.set(request.session)
        try:
            return get_response(request)
        finally:
            KEPT_CREDENTIAL.reset(kept)

    return inner


def _look_at_cookies(request: HttpRequest, response: HttpResponse) -> None:
    if response.status_code >= 500:
        # Half a login may have left some. After an outage, a browser goes on with those it has.
        response.cookies.clear()
    cookie = response.cookies.get(settings.SESSION_COOKIE_NAME)
    if cookie is not None:
        cookie["httponly"] = True
        response["Cache-Control"] = "no-store"
        if not _is_news(request, cookie.value):
            del response.cookies[settings.SESSION_COOKIE_NAME]
        elif cookie.value and (age := request.session.cookie_age()) is not None:  # type: ignore[attr-defined]
            cookie["max-age"], cookie["expires"] = age, http_date(time.time() + age)


def _is_news(request: HttpRequest, value: str) -> bool:
    if not value:
        return bool(request.META.get(lifecycle.ENDED))
    # A view may have ended the session that it began, by `set_expiry()`.
    return value != request.COOKIES.get(settings.SESSION_COOKIE_NAME) and request.session.get_expiry_age() > 0
