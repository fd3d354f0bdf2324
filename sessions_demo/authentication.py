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
    """For any view of DRF. Trusts the record in Redis, read by one GET: a revocation deletes the record.

    Once a minute, when the session is noted as in use, its rows are asked too. So a record that could not be deleted
    is trusted for a minute and no longer. `request.user` is a `TokenUser`, and `request.auth` the session. An unsafe
    request needs the CSRF token too, or it is a 403; 503 while Redis is away.
    """

    def authenticate(self, request: Request) -> tuple[TokenUser, Any] | None:
        session: Any = getattr(request._request, "session", None)
        if session is None:
            return None  # in a test that calls the view itself, past all middleware
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
    """Raises a 403 that says why, for an unsafe request without the CSRF token.

    A cookie goes along by itself, so the page must prove that it could read another one.
    """
    check = CSRFCheck(lambda request: HttpResponse())
    check.process_request(request)
    # DRF has the check return the reason, where Django's returns a response.
    if reason := check.process_view(request, HttpResponse, (), {}):
        raise csrf_refusal(request, str(reason))


def _user(session: Any) -> TokenUser:
    pk, proved = pk_of(session[USER_ID]), session[REAUTHENTICATED]
    return TokenUser(pk, session[ROLE], session[TOKEN_VERSION], proved, _revoked)


def _revoked() -> Revoked:
    return Revoked("Not authenticated", CHALLENGE)
