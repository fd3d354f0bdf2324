"""Token families: one row for each login. Its latest refresh token is computed from the row."""

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
from security.client import USER_AGENT_LENGTH, Client, name_of
from security.database_time import database_now
from security.dates import moment
from security.devices import BY_OWNER
from security.models import UserAccess
from security.users import access_of, active_users, key_expression


@dataclass(frozen=True)
class Policy:
    """How long the tokens of one login live, in seconds, and how they are revoked. Stored with the family."""

    access: int
    refresh: int
    absolute: int
    grace_period: int
    revocation: str

    @classmethod
    def default(cls, remember: bool = False) -> Self:
        """The policy that the settings describe, for a login with or without "remember me"."""
        absolute = conf.JWT_ABSOLUTE_LIFETIME_REMEMBERED if remember else conf.JWT_ABSOLUTE_LIFETIME
        return cls(access_lifetime(), refresh_lifetime(remember), absolute, conf.JWT_GRACE_PERIOD, conf.JWT_REVOCATION)

    def __post_init__(self) -> None:
        if not 0 < self.access <= access_lifetime():
            # The denylist forgets after ACCESS_TOKEN_LIFETIME. A revoked token that lives longer would work again.
            raise ValueError("access must be above 0 and at most ACCESS_TOKEN_LIFETIME")
        if not (self.access <= self.refresh <= self.absolute and self.grace_period >= 0):
            raise ValueError("access must be at most refresh, refresh at most absolute, and grace_period at least 0")


class Transport(models.TextChoices):
    """How a client sends its refresh token. Fixed at login: a token from a cookie that comes in a body is refused."""

    COOKIE = "cookie", "Cookie"
    BODY = "body", "Body"


class Verdict(Enum):
    """What `TokenFamily.classify` says about a refresh token that is presented, and what follows."""

    CURRENT = "it is the latest: rotate"
    RETRY = "the answer was lost, or two tabs asked at once: send the same successor again"
    REUSED_AFTER_GRACE = "the same client used it before, and the grace period is over: end the family"
    REUSED = "two clients hold this family: end all logins of the user"
    INVALID = "it is not valid here: refuse it and change nothing"


# After a reason that is neither here nor the owner's, an administrator revoked the access or the account was changed. A
# refused refresh says so.
BY_ITSELF = ("expired", "blacklisted", "token reused", "token reused after the grace period")


class TokenFamilies(models.QuerySet["TokenFamily"]):
    """Finds and ends rows."""

    def live(self) -> Self:
        """The families that were not ended and have not expired."""
        now = timezone.now()
        return self.filter(ended=None, expires__gt=now, absolute_end__gt=now)

    def for_rotation(self, now: Any = None) -> Self:
        """Annotates each family with what a rotation needs, which saves further queries.

        That is its outstanding token, the state of its user, and the database's time. `issued` is written and compared
        by the database's clock, because the clocks of machines differ. `now` replaces the expression for it.
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
        """Notes when and why these families ended, if they had not ended before. Returns how many it changed."""
        return self.filter(ended=None).update(ended=timezone.now(), reason=reason[:100])


class TokenFamily(models.Model):
    """One login on one device. It stores what its latest refresh token is made of, but not the token."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # No constraint in the database: the families of a deleted user must stay until they are ended.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, db_constraint=False, null=True)
    token_version = models.PositiveIntegerField()
    transport = models.CharField(max_length=8, choices=Transport)
    policy = models.JSONField()
    remember = models.BooleanField()
    address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)
    generation = models.PositiveIntegerField("generation of the latest token", default=0)
    # Raised by `lifecycle.cycle_key`. A token of a lower generation is invalid, and does not count as reused.
    void_below = models.PositiveIntegerField("lowest valid generation", default=0)
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

    # Set by `TokenFamilies.for_rotation` only.
    entry: int | None
    now: datetime
    user_version: int | None
    user_may_enter: bool
    user_guarded: dict[str, str] | None

    # The `jti` of the token that `text` signed last, and that token. Not a field: it is not stored.
    _text = ("", "")

    objects: ClassVar[TokenFamilies] = TokenFamilies.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name_plural = "token families"
        indexes = [
            models.Index(name="family_by_user", fields=["user", "-started"]),
            models.Index(name="family_by_start", fields=["-started"]),
            models.Index(name="family_by_address", fields=["address"]),
            # Housekeeping looks for families that expire, and housekeeping and the denylist for those that have ended.
            models.Index(name="family_by_expires", fields=["expires"], condition=models.Q(ended=None)),
            models.Index(name="family_by_ended", fields=["ended"], condition=models.Q(ended__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{name_of(self.user_agent)}, since {moment(self.started)}"

    @classmethod
    def begin(cls, user: Any, client: Client, policy: Policy, remember: bool, transport: str) -> Self:
        """Returns the unsaved family of a login that happens now, with the fields of its first token."""
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
        """Sets the fields for the token of `generation`, without saving. Returns these fields, for an UPDATE."""
        signing = ring("refresh").signing
        # A token must not outlive its key. The key usually lasts longer, but the lifetimes may have been raised since.
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
        """The latest refresh token, the same to the byte each time, because its keys are for HMAC or EdDSA only."""
        token = RefreshToken()
        token.kid = self.kid
        token.user_pk, token["sid"] = self.user_id, str(self.pk)
        token["gen"], token["jti"] = self.generation, self.jti
        token["iat"], token["exp"] = int(self.issued.timestamp()), int(self.expires.timestamp())
        return token

    def text(self) -> str:
        """`str(token())`, which this instance signs once for each token.

        Raises `TokenBackendError` when the key is no longer in the ring, also for a token that was signed before.
        """
        if self._text[0] != self.jti or not self.can_be_signed():
            self._text = self.jti, str(self.token())
        return self._text[1]

    def can_be_signed(self) -> bool:
        """Whether the key of the latest token is still in the ring. Without it, the token cannot be signed again."""
        return self.kid in ring("refresh")

    def classify(self, token: RefreshToken, client: Client, transport: str) -> Verdict:
        """Says what it means that `client` presents `token`, a valid refresh token with the id of this family.

        The family must come from `for_rotation`. `transport` is how the token came.
        """
        behind = self.generation - token["gen"]
        if not self.is_usable() or behind < 0 or token["gen"] < self.void_below:
            return Verdict.INVALID
        if behind == 0:
            genuine = token["jti"] == self.jti and transport == self.transport
            return Verdict.CURRENT if genuine else Verdict.INVALID
        if behind > 1 or not self._is_from_its_client(client, transport):
            return Verdict.REUSED
        # Two overlapping statements can have their times swapped. A negative age would pass even a grace period of 0.
        age = max(self.now - self.issued, timedelta(0))
        window = timedelta(seconds=self.policy["grace_period"])
        if age >= window:
            return Verdict.REUSED_AFTER_GRACE
        return Verdict.RETRY if self._is_outstanding(token) else Verdict.INVALID

    def _is_from_its_client(self, client: Client, transport: str) -> bool:
        # A changed user agent shows that a browser's cookie was copied. An app changes its user agent when it updates.
        same = transport == Transport.BODY or client.user_agent_hash == self.rotated_by
        return transport == self.transport and same

    def _is_outstanding(self, token: RefreshToken) -> bool:
        # Otherwise a thief of the signing key could forge a predecessor, and would be given the latest token.
        begins = token["jti"].startswith(f"{self.pk}.{token['gen']}.")
        return begins and OutstandingToken.objects.filter(jti=token["jti"]).exists()

    def is_usable(self) -> bool:
        """Whether it is open and its user is active at its `token_version`. Needs `for_rotation`, and reads `user`."""
        user = self.user
        stands = user is not None and self.user_may_enter and (self.user_version or 0) == self.token_version
        return stands and self.is_open()

    def was_revoked(self) -> bool:
        """Whether it is over because the user's access was revoked, and not by the user. Needs `for_rotation`."""
        if self.ended:
            return self.reason not in BY_OWNER + BY_ITSELF
        return self.is_open() and not self.is_usable()

    def is_open(self) -> bool:
        """Whether the family was not ended and has not expired."""
        return self.ended is None and timezone.now() < min(self.expires, self.absolute_end)

    def state(self) -> str:
        """ "live", or when and why it ended."""
        if self.ended:
            return f"ended {moment(self.ended)} ({self.reason})"
        return "live" if self.is_open() else "expired"
