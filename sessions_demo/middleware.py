"""The session middleware: renews and saves the session, and decides whether the answer sets or deletes its cookie."""

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

# The `app_name` of urls.py.
APP_NAME = "session"
UNAVAILABLE = (
    "A store this site depends on does not answer, or too many people log in at once. If you were logged in, you are "
    "still logged in. Try again shortly."
)
THROTTLED = "There were too many failed attempts. Wait a little, then try again."


class SessionMiddleware(DjangoSessionMiddleware):
    """Django's session middleware, which also renews the session and keeps its answers out of caches.

    Django's own deletes the cookie in every answer to a request whose session is over, and sets it whenever a session
    is saved. By then, another answer may have given the browser a newer cookie. This one sets the cookie only if the
    session has a new id, and deletes it only if this request itself ended the session.

    The constructor raises `ImproperlyConfigured` if a check fails, so that no server starts.
    """

    # `_kept` wraps the view in a function that is not asynchronous. Django must run the middleware in a thread, or the
    # coroutine of an asynchronous view would be taken for the answer.
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        refuse_mistakes()
        super().__init__(_kept(get_response))

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Saves the session and returns the answer, or a 503 if the session cannot be saved.

        If another request has ended the session, the view's answer is sent and the cookie stays as it is.
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
            # Another request has ended the session. Emptied, the session is not saved again.
            session.flush()
            return super().process_response(request, response)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answers 503, 429 or 403 for an exception of this app's pages, or of any view whose session cannot be read.

        Returns `None` for every other exception, so that the project's own error handling applies.
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
        # Django's page for a new password does not pass `keep`. Without this it would log its own user out.
        kept = KEPT_CREDENTIAL.set(request.session)
        try:
            return get_response(request)
        finally:
            KEPT_CREDENTIAL.reset(kept)

    return inner


def _look_at_cookies(request: HttpRequest, response: HttpResponse) -> None:
    if response.status_code >= 500:
        # A login that failed halfway may have set cookies. The browser must keep those it has.
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
    # A view can start a session and end it at once by `set_expiry()`.
    return value != request.COOKIES.get(settings.SESSION_COOKIE_NAME) and request.session.get_expiry_age() > 0
