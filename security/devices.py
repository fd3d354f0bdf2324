"""The devices a user is logged in on, in both flows, and the interface by which they are listed and ended.

Gives `Flow`, what each flow registers in its `AppConfig.ready`, `FLOWS`, the reasons `BY_OWNER`, and `counted`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from security.client import name_of

AGAIN = "logged in again"
# The owner of a device knows of these ends. After another one, except by time, pages and APIs say that it was revoked.
BY_OWNER = ("logged out", "logged out everywhere", "ended by its owner", AGAIN)


@dataclass(frozen=True)
class Device:
    """One login on one device, as its owner sees it. Times are UTC."""

    id: UUID
    address: str
    user_agent: str
    started: datetime
    last_seen: datetime
    ends: datetime
    remember: bool

    @property
    def name(self) -> str:
        """Its name in a list of devices."""
        return name_of(self.user_agent)

    def as_json(self, current: str | None) -> dict[str, Any]:
        """The device as both APIs send it; `current` is the id of the device that asks."""
        return {
            "id": str(self.id),
            "current": str(self.id) == current,
            "address": self.address,
            "userAgent": self.user_agent,
            "started": self.started,
            "lastSeen": self.last_seen,
            "ends": self.ends,
            "remember": self.remember,
        }


class Flow(Protocol):
    """What `security` needs from a login flow. `name` is what users call one of its devices."""

    name: str

    def list(self, pk: Any) -> list[Device]:
        """The live devices of a user, the latest first."""

    def end(self, user: Any, device: UUID, reason: str) -> bool:
        """Ends one device of this user. Returns whether there was one. Raises the store's error if it is away."""

    def end_all(self, key: str, token_version: int, reason: str, keep: Any = None) -> int:
        """Ends what was issued to a user before this `token_version`. Returns the number of devices it ended.

        Raises the store's error if it is away.
        The flow to which `keep` belongs gives it a new key instead of ending it; the other flow ignores it.
        """


FLOWS: list[Flow] = []


def counted(number: int, name: str) -> str:
    """ "1 session", "2 sessions"."""
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
