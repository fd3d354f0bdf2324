"""What happens to every answer that a session had a part in."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpRequest, HttpResponse

from security.checks import refuse_mistakes
from security.outages import OUTAGES
from sessions_demo import lifecycle


class SessionMiddleware(DjangoSessionMiddleware):
    """Django's, which also renews, keeps caches out, and clears the cookie with the attributes it was set with.

    Django clears the cookie of every request whose session is over, and sets it again whenever a session is saved.
    Meanwhile another answer may have given the browser a newer one. So the cookie is set by an answer that brings a
    new id, and cleared by that of a request that itself ended the session.

    It is not made, and so no server starts, under a configuration that the checks refuse.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        refuse_mistakes()
        super().__init__(get_response)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """The answer. When another request ended the session meanwhile, it goes out and leaves the cookie alone."""
        session: Any = request.session
        if session.accessed and response.status_code < 500:
            lifecycle.renew(session)
        if session.accessed and not session.is_empty():
            response["Cache-Control"] = "no-store"
        try:
            response = super().process_response(request, response)
        except SessionInterrupted:
            # The record is gone and stays gone; without its key the session reads as empty.
            session.flush()
            response = super().process_response(request, response)
        except OUTAGES:
            lifecycle.abandon(request)
            raise
        _look_at_cookies(request, response)
        return response


def _look_at_cookies(request: HttpRequest, response: HttpResponse) -> None:
    if response.status_code >= 500:
        # Half a login may have left some; a browser that is told of an outage goes on with those it has.
        response.cookies.clear()
    cookie = response.cookies.get(settings.SESSION_COOKIE_NAME)
    if cookie is not None:
        cookie["httponly"] = True
        response["Cache-Control"] = "no-store"
        if not _is_news(request, cookie.value):
            del response.cookies[settings.SESSION_COOKIE_NAME]


def _is_news(request: HttpRequest, value: str) -> bool:
    if not value:
        return bool(request.META.get(lifecycle.ENDED))
    return value != request.COOKIES.get(settings.SESSION_COOKIE_NAME)
