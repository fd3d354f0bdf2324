"""Lists a user's sessions and ends them: for the pages, the JSON views, the admin and revocation.

Gives `FLOW`, which `apps.py` registers in `security.devices.FLOWS`.
"""

from typing import Any
from uuid import UUID

from security import events
from security.backends import InvalidCredentials
from security.client import Client
from security.devices import Device
from security.models import SecurityEvent
from security.users import get_user, pk_of
from sessions_demo import lifecycle, store
from sessions_demo.models import DeviceSession, DeviceSessions
from sessions_demo.record import DEVICE
from sessions_demo.store import SessionStore


class SessionFlow:
    """Implements `security.devices.Flow`."""

    name = "session"

    def list(self, pk: Any) -> list[Device]:
        """The live sessions of a user, the latest first. Leaves out rows whose record Redis has lost."""
        rows = list(DeviceSession.objects.live().filter(user_id=pk).order_by("-started"))
        alive = store.existing(row.digest for row in rows)
        return [
            Device(row.pk, row.address, row.user_agent, row.started, row.last_seen, row.absolute_end, row.remember)
            for row in rows
            if row.digest in alive
        ]

    def end(self, user: Any, device: UUID, reason: str) -> bool:
        """Ends one session of this user. Returns whether there was one."""
        return self._revoke(user, DeviceSession.objects.filter(pk=device), reason) == 1

    def end_all(self, key: str, token_version: int, reason: str, keep: Any = None) -> int:
        """Ends the user's sessions of an earlier `token_version` and returns how many these were.

        `keep`, if it is one of these sessions, gets a new id instead.
        """
        rows = DeviceSession.objects.filter(user_id=pk_of(key), token_version__lt=token_version)
        if not isinstance(keep, SessionStore) or DEVICE not in keep or not rows.filter(pk=keep[DEVICE]).exists():
            return lifecycle.end_sessions(rows, reason)
        ended = lifecycle.end_sessions(rows.exclude(pk=keep[DEVICE]), reason)
        try:
            lifecycle.cycle_key(keep, get_user(pk_of(key)))
        except InvalidCredentials:
            # Another request has changed its id, and the session still has the earlier `token_version`.
            lifecycle.end_sessions(rows, reason)
            raise
        return ended

    def end_others(self, user: Any, device: str | None, reason: str) -> int:
        """Ends the sessions of this user except `device`, if one is given. Returns how many these were."""
        rows = DeviceSession.objects.all()
        return self._revoke(user, rows.exclude(pk=device) if device else rows, reason)

    def _revoke(self, user: Any, rows: DeviceSessions, reason: str) -> int:
        ended = lifecycle.end_sessions(rows.filter(user=user), reason)
        if ended:
            events.record(SecurityEvent.Name.SESSION_REVOKED, user, Client(), ended=ended, reason=reason)
        return ended


FLOW = SessionFlow()
