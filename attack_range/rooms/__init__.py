"""Six rooms. In each a visitor uses one weakness by hand. A room is solved when a server of the range saw it happen.

Each visitor gets a token or a cookie value of their own, which tells the server who the visitor is. Therefore a visitor
solves rooms only for themselves, and opening a page solves none.
"""

import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

# When there are more visitors, the oldest are deleted.
VISITORS_MAX = 500


@dataclass(frozen=True)
class Room:
    """One room: the part of its address, its title, and its goal in a sentence or two."""

    slug: str
    title: str
    goal: str


ROOMS = (
    Room(
        "edit-the-token",
        "Become an administrator by editing the token",
        "Mallory has a token that says member. Get 200 from an address that is for administrators only.",
    ),
    Room(
        "copied-cookie",
        "Use a copied cookie after the logout",
        "You have copied Alice's session cookie. Read Alice's profile after Alice has logged out.",
    ),
    Room(
        "stolen-refresh",
        "Use a stolen refresh token before its owner",
        "You have stolen Alice's refresh token. Exchange it for a new one before her own page does.",
    ),
    Room(
        "after-ban",
        "Get one 200 after a ban",
        "Mallory has an access token for ten minutes. Get one more 200 with it after an administrator has banned her.",
    ),
    Room(
        "payload",
        "Find personal data in a payload",
        "Alice's token ended up in a log. Find her date of birth in it.",
    ),
    Room(
        "weak-secret",
        "Guess a weak secret",
        "A token is signed with a common word. Find the word, or write a token of your own with it.",
    ),
)
BY_SLUG = {room.slug: room for room in ROOMS}


@dataclass
class Visitor:
    """A visitor: what was issued to them in each room, by the room's slug, and which rooms they have solved."""

    nonce: str
    solved: set[str] = field(default_factory=set)
    given: dict[str, dict[str, Any]] = field(default_factory=dict)

    def start_again(self) -> None:
        """Deletes what was solved and what was issued."""
        self.solved.clear()
        self.given.clear()


_visitors: OrderedDict[str, Visitor] = OrderedDict()
_lock = Lock()


def begin() -> Visitor:
    """Creates a visitor, who has solved nothing."""
    return find(secrets.token_hex(12))


def find(nonce: str, solved: Iterable[str] = ()) -> Visitor:
    """The visitor with this nonce. An unknown visitor is created, and has solved the rooms in `solved`."""
    with _lock:
        visitor = _visitors.setdefault(nonce, Visitor(nonce, {*solved} & BY_SLUG.keys()))
        while len(_visitors) > VISITORS_MAX:
            _visitors.popitem(last=False)
    return visitor


def known(nonce: object) -> Visitor | None:
    """The visitor with this nonce, or `None`. The nonce can be any JSON value, since a token may be forged."""
    return _visitors.get(nonce) if isinstance(nonce, str) else None
