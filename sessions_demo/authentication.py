"""DRF authentication by a session."""

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from security.authentication import TokenUser
from security.users import pk_of
from sessions_demo import lifecycle
from sessions_demo.lifecycle import ROLE, USER_ID
from sessions_demo.store import DEVICE


class SessionAuthentication(BaseAuthentication):
    """Trusts the record in Redis, read by one GET: a revocation deletes the record, so nothing else is looked up.

    Once a minute, when the session is noted as in use, its rows are asked too. So a record that could not be deleted
    is trusted for a minute and no longer.
    """

    def authenticate(self, request: Request) -> tuple[TokenUser, Any] | None:
        session: Any = request._request.session
        if request.method in SAFE_METHODS:
            # An unsafe request reads the user's row itself, and should not wait for the rows twice.
            lifecycle.renew(session)
        if DEVICE not in session:
            return None
        return TokenUser(pk_of(session[USER_ID]), session[ROLE]), session

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="session"'
