"""Django's `set_expiry()`: a session's own end, or a cookie that is deleted when the browser closes.

Gives `ExpiryMethods`, which `sessions_demo.store.SessionStore` inherits, and `follow_expiry`, which the middleware
calls before it saves a session.
"""

from contextlib import suppress
from datetime import datetime
from math import ceil
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils import timezone

from security.outages import DATABASE_OUTAGES
from sessions_demo.models import DeviceSession
from sessions_demo.record import ABSOLUTE_END, DEVICE, IDLE_END

# Keys of a record: the argument of `set_expiry()`, as Django keeps it; the time it means, counted from the last save;
# and whether the browser deletes the cookie when it closes.
EXPIRY, EXPIRY_END, CLOSES = "_session_expiry", "_auth_expiry_end", "_auth_closes"


class ExpiryMethods(SessionBase):
    """The methods of a session that say when it ends."""

    def note_expiry_end(self) -> None:
        """Writes into the record when `set_expiry()` ends the session, counted from now.

        Not called for a request that only reads, which must not move that end.
        """
        record, now = self._session, timezone.now()
        record.pop(EXPIRY_END, None)
        if isinstance(expiry := record.get(EXPIRY), str):
            # A difference, as in Django: a time without a zone is then an error and not taken for local time.
            record[EXPIRY_END] = now.timestamp() + (datetime.fromisoformat(expiry) - now).total_seconds()
        elif expiry:
            record[EXPIRY_END] = now.timestamp() + expiry

    def get_expiry_age(self, **kwargs: Any) -> int:
        """The seconds from `modification`, by default now, until the earliest end.

        `expiry` replaces the value given to `set_expiry()`. `SESSION_COOKIE_AGE` counts only if there is no other end.
        """
        if (first := self._first_end()) is None:
            return super().get_expiry_age(**kwargs)
        modification, expiry = self._moments(kwargs)
        left = ceil(first - modification.timestamp())
        return min(left, super().get_expiry_age(modification=modification, expiry=expiry)) if expiry else left

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        """The time of the earliest end. The arguments are those of `get_expiry_age`."""
        if (first := self._first_end()) is None:
            return super().get_expiry_date(**kwargs)
        modification, expiry = self._moments(kwargs)
        end = datetime.fromtimestamp(first, modification.tzinfo)
        return min(end, super().get_expiry_date(modification=modification, expiry=expiry)) if expiry else end

    def _first_end(self) -> float | None:
        return min((self[name] for name in (ABSOLUTE_END, IDLE_END) if name in self), default=None)

    def _moments(self, given: dict[str, Any]) -> tuple[datetime, Any]:
        return given.get("modification") or timezone.now(), given["expiry"] if "expiry" in given else self.get(EXPIRY)

    def cookie_age(self) -> int | None:
        """The cookie's `Max-Age` in seconds; `None` if the browser is to delete the cookie when it closes.

        The cookie is set only together with a new id, because an answer about an old id must not replace a newer
        cookie. So the cookie gets the longest time that the session can last. The server enforces the earlier ends.
        """
        if self.get_expire_at_browser_close():
            return None
        if ABSOLUTE_END in self:
            return ceil(self[ABSOLUTE_END] - timezone.now().timestamp())
        expiry = self.get(EXPIRY)
        # Each change of the session starts this time again.
        return self.get_expiry_age() if isinstance(expiry, str) else max(settings.SESSION_COOKIE_AGE, ceil(expiry or 0))

    def cookie_fits(self) -> bool:
        """Whether the cookie was last set as it is wanted now: deleted when the browser closes, or kept."""
        return bool(self.get(CLOSES)) == self.get_expire_at_browser_close()

    def note_cookie(self) -> None:
        """Writes into the record whether the browser will delete the new cookie when it closes."""
        if self.get_expire_at_browser_close():
            self[CLOSES] = True
        else:
            self.pop(CLOSES, None)


def follow_expiry(request: HttpRequest) -> None:
    """Applies a view's `set_expiry()` to the cookie and to the registry, before the session is saved.

    If a view changes whether the browser deletes the cookie when it closes, the session gets a new id and a new cookie.
    If the session only ends sooner, the cookie stays.
    """
    session: Any = request.session
    if not _is_saved(session):
        return
    sent = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    if session.session_key == sent and not session.cookie_fits():
        session.cycle_key()
    if session.session_key != sent and not session.is_empty():
        session.note_cookie()
    before = EXPIRY_END in session
    session.note_expiry_end()
    if DEVICE in session and (before or EXPIRY_END in session):
        idle_end = datetime.fromtimestamp(session[IDLE_END], timezone.now().tzinfo)
        with suppress(*DATABASE_OUTAGES):
            DeviceSession.objects.filter(pk=session[DEVICE]).update(idle_end=row_end(session, idle_end))


def _is_saved(session: Any) -> bool:
    if session.is_empty() or not (session.modified or settings.SESSION_SAVE_EVERY_REQUEST):
        return False
    session.keys()  # reads the record: if the session has ended, its cookie must not start a new one
    return not session.is_empty()


def row_end(session: SessionBase, idle_end: datetime) -> datetime:
    """The idle end for the registry: `idle_end`, or the end by `set_expiry()` if that is earlier."""
    if EXPIRY_END not in session:
        return idle_end
    return min(idle_end, datetime.fromtimestamp(session[EXPIRY_END], idle_end.tzinfo))
