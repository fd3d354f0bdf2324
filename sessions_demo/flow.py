"""What the app `security` asks of the session flow: to list devices and to end them."""

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
    """What `security` asks of this flow: see `security.devices.Flow`."""

    name = "sessions"

    def list(self, pk: Any) -> list[Device]:
        """The live sessions of a user. A row whose record Redis has lost is not one."""
        rows = list(DeviceSession.objects.live().filter(user_id=pk).order_by("-started"))
        alive = store.existing(row.digest for row in rows)
        return [
            Device(row.pk, row.address, row.user_agent, row.started, row.last_seen, row.absolute_end, row.remember)
            for row in rows
            if row.digest in alive
        ]

    def end(self, user: Any, device: UUID, reason: str) -> bool:
        """Ends one session of this user."""
        return self._revoke(user, DeviceSession.objects.filter(pk=device), reason) == 1

    def end_all(self, key: str, token_version: int, reason: str, keep: Any = None) -> int:
        """Ends all of an earlier version; `keep`, if it is a session, gets a new key instead."""
        rows = DeviceSession.objects.filter(user_id=pk_of(key), token_version__lt=token_version)
        if not isinstance(keep, SessionStore) or DEVICE not in keep or not rows.filter(pk=keep[DEVICE]).exists():
            return lifecycle.end_sessions(rows, reason)
        ended = lifecycle.end_sessions(rows.exclude(pk=keep[DEVICE]), reason)
        try:
            lifecycle.cycle_key(keep, get_user(pk_of(key)))
        except InvalidCredentials:
            # Another request has given it another id, and that one is of the earlier version too.
            lifecycle.end_sessions(rows, reason)
            raise
        return ended

    def end_others(self, user: Any, device: str | None, reason: str) -> int:
        """Ends all sessions of this user but one, or but none."""
        rows = DeviceSession.objects.all()
        return self._revoke(user, rows.exclude(pk=device) if device else rows, reason)

    def _revoke(self, user: Any, rows: DeviceSessions, reason: str) -> int:
        ended = lifecycle.end_sessions(rows.filter(user=user), reason)
        if ended:
            events.record(SecurityEvent.Name.SESSION_REVOKED, user, Client(), ended=ended, reason=reason)
        return ended


FLOW = SessionFlow()
