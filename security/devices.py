"""The devices a user is logged in on, across both flows, and the one way to end them all.

Gives `Flow`, what each flow registers in its `AppConfig.ready`, and `FLOWS`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from security.client import name_of


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
        """What it is called in a list."""
        return name_of(self.user_agent)

    def as_json(self, current: str | None) -> dict[str, Any]:
        """Its form in both APIs; `current` is the id of the device that asks."""
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
    """What `security` asks of a way to log in. `name` is what it calls many of its devices."""

    name: str

    def list(self, pk: Any) -> list[Device]:
        """The live devices of a user, the latest first."""

    def end(self, user: Any, device: UUID, reason: str) -> bool:
        """Ends one device of this user; whether there was one. Raises the store's error when it is away."""

    def end_all(self, key: str, token_version: int, reason: str, keep: Any = None) -> int:
        """Ends what was issued to a user before the `token_version`, and returns how many devices that was.

        Raises the store's error when it is away.
        The flow to which `keep` belongs gives it a new key instead of ending it; the other flow ignores it.
        """


FLOWS: list[Flow] = []
