"""The life of a login with tokens: start, rotate, reauthenticate, end. Views call these functions.

A rotation is one conditional UPDATE (optimistic locking). If it changes no row, another request was faster, and the
family is read again. A reused refresh token ends its family or all logins of the user. This is committed before the
exception for the view is raised: an exception inside the transaction would roll it back.

Beside this module, `rotation` reads a family for a rotation, `ending` ends families, and `flow` is what `security`
calls.
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
from security.devices import AGAIN
from security.models import SecurityEvent
from security.revocation import revoke_access, revoke_if_changed
from security.signals import send_after_commit, token_reuse_detected
from security.transactions import write_transaction
from security.users import access_of, changed_fields, stored_users, user_key

# How long a refresh token from before `cycle_key` can still log out: the logout may have been sent just before. If this
# were longer, a thief's copy could log out a user who has changed the password.
LOGOUT_GRACE = timedelta(seconds=10)


class InvalidRefresh(Exception):
    """The refresh token is invalid, for example because its family has ended. Nothing is ended by it."""


class RevokedRefresh(InvalidRefresh):
    """The access of the user was revoked, by an administrator or because the account was changed."""


class ReusedAfterGrace(Exception):
    """The same client has used this refresh token before, and the grace period is over. Only its family has ended."""


class ReuseDetected(Exception):
    """The refresh token was used before, and two clients hold its family: all logins of the user have ended."""


@dataclass(frozen=True)
class IssuedTokens:
    """The tokens of a login or a refresh. Without a family there is no refresh token."""

    access: AccessToken
    family: TokenFamily | None = None


def start(
    user: Any,
    client: Client,
    remember: bool = False,
    transport: str = Transport.COOKIE,
    policy: Policy | None = None,
) -> IssuedTokens:
    """Logs in a user whose password was verified: stores a new family and issues its first tokens.

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
    """Logs in a verified user for the life of one access token, without a refresh token. Raises as `start` does."""
    # An unsaved family that only fills in the claims.
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
    # The policy may be older than a shorter ACCESS_TOKEN_LIFETIME. The denylist forgets after that lifetime, and a
    # revoked token that lives longer would work again.
    seconds = min(family.policy["access"], access_lifetime())
    # A token must not outlive the key that signs it: see `TokenFamily.next`.
    ends = [now + timedelta(seconds=seconds), family.absolute_end, token.token_backend.ring.signing.retired]
    token.set_exp(from_time=min(filter(None, ends)), lifetime=timedelta(0))
    return token


def rotate(token: RefreshToken, client: Client, transport: str = Transport.COOKIE) -> IssuedTokens:
    """Exchanges a refresh token for the next tokens of its family. Its signature and expiry have been verified.

    Raises `InvalidRefresh`, `ReusedAfterGrace` or `ReuseDetected`. Before it raises one of the last two, the family or
    all logins of the user have ended, and this is committed. Raises one of `OUTAGES` instead of `ReusedAfterGrace` if
    the denylist cannot be written. The family has then ended.
    """
    try:
        # Durable: in a caller's transaction, the exception would roll back what a reused token has ended.
        with write_transaction(durable=True):
            verdict, family = _classified(token, client, transport)
    except IntegrityError:
        # The outstanding token refers to the user's row, and another request has deleted that row since it was read.
        if stored_users().filter(pk=token.user_pk).exists():
            raise
        raise InvalidRefresh from None
    return _answer(verdict, family, client)


def _classified(token: RefreshToken, client: Client, transport: str) -> tuple[Verdict, TokenFamily | None]:
    """Classifies the token, and then rotates the family or ends what a reused token ends."""
    verdict = Verdict.INVALID
    while family := family_for_rotation(token["sid"]):
        if family.user and changed_fields(family.user, family.user_guarded) and revoke_if_changed([family.user.pk]):
            # Other code has changed the password or another guarded field. The family is read again, as it is now.
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
    """Moves a family to its next token by one compare and swap. False if another request has rotated or ended it."""
    unchanged = {"id": family.pk, "generation": family.generation, "jti": family.jti, "ended": None}
    change = family.next(family.generation + 1, client, family.now) | more
    if not statements.update(TokenFamily, unchanged, change):
        return False
    blacklist.record_outstanding(family)
    blacklist.add([family.entry])
    return True


def _reused_after_grace(family: TokenFamily, client: Client) -> None:
    """Ends this family only. The same client was too late: it lost an answer, or its cookie was copied."""
    if _mark_ended(family, "token reused after the grace period"):
        detail = {"family": str(family.pk), "verdict": "reused after grace", "everything": False}
        events.record(SecurityEvent.Name.TOKEN_REUSED, family.user, client, **detail)
        # A receiver mails the user only if `everything` is true.
        send_after_commit(token_reuse_detected, user=family.user, client=client, everything=False)
        transaction.on_commit(lambda: add_to_denylist([family]))


def _reused(family: TokenFamily, client: Client) -> None:
    """Ends all logins of the user. Two clients hold this family, and one of them is a thief."""
    user = family.user
    if _mark_ended(family, "token reused") and user:
        detail = {"family": str(family.pk), "verdict": "reused", "everything": True}
        events.record(SecurityEvent.Name.TOKEN_REUSED, user, client, **detail)
        send_after_commit(token_reuse_detected, user=user, client=client, everything=True)
        revoke_access(user, "token reused")


def _mark_ended(family: TokenFamily, reason: str) -> bool:
    # Of two replays at once, only one ends the family. The other must not revoke access and mail the user again.
    ended = TokenFamily.objects.filter(pk=family.pk).mark_ended(reason) == 1
    if ended:
        blacklist.add_latest([family.pk])
    return ended


def _answer(verdict: Verdict, family: TokenFamily | None, client: Client) -> IssuedTokens:
    if verdict is Verdict.REUSED_AFTER_GRACE:
        raise ReusedAfterGrace
    if verdict is Verdict.REUSED:
        raise ReuseDetected
    if family and verdict is Verdict.INVALID and family.was_revoked():
        raise RevokedRefresh
    if family is None or verdict is Verdict.INVALID or not family.can_be_signed():
        raise InvalidRefresh
    name = "token_rotated" if verdict is Verdict.CURRENT else "token_repeated"
    events.log(name, client, user_key=user_key(family.user_id), family=str(family.pk), generation=family.generation)
    return IssuedTokens(_access(family, timezone.now()), family)


def reauthenticate(family: TokenFamily | None, user: Any, client: Client) -> IssuedTokens:
    """Issues new tokens which say that the password was proved just now. A thief of the old ones does not have these.

    Raises `InvalidCredentials` when the family was ended meanwhile.
    """
    if family is None:
        return access_token_only(user, client)
    with write_transaction():
        # The family first and the user's access second, in the order of `_reused`. In the other order the two could
        # deadlock, and PostgreSQL would roll one of them back.
        cycle_key(family, user, authenticated=timezone.now())
        record_login(user, client, flow="jwt", reauthenticated=True)
    return reissue(family)


def cycle_key(family: TokenFamily, user: Any, **more: Any) -> None:
    """Gives a family a new refresh token and the user's present `token_version`.

    The earlier refresh tokens are invalid from now on, and do not count as reused.

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
    """Returns the latest refresh token of a family and a new access token, after the user has proved the password."""
    # Dated like the refresh token, so that it expires before the denylist entry of a family that was ended since.
    return IssuedTokens(_access(family, family.issued), family)


def end(refresh: RefreshToken | None, access: AccessToken | None, reason: str) -> bool:
    """Logs out: ends the families of these tokens, and revokes an access token that has no family.

    Returns whether the answer may clear the cookie. It may not if the browser that sent `refresh` may have a newer one.
    Raises one of `OUTAGES` when a store is away. The same call can then be made again.
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
    # A token from before `cycle_key` cannot end the family, unless that was just now: see `LOGOUT_GRACE`.
    after = refresh["gen"] + 1
    just_now = Q(void_below=after, generation=after, issued__gt=database_now() - LOGOUT_GRACE)
    return Q(pk=refresh["sid"]) & (Q(void_below__lt=after) | just_now)


def _has_successor(family: TokenFamily) -> bool:
    # A browser with the same user agent has logged in since, and the cookie may be its new one. If that was another
    # browser, the invalid cookie stays in this one and does no harm.
    like = TokenFamily.objects.live().filter(user=family.user_id, user_agent=family.user_agent)
    return like.filter(started__gte=family.ended).exists()


def _is_last(refresh: RefreshToken, families: list[TokenFamily]) -> bool:
    for family in families:
        if str(family.pk) == refresh["sid"]:
            # They were read before the end: one without `ended` was live until this logout.
            return family.ended is None or not (family.reason == AGAIN or _has_successor(family))
    # If the family exists, the token is from before `cycle_key`, and the browser has a newer cookie.
    return not TokenFamily.objects.filter(pk=refresh["sid"]).exists()


def _end_short(access: AccessToken, reason: str) -> None:
    if not revocation.CHECKS["denylist"].allows(access):
        return  # otherwise a client that repeats its logout would fill the history
    user = stored_users().filter(pk=access.user_pk).first()
    # The denylist is rebuilt from this row.
    events.record(SecurityEvent.Name.TOKEN_REVOKED, user, Client(), jti=access["jti"], reason=reason)
    revocation.deny_token(user_key(access.user_pk), access["jti"])
