"""A login from its first token to its last: start, rotate, cycle the key, end. Views call these verbs.

A family is changed by conditional UPDATEs alone. The request that changes the row has won; a request that finds it
changed looks again. What a replayed token ends is committed before the answer is made: the answer is an
exception, and inside the transaction it would undo that.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from jwt_demo import blacklist, revocation
from jwt_demo.conf import access_lifetime, simple_jwt
from jwt_demo.ending import add_to_denylist, end_rows
from jwt_demo.models import Policy, TokenFamily, Transport, Verdict
from jwt_demo.rotation import family_for_rotation
from jwt_demo.tokens import AccessToken, RefreshToken
from security import events, statements
from security.backends import InvalidCredentials, note_last_login, record_login
from security.client import Client
from security.database_time import database_now
from security.models import SecurityEvent
from security.revocation import revoke_access, revoke_if_changed
from security.signals import send_after_commit, token_reuse_detected
from security.transactions import write_transaction
from security.users import access_of, changed_fields, stored_users, user_key

AGAIN = "logged in again"
# How long a logout that was sent with the refresh token from before `cycle_key` still finds the family. Not longer: a
# thief's copy must not log out a user who changed the password.
LOGOUT_GRACE = timedelta(seconds=10)


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
    while family := family_for_rotation(token["sid"]):
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
        transaction.on_commit(lambda: add_to_denylist([family]))


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
    families, _ = end_rows(TokenFamily.objects.filter(theirs), reason)
    add_to_denylist(families)
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
