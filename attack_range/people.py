"""The throwaway users of the range. They exist in its own database, for one attempt."""

import secrets
from dataclasses import dataclass

from accounts.models import User

DOMAIN = "@range.invalid"


@dataclass(frozen=True)
class Person:
    """One of them, with the password that the database does not know."""

    user: User
    email: str
    password: str


def make(name: str = "Alice", role: str = "member") -> Person:
    """A new user of the project's own code."""
    # The name may be a payload, which no address can hold.
    email, password = f"person-{secrets.token_hex(8)}{DOMAIN}", secrets.token_urlsafe(12)
    return Person(User.objects.create_user(email, password, name=name, role=role), email, password)
