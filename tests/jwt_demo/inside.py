"""The token flow without HTTP: its functions with texts of tokens, what is stored, and moments between two steps."""

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps

from accounts.models import OutgoingMail, User
from jwt_demo import lifecycle
from jwt_demo.lifecycle import InvalidRefresh, IssuedTokens, ReusedAfterGrace, ReuseDetected, RevokedRefresh
from jwt_demo.models import TokenFamily, Transport
from jwt_demo.revocation import CHECKS
from jwt_demo.rotation import family_for_rotation
from jwt_demo.tokens import RefreshToken
from security.client import Client
from security.models import SecurityEvent
from tests.running import Store

HERS = Client("192.0.2.1", "Mozilla/5.0 (test)")
OTHER = Client("203.0.113.66", "thief/1.0")
TOKENS_REVOKED, REUSED, ACCESS_REVOKED = (
    SecurityEvent.Name.TOKEN_REVOKED,
    SecurityEvent.Name.TOKEN_REUSED,
    SecurityEvent.Name.ACCESS_REVOKED,
)
committed = pytest.mark.django_db(transaction=True)


def begun(user: User, client: Client = HERS, **options: Any) -> IssuedTokens:
    """Logs in."""
    return lifecycle.start(User.objects.get(pk=user.pk), client, **options)


def text(issued: IssuedTokens) -> str:
    """The refresh token that was issued."""
    assert issued.family
    return str(issued.family.token())


def rotated(refresh: str, client: Client = HERS, transport: str = Transport.COOKIE) -> IssuedTokens:
    """Refreshes. Returns the new tokens."""
    return lifecycle.rotate(RefreshToken(refresh), client, transport)


def refused(refresh: str, client: Client = HERS, transport: str = Transport.COOKIE) -> str:
    """How a refresh is refused: "invalid", "late" or "reuse"."""
    with pytest.raises((InvalidRefresh, ReusedAfterGrace, ReuseDetected)) as caught:
        rotated(refresh, client, transport)
    return {InvalidRefresh: "invalid", RevokedRefresh: "invalid", ReusedAfterGrace: "late"}.get(caught.type, "reuse")


def row(issued: IssuedTokens) -> TokenFamily:
    """The family as it is stored now."""
    assert issued.family
    return TokenFamily.objects.get(pk=issued.family.pk)


def counts(issued: IssuedTokens, check: str = "denylist") -> bool:
    """Whether this check still accepts the access token that was issued."""
    return CHECKS[check].allows(issued.access)


def told(name: SecurityEvent.Name) -> list[dict[str, Any]]:
    """The details of the events of this name, the latest first."""
    return list(SecurityEvent.objects.filter(name=name).values_list("detail", flat=True))


def mails() -> list[tuple[str, str]]:
    """The mails that are due, by kind and address."""
    return list(OutgoingMail.objects.values_list("kind", "to"))


def everything(store: Store) -> dict[str, Any]:
    """Everything that is stored: every row of every table, every key of Redis."""
    state: dict[str, Any] = {}
    for model in apps.get_models():
        if model._meta.managed and not model._meta.proxy:
            state[model._meta.label] = list(model._default_manager.order_by("pk").values())
    for number in range(4):
        client = store.client(number)
        for key in client.scan_iter():
            state[f"{number}:{key!r}"] = client.dump(key)
    return state


def overtaken(monkeypatch: pytest.MonkeyPatch, issued: IssuedTokens, then: Callable[[], object]) -> None:
    """Has `then` happen and be committed right after the next rotation has read its family, as on PostgreSQL."""
    assert issued.family
    read, stale = family_for_rotation, [family_for_rotation(str(issued.family.pk))]
    then()
    monkeypatch.setattr(lifecycle, "family_for_rotation", lambda sid: stale.pop() if stale else read(sid))
