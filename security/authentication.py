"""What the authentication classes of both flows share."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TokenUser:
    """The user that the credential names. The user's row was not read."""

    pk: Any
    role: str
    is_authenticated: bool = True
