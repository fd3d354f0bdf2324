"""The temporary users of the range. Each is created in the range's own database for one attempt."""

import secrets
from dataclasses import dataclass

from accounts.models import User

DOMAIN = "@range.invalid"


@dataclass(frozen=True)
class Person:
    """One user, with the password in plain text, which the database does not hold."""

    user: User
    email: str
    password: str


def make(name: str = "Alice", role: str = "member") -> Person:
    """Creates a user of the project's own code."""
    # The address is not made from the name, because the name may be a payload, which is not valid in an address.
    email, password = f"person-{secrets.token_hex(8)}{DOMAIN}", secrets.token_urlsafe(12)
    return Person(User.objects.create_user(email, password, name=name, role=role), email, password)
