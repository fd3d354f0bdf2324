"""What the authentication classes of both flows share."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TokenUser:
    """Who the credential says is asking. Her row was not read."""

    pk: int
    role: str
    is_authenticated: bool = True
