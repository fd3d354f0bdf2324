"""Token families: a row for each login, from which every token of it follows."""

import uuid
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from jwt_demo.conf import access_lifetime, conf, refresh_lifetime
from jwt_demo.keys import ring
from jwt_demo.tokens import RefreshToken
from security.client import USER_AGENT_LENGTH, Client
from security.database_time import database_now
from security.models import UserAccess
from security.users import access_of, active_users, key_expression


@dataclass(frozen=True)
class Policy:
    """How long the tokens of one login live, in seconds, and how they are revoked. Kept with the family."""

    access: int
    refresh: int
    absolute: int
    grace_period: int
    revocation: str

    @classmethod
    def default(cls, remember: bool = False) -> Self:
        """What the views use."""
        absolute = conf.JWT_ABSOLUTE_LIFETIME_REMEMBERED if remember else conf.JWT_ABSOLUTE_LIFETIME
        return cls(access_lifetime(), refresh_lifetime(remember), absolute, conf.JWT_GRACE_PERIOD, conf.JWT_REVOCATION)

    def __post_init__(self) -> None:
        if not 0 < self.access <= access_lifetime():
            # The denylist forgets after ACCESS_TOKEN_LIFETIME: a token that lives longer would come back.
            raise ValueError("access must be above 0 and at most ACCESS_TOKEN_LIFETIME")
        if not (self.access <= self.refresh <= self.absolute and self.grace_period >= 0):
            raise ValueError("access, refresh and absolute must not fall, and grace_period not be below 0")


class Transport(models.TextChoices):
    """How the refresh token travels. Fixed at login: a cookie that turns up in a body was taken from a browser."""

    COOKIE = "cookie", "Cookie"
    BODY = "body", "Body"


class Verdict(Enum):
    """What it means that a refresh token is presented."""

    CURRENT = "it is the latest: rotate"
    RETRY = "the answer was lost, or two tabs asked at once: the same successor again"
    REUSED_AFTER_GRACE = "the same client, too late for a retry: the family ends"
    REUSED = "two clients hold this family: everything of the user ends"
    INVALID = "it means nothing, and nothing happens"


class TokenFamilies(models.QuerySet["TokenFamily"]):
    """Finds and ends rows."""

    def live(self) -> Self:
        """Those that were not ended and have not expired."""
        now = timezone.now()
        return self.filter(ended=None, expires__gt=now, absolute_end__gt=now)

    def for_rotation(self, now: Any = None) -> Self:
        """Brings along what a rotation would otherwise have to ask for.

        That is the outstanding token of each one, and the database's time, unless `now` is the expression for it: the
        clock by which `issued` is written and read, whichever machine does so.
        """
        entry = OutstandingToken.objects.filter(jti=models.OuterRef("jti")).values("pk")
        access = UserAccess.objects.filter(user_key=key_expression(models.OuterRef("user_id")))
        return self.annotate(
            entry=models.Subquery(entry),
            now=now or database_now(),
            user_may_enter=models.Exists(active_users().filter(pk=models.OuterRef("user_id"))),
            user_version=models.Subquery(access.values("token_version")),
            user_guarded=models.Subquery(access.values("guarded")),
        )

    def mark_ended(self, reason: str) -> int:
        """Notes when and why, once; how many it was."""
        return self.filter(ended=None).update(ended=timezone.now(), reason=reason[:100])


class TokenFamily(models.Model):
    """One login on one device. It holds what its latest token is made of, and no token."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Without a constraint: the rows of a deleted user must stay until their tokens are ended.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, db_constraint=False, null=True)
    token_version = models.PositiveIntegerField()
    transport = models.CharField(max_length=8, choices=Transport)
    policy = models.JSONField()
    remember = models.BooleanField()
    address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)
    generation = models.PositiveIntegerField("generation of the latest token", default=0)
    void_below = models.PositiveIntegerField("generations before a re-key, which mean nothing", default=0)
    jti = models.CharField("jti of the latest token", max_length=100)
    kid = models.CharField("key that signed it", max_length=64)
    rotated_by = models.CharField("digest of the client that received it", max_length=64)
    issued = models.DateTimeField("when it was issued")
    expires = models.DateTimeField("when it expires")
    started = models.DateTimeField()
    authenticated = models.DateTimeField("when the password was last proved")
    absolute_end = models.DateTimeField()
    ended = models.DateTimeField(null=True, blank=True)
    reason = models.CharField("why it ended", max_length=100, blank=True)

    # See `TokenFamilies.for_rotation`.
    entry: int | None
    now: datetime
    user_version: int | None
    user_may_enter: bool
    user_guarded: dict[str, str] | None

    # The latest token that `text` has signed, after its `jti`. Not stored.
    _text = ("", "")

    objects: ClassVar[TokenFamilies] = TokenFamilies.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name_plural = "token families"
        indexes = [
            models.Index(name="family_by_user", fields=["user", "-started"]),
            models.Index(name="family_by_start", fields=["-started"]),
            models.Index(name="family_by_address", fields=["address"]),
            # For housekeeping and the denylist: what may run out, and what has ended.
            models.Index(name="family_by_expires", fields=["expires"], condition=models.Q(ended=None)),
            models.Index(name="family_by_ended", fields=["ended"], condition=models.Q(ended__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.id} since {self.started:%Y-%m-%d %H:%M}"

    @classmethod
    def begin(cls, user: Any, client: Client, policy: Policy, remember: bool, transport: str) -> Self:
        """The family of a login that happens now, unsaved, with its first token."""
        now = timezone.now()
        family = cls(
            user=user,
            token_version=access_of(user).token_version,
            transport=transport,
            policy=asdict(policy),
            remember=remember,
            address=client.address,
            user_agent=client.user_agent,
            started=now,
            authenticated=now,
            absolute_end=now + timedelta(seconds=policy.absolute),
        )
        family.next(0, client, now)
        return family

    def next(self, generation: int, client: Client, now: datetime) -> dict[str, Any]:
        """Turns to the token of `generation`, unsaved. Returns what changed, for an UPDATE."""
        signing = ring("refresh").signing
        # Also the key's end. It was fixed by the lifetimes of that day, and the settings may have longer ones since.
        ends = [now + timedelta(seconds=self.policy["refresh"]), self.absolute_end, signing.retired]
        change = {
            "generation": generation,
            "jti": f"{self.pk}.{generation}.{uuid.uuid4().hex}",
            "kid": signing.key.kid,
            "rotated_by": client.user_agent_hash,
            "issued": now,
            "expires": min(filter(None, ends)),
        }
        for name, value in change.items():
            setattr(self, name, value)
        return change

    def token(self) -> RefreshToken:
        """The latest refresh token, the same to the byte each time (HMAC and EdDSA sign alike; ECDSA does not)."""
        token = RefreshToken()
        token.kid = self.kid
        token.user_pk, token["sid"] = self.user_id, str(self.pk)
        token["gen"], token["jti"] = self.generation, self.jti
        token["iat"], token["exp"] = int(self.issued.timestamp()), int(self.expires.timestamp())
        return token

    def text(self) -> str:
        """`str(token())`, signed once for each token of this instance.

        Raises `TokenBackendError` when its key has left the ring, also since it was signed: it would be refused.
        """
        if self._text[0] != self.jti or not self.can_be_signed():
            self._text = self.jti, str(self.token())
        return self._text[1]

    def can_be_signed(self) -> bool:
        """Whether the key of the latest token is still in the ring. Without it, the token cannot be signed again."""
        return self.kid in ring("refresh")

    def classify(self, token: RefreshToken, client: Client, transport: str) -> Verdict:
        """What it means that `client` presents `token`, a good signature of ours with this family's id.

        The family must come from `for_rotation`.
        """
        behind = self.generation - token["gen"]
        if not self.is_live() or behind < 0 or token["gen"] < self.void_below:
            return Verdict.INVALID
        if behind == 0:
            genuine = token["jti"] == self.jti and transport == self.transport
            return Verdict.CURRENT if genuine else Verdict.INVALID
        if behind > 1 or not self._is_from_its_client(client, transport):
            return Verdict.REUSED
        # Two statements that overlap may be dated in the other order. A grace period of 0 must refuse them too.
        age = max(self.now - self.issued, timedelta(0))
        window = timedelta(seconds=self.policy["grace_period"])
        if age >= window:
            return Verdict.REUSED_AFTER_GRACE
        return Verdict.RETRY if self._issued(token) else Verdict.INVALID

    def _is_from_its_client(self, client: Client, transport: str) -> bool:
        # The user agent shows a copy of a browser's cookie, and no copy of an app's token: an app updates itself.
        same = transport == Transport.BODY or client.user_agent_hash == self.rotated_by
        return transport == self.transport and same

    def _issued(self, token: RefreshToken) -> bool:
        # Otherwise a thief of the key could write a predecessor, and be given the successor.
        begins = token["jti"].startswith(f"{self.pk}.{token['gen']}.")
        return begins and OutstandingToken.objects.filter(jti=token["jti"]).exists()

    def is_live(self) -> bool:
        """Whether it was not ended, has not expired, and its user is still active and at its version. Reads `user`."""
        user = self.user
        stands = user is not None and self.user_may_enter and (self.user_version or 0) == self.token_version
        return stands and self.is_open()

    def is_open(self) -> bool:
        """Whether it was not ended and has not expired."""
        return self.ended is None and timezone.now() < min(self.expires, self.absolute_end)

    def state(self) -> str:
        """ "live", or when and why it ended."""
        if self.ended:
            return f"ended {self.ended:%Y-%m-%d %H:%M} ({self.reason})"
        return "live" if self.is_open() else "expired"
