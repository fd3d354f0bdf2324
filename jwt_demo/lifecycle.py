"""A login from its first token to its last: start, rotate, cycle the key, end. Views call these verbs.

A family is changed by conditional UPDATEs alone. The request that changes the row has won; a request that finds it
changed looks again. What a replayed token ends is committed before the answer is made: the answer is an
exception, and inside the transaction it would undo that.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken

from jwt_demo import blacklist, revocation
from jwt_demo.conf import access_lifetime, simple_jwt
from jwt_demo.models import Policy, TokenFamilies, TokenFamily, Transport, Verdict
from jwt_demo.tokens import AccessToken, RefreshToken
from security import events, statements
from security.backends import InvalidCredentials, note_last_login, record_login
from security.client import Client
from security.database_time import database_now
from security.devices import Device
from security.models import SecurityEvent
from security.outages import OUTAGES
from security.revocation import revoke_access, revoke_if_changed
from security.signals import send_after_commit, token_reuse_detected
from security.transactions import write_transaction
from security.users import access_of, changed_fields, get_user, pk_of, stored_users, user_key

AGAIN = "logged in again"
# How long a logout that was sent with the refresh token from before `cycle_key` still finds the family. Not longer: a
# thief's copy must not log out a user who changed the password.
LOGOUT_GRACE = timedelta(seconds=10)
# Families that are ended in one transaction.
BATCH = 1000


class InvalidRefresh(Exception):
    """The refresh token means nothing here, and nothing happened."""


class ReusedAfterGrace(Exception):
    """The refresh token was used before by the same client, too late to be a retry: an answer was lost.

    Its family has ended, and nothing else of the user.
    """


class ReuseDetected(Exception):
    """The refresh token was used before, and two clients hold it: everything of the user has ended."""


@dataclass(frozen=True)
class IssuedTokens:
    """What a login or a refresh gives. Without a family there is no refresh token."""

    access: AccessToken
    family: TokenFamily | None = None


def start(
    user: Any,
    client: Client,
    remember: bool = False,
    transport: str = Transport.COOKIE,
    policy: Policy | None = None,
) -> IssuedTokens:
    """Logs a verified user in, in a new family.

    Raises `InvalidCredentials` when the user's access was revoked while the password was being verified.
    """
    family = TokenFamily.begin(user, client, policy or Policy.default(remember), remember, transport)
    with transaction.atomic():
        family.token_version = _record_login(user, client)
        family.save(force_insert=True)
        blacklist.record_outstanding(family)
    events.log("token_issued", client, user_key=user_key(user.pk), family=str(family.pk))
    return IssuedTokens(_access(family, family.started), family)


def access_token_only(user: Any, client: Client) -> IssuedTokens:
    """Logs a verified user in for the life of one access token: no refresh token, no row. Raises as `start` does."""
    # This family gives the token its claims, and is never saved.
    family = TokenFamily.begin(user, client, Policy.default(), False, Transport.BODY)
    with transaction.atomic():
        family.token_version = _record_login(user, client, refresh=False)
    events.log("token_issued", client, user_key=user_key(user.pk))
    return IssuedTokens(_access(family, family.started))


def _record_login(user: Any, client: Client, **detail: Any) -> int:
    token_version = record_login(user, client, flow="jwt", **detail)
    if simple_jwt.UPDATE_LAST_LOGIN:
        note_last_login(user)
    return token_version


def _access(family: TokenFamily, now: datetime) -> AccessToken:
    token = AccessToken.about(family.user, family.pk, family.token_version, family.authenticated)
    token.set_iat(at_time=now)
    # A family may be older than a shorter ACCESS_TOKEN_LIFETIME, which is how long the denylist remembers.
    seconds = min(family.policy["access"], access_lifetime())
    # Nor may a token outlive the key that signs it: see `TokenFamily.next`.
    ends = [now + timedelta(seconds=seconds), family.absolute_end, token.token_backend.ring.signing.retired]
    token.set_exp(from_time=min(filter(None, ends)), lifetime=timedelta(0))
    return token


def rotate(token: RefreshToken, client: Client, transport: str = Transport.COOKIE) -> IssuedTokens:
    """The next tokens of a family, for a refresh token whose signature and expiry are good.

    Raises `InvalidRefresh`; or `ReusedAfterGrace` or `ReuseDetected`, after what must end has ended and is committed.
    """
    try:
        # Durable: inside a caller's transaction an exception would bring back what a thief's replay ended.
        with write_transaction(durable=True):
            verdict, family = _classified(token, client, transport)
    except IntegrityError:
        # The foreign key of an outstanding token: the user's row was deleted after it had been read.
        if stored_users().filter(pk=token.user_pk).exists():
            raise
        raise InvalidRefresh from None
    return _answer(verdict, family, client)


def _classified(token: RefreshToken, client: Client, transport: str) -> tuple[Verdict, TokenFamily | None]:
    """What the token means, and the family after what follows from that is done."""
    verdict = Verdict.INVALID
    while family := TokenFamily.rotating(token["sid"]):
        if family.user and changed_fields(family.user, family.user_guarded) and revoke_if_changed([family.user.pk]):
            continue
        verdict = family.classify(token, client, transport)
        if verdict is not Verdict.CURRENT or _advance(family, client):
            break
        verdict = Verdict.INVALID
    if family and verdict is Verdict.REUSED_AFTER_GRACE:
        _reused_after_grace(family, client)
    elif family and verdict is Verdict.REUSED:
        _reused(family, client)
    return verdict, family


def _advance(family: TokenFamily, client: Client, **more: Any) -> bool:
    """Turns a family to its next token, unless another request just did or ended it: one compare and swap."""
    unchanged = {"id": family.pk, "generation": family.generation, "jti": family.jti, "ended": None}
    change = family.next(family.generation + 1, client, family.now) | more
    if not statements.update(TokenFamily, unchanged, change):
        return False
    blacklist.record_outstanding(family)
    blacklist.add([family.entry])
    return True


def _reused_after_grace(family: TokenFamily, client: Client) -> None:
    """The same client, too late: a lost answer, or a copy of the cookie. Only this family ends."""
    if _mark_ended(family, "token reused after the grace period"):
        detail = {"family": str(family.pk), "verdict": "reused after grace", "everything": False}
        events.record(SecurityEvent.Name.TOKEN_REUSED, family.user, client, **detail)
        send_after_commit(token_reuse_detected, user=family.user, client=client, everything=False)
        transaction.on_commit(lambda: _add_to_denylist([family]))


def _reused(family: TokenFamily, client: Client) -> None:
    """Two clients hold this family, and one of them is a thief: everything of the user ends."""
    user = family.user
    if _mark_ended(family, "token reused") and user:
        detail = {"family": str(family.pk), "verdict": "reused", "everything": True}
        events.record(SecurityEvent.Name.TOKEN_REUSED, user, client, **detail)
        send_after_commit(token_reuse_detected, user=user, client=client, everything=True)
        revoke_access(user, "token reused")


def _mark_ended(family: TokenFamily, reason: str) -> bool:
    # Of two replays at once one ends the family; the other must not revoke and write to the user again.
    ended = TokenFamily.objects.filter(pk=family.pk).mark_ended(reason) == 1
    if ended:
        blacklist.add_latest([family.pk])
    return ended


def _answer(verdict: Verdict, family: TokenFamily | None, client: Client) -> IssuedTokens:
    if verdict is Verdict.REUSED_AFTER_GRACE:
        raise ReusedAfterGrace
    if verdict is Verdict.REUSED:
        raise ReuseDetected
    if family is None or verdict is Verdict.INVALID or not family.can_be_signed():
        raise InvalidRefresh
    name = "token_rotated" if verdict is Verdict.CURRENT else "token_repeated"
    events.log(name, client, user_key=user_key(family.user_id), family=str(family.pk), generation=family.generation)
    return IssuedTokens(_access(family, timezone.now()), family)


def reauthenticate(family: TokenFamily | None, user: Any, client: Client) -> IssuedTokens:
    """Notes that the password was proved again just now, in new tokens, which a thief of the old ones does not have.

    Raises `InvalidCredentials` when the family was ended meanwhile.
    """
    if family is None:
        return access_token_only(user, client)
    with write_transaction():
        # The family first, as a theft does: the other way round PostgreSQL would roll one of the two back.
        cycle_key(family, user, authenticated=timezone.now())
        record_login(user, client, flow="jwt", reauthenticated=True)
    return reissue(family)


def cycle_key(family: TokenFamily, user: Any, **more: Any) -> None:
    """Gives a family a new refresh token and the user's present version. The old tokens mean nothing from now on.

    Raises `InvalidCredentials` when the family was ended meanwhile.
    """
    client = Client(family.address, family.user_agent)
    with write_transaction():
        while current := TokenFamily.objects.live().for_rotation().filter(pk=family.pk).first():
            more |= {"void_below": current.generation + 1, "token_version": access_of(user).token_version}
            if _advance(current, client, **more):
                break
    if current is None:
        raise InvalidCredentials
    family.refresh_from_db()


def reissue(family: TokenFamily) -> IssuedTokens:
    """The latest refresh token of a family again, and a new access token, for a user who just proved the password."""
    # Not from now: the denylist would forget an end that came in between before this access token expires.
    return IssuedTokens(_access(family, family.issued), family)


def end(refresh: RefreshToken | None, access: AccessToken | None, reason: str) -> bool:
    """Ends what these tokens belong to, if anything. Raises the store's error when it is away; then ask again.

    Returns whether the answer may clear the cookie: the browser that sent `refresh` cannot have a newer one.
    """
    theirs = Q(pk__in=[])
    if refresh:
        theirs |= _of(refresh)
    if access:
        theirs |= Q(pk=access["sid"], token_version=access["ver"])
    families, _ = _end_rows(TokenFamily.objects.filter(theirs), reason)
    _add_to_denylist(families)
    if access and not TokenFamily.objects.filter(pk=access["sid"]).exists():
        _end_short(access, reason)
    return refresh is None or _is_last(refresh, families)


def _of(refresh: RefreshToken) -> Q:
    # Tokens from before `cycle_key` mean nothing, unless it was just now and the logout was under way.
    after = refresh["gen"] + 1
    just_now = Q(void_below=after, generation=after, issued__gt=database_now() - LOGOUT_GRACE)
    return Q(pk=refresh["sid"]) & (Q(void_below__lt=after) | just_now)


def _has_successor(family: TokenFamily) -> bool:
    # A browser like that one has logged in since. If it was another one, a cookie that means nothing stays there.
    like = TokenFamily.objects.live().filter(user=family.user_id, user_agent=family.user_agent)
    return like.filter(started__gte=family.ended).exists()


def _is_last(refresh: RefreshToken, ended: list[TokenFamily]) -> bool:
    for family in ended:
        if str(family.pk) == refresh["sid"]:
            return family.ended is None or not (family.reason == AGAIN or _has_successor(family))
    # A token whose family was not ended is from before `cycle_key`.
    return not TokenFamily.objects.filter(pk=refresh["sid"]).exists()


def _end_short(access: AccessToken, reason: str) -> None:
    if not revocation.CHECKS["denylist"].allows(access):
        return  # a client that logs out again and again must not fill the history
    user = stored_users().filter(pk=access.user_pk).first()
    # The row is what the denylist is rebuilt from.
    events.record(SecurityEvent.Name.TOKEN_REVOKED, user, Client(), jti=access["jti"], reason=reason)
    revocation.deny_token(user_key(access.user_pk), access["jti"])


def _end(rows: TokenFamilies, reason: str) -> int:
    """Ends these families. Denies the access tokens also of those that had ended: a second try mends the first."""
    families, ended = _end_rows(rows, reason)
    _add_to_denylist(families)
    return ended


@write_transaction()
def _end_rows(rows: TokenFamilies, reason: str) -> tuple[list[TokenFamily], int]:
    # Locked, or a rotation between the look and the update would leave its token out of the blacklist; in
    # one order, or two requests that end many would wait for each other.
    families = list(rows.order_by("pk").select_for_update(of=("self",)))
    found = [family.pk for family in families]
    ended = TokenFamily.objects.filter(pk__in=found).mark_ended(reason)
    blacklist.add_latest(found)
    for family in families:
        events.log("token_revoked", Client(), user_key=user_key(family.user_id), family=str(family.pk), reason=reason)
    return families, ended


def _add_to_denylist(families: Iterable[TokenFamily]) -> None:
    # After the commit: a token that was issued a moment before it must be covered too.
    is_asked = revocation.is_asked_by_default()
    listed = [family for family in families if family.policy["revocation"] != "expiry" or not is_asked]
    try:
        revocation.deny_families((user_key(family.user_id), family.pk) for family in listed)
    except OUTAGES:
        # Where tokens are only to expire, a logout needs no store; a view that asks the denylist is a 503 meanwhile.
        if is_asked:
            raise


def end_families(rows: TokenFamilies, reason: str) -> int:
    """Ends those of these families that are live, a batch at a time, and denies their access tokens; how many it was.

    Raises one of `OUTAGES` for a store that is away. What has ended by then has ended.
    """
    ended = 0
    while batch := list(rows.live().values_list("pk", flat=True)[:BATCH]):
        ended += _end(TokenFamily.objects.filter(pk__in=batch), reason)
    return ended


@receiver(post_save, sender=BlacklistedToken)
def end_blacklisted(sender: object, instance: BlacklistedToken, raw: bool, **kwargs: Any) -> None:
    """Ends the family of a token that is blacklisted by SimpleJWT's own means, which know no families."""
    if raw:
        return  # A backup: the token's own row may still be to come, and the family's row says whether it ended.
    if family := blacklist.family_of(instance.token.jti):
        rows = TokenFamily.objects.live().filter(pk=family)
        if rows.filter(jti=instance.token.jti).exists():
            # By its id: its client may rotate right after the commit.
            transaction.on_commit(lambda: _end(rows, "blacklisted"))


class TokenFlow:
    """What `security` asks of this flow: see `security.devices.Flow`."""

    name = "token families"

    def list(self, pk: Any) -> list[Device]:
        """The live families of a user."""
        rows = TokenFamily.objects.live().filter(user_id=pk).order_by("-started")
        return [
            Device(row.pk, row.address, row.user_agent, row.started, row.issued, row.absolute_end, row.remember)
            for row in rows
        ]

    def end(self, user: Any, device: UUID, reason: str) -> bool:
        """Ends one family of this user."""
        return self._revoke(user, TokenFamily.objects.filter(pk=device), reason) == 1

    def end_all(self, key: str, token_version: int, reason: str, keep: Any = None) -> int:
        """Ends all of an earlier version; `keep`, if it is a family, gets new tokens instead."""
        pk = pk_of(key)
        rows = TokenFamily.objects.live().filter(user_id=pk, token_version__lt=token_version)
        is_ours = isinstance(keep, TokenFamily)
        try:
            _, ended = _end_rows(rows.exclude(pk=keep.pk) if is_ours else rows, reason)
            if is_ours:
                cycle_key(keep, get_user(pk))
        finally:
            # Also when `keep` was ended meanwhile, and when the database is locked. One entry for all of them, and
            # for access tokens without a family, which have no row.
            revocation.deny_before(key, token_version)
        return ended

    def end_others(self, user: Any, device: str | None, reason: str) -> int:
        """Ends all families of this user but one, or but none."""
        rows = TokenFamily.objects.all()
        return self._revoke(user, rows.exclude(pk=device) if device else rows, reason)

    def _revoke(self, user: Any, rows: TokenFamilies, reason: str) -> int:
        ended = _end(rows.live().filter(user=user), reason)
        if ended:
            events.record(SecurityEvent.Name.TOKEN_REVOKED, user, Client(), ended=ended, reason=reason)
        return ended


FLOW = TokenFlow()
