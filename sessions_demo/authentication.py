"""DRF authentication by a session."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from security.authentication import Revoked, TokenUser, Unavailable
from security.outages import OUTAGES
from security.refusals import csrf_refusal
from security.users import pk_of
from sessions_demo import lifecycle
from sessions_demo.record import DEVICE, REAUTHENTICATED, ROLE, TOKEN_VERSION, USER_ID

CHALLENGE = 'Session realm="session"'


class SessionAuthentication(BaseAuthentication):
    """For any DRF view. Trusts the record in Redis, which it reads by one GET: a revocation deletes the record.

    At most once per `SESSION_SEEN_EVERY` the database is asked too, by `lifecycle.renew`. So a record that could not
    be deleted is trusted no longer than that. `request.user` is a `TokenUser`, `request.auth` the session. An unsafe
    request without the CSRF token is a 403. While Redis is away the answer is a 503.
    """

    def authenticate(self, request: Request) -> tuple[TokenUser, Any] | None:
        session: Any = getattr(request._request, "session", None)
        if session is None:
            return None  # a test calls the view without the middleware
        try:
            lifecycle.renew(session)
            session.renewed = True
            if DEVICE not in session:
                return None
        except OUTAGES as error:
            raise Unavailable from error
        if request.method not in SAFE_METHODS:
            enforce_csrf(request._request)
        return _user(session), session

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def enforce_csrf(request: HttpRequest) -> None:
    """Raises a 403 with the reason if an unsafe request lacks the CSRF token.

    A browser can send the session cookie with another site's request too, but that site cannot read the token.
    """
    check = CSRFCheck(lambda request: HttpResponse())
    check.process_request(request)
    # DRF's check returns the reason, Django's a response.
    if reason := check.process_view(request, HttpResponse, (), {}):
        raise csrf_refusal(request, str(reason))


def _user(session: Any) -> TokenUser:
    pk, proved = pk_of(session[USER_ID]), session[REAUTHENTICATED]
    return TokenUser(pk, session[ROLE], session[TOKEN_VERSION], proved, _revoked)


def _revoked() -> Revoked:
    return Revoked("Not authenticated", CHALLENGE)
