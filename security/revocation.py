"""Revoking access: everything that was issued to a user before becomes invalid, in both flows.

A change of a guarded field revokes access, however it was made: see `revoke_if_changed`. "Log out everywhere" and an
administrator call `revoke_access`. The transaction of the change raises `token_version` and stores a
`PendingRevocation`. After the commit the flows end their sessions and token families. If a store is away,
housekeeping does so later.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import OuterRef, Subquery

from security import devices, events
from security.client import Client
from security.database_time import database_now
from security.housekeeping import task
from security.models import PendingRevocation, SecurityEvent, UserAccess
from security.outages import OUTAGES
from security.signals import access_revoked, send_after_commit
from security.users import changed_fields, changes_in_words, fingerprints_of, key_expression, stored_users, user_key

logger = logging.getLogger("site.revocation")

# For this long, housekeeping leaves a revocation to the process that made it. It is longer than any wait for a store.
# Housekeeping does not know which session to keep, so it would log out a user who changes the password.
OWN_TIME = timedelta(seconds=10)
# Users read at a time when many are changed at once.
BATCH = 500
# The session or the token family from which a password is being changed. It is kept and gets a new key.
KEPT_CREDENTIAL: ContextVar[Any] = ContextVar("kept", default=None)
# Set by `watching`: the reason of the revocations inside, and the list that they are added to.
WATCHED: ContextVar[tuple[str, list[PendingRevocation]] | None] = ContextVar("watched", default=None)


def revoke_access(user: Any, reason: str, keep: Any = None) -> PendingRevocation:
    """Revokes everything that was issued to `user` so far. Returns the row that says what is still to be done.

    `keep` is one session or token family that gets a new key instead of being ended. After the commit the row's `ended`
    says how much each flow ended; it is `None` while a store is away. A login that is still running is refused either
    way.
    """
    return _revoke(user, reason, keep, {})


@contextmanager
def keeping(credential: Any) -> Iterator[None]:
    """Inside, a change of a password keeps this session or token family; `None` keeps none."""
    token = KEPT_CREDENTIAL.set(credential)
    try:
        yield
    finally:
        KEPT_CREDENTIAL.reset(token)


@contextmanager
def watching(reason: str = "") -> Iterator[list[PendingRevocation]]:
    """Gives a list of the revocations that are made inside. `reason` replaces the reason that names changed fields.

    After the commit, `ended_in_words` says how much they ended.
    """
    found: list[PendingRevocation] = []
    token = WATCHED.set((reason, found))
    try:
        yield found
    finally:
        WATCHED.reset(token)


def revoke_if_changed(pks: Iterable[Any], keep: Any = None) -> set[Any]:
    """Revokes the access of those of these users whose guarded fields have changed since the last check.

    It is called when a user is saved, once a minute for a user with a session, and at each refresh of a token. So it
    also notices changes without a signal, by `update()` or by SQL. `keep` is the session or token family of the request
    that makes the change. It is kept if only the password changed. Returns the keys of the users with a change.
    """
    pks, changed = list(pks), set()
    access = UserAccess.objects.filter(user_key=OuterRef("security_key")).values("guarded")
    for start in range(0, len(pks), BATCH):
        users = stored_users().filter(pk__in=pks[start : start + BATCH]).annotate(security_key=key_expression())
        for user in users.annotate(security_guarded=Subquery(access)):
            if _revoke_if_changed(user, user.security_guarded, keep):
                changed.add(user.pk)
    return changed


def _revoke_if_changed(user: Any, stored: dict[str, str] | None, keep: Any) -> bool:
    if stored is None:
        # Nothing was issued to this user yet. The row begins with version 1, which refuses a first login that is
        # still running.
        changed = fingerprints_of(user)
        if UserAccess.begin(user_key(user.pk), changed, 1):
            return False
    else:
        changed = changed_fields(user, stored)
    if changed:
        kept = keep if [*changed] == ["password"] else None
        given, _ = WATCHED.get() or ("", [])
        _revoke(user, given or changes_in_words(user, changed), kept, changed)
    return bool(changed)


@transaction.atomic
def _revoke(user: Any, reason: str, keep: Any, guarded: dict[str, str]) -> PendingRevocation:
    key = user_key(user.pk)
    token_version = UserAccess.raise_version(key, guarded)
    pending = PendingRevocation.objects.create(
        user_key=key, token_version=token_version, reason=reason[:100], due=database_now() + OWN_TIME
    )
    events.record(SecurityEvent.Name.ACCESS_REVOKED, user, Client(), reason=reason, token_version=token_version)
    if watched := WATCHED.get():
        watched[1].append(pending)
    transaction.on_commit(lambda: carry_out(pending, keep))
    send_after_commit(access_revoked, user=user, user_key=key, reason=reason, token_version=token_version)
    if hasattr(user, "_access"):
        del user._access  # the lazy `request.user` passes this on to the row
    return pending


def carry_out(pending: PendingRevocation, keep: Any = None) -> bool:
    """Makes each flow end its devices. Returns whether all flows could, and sets `pending.ended` to how many."""
    ended, failed = {}, ""
    for flow in devices.FLOWS:
        # If one flow fails, the other must still end its devices.
        try:
            ended[flow.name] = flow.end_all(pending.user_key, pending.token_version, pending.reason, keep)
        except OUTAGES as error:
            failed = type(error).__name__
    if failed:
        logger.warning("revocation pending", extra={"user_key": pending.user_key, "error": failed})
        with suppress(*OUTAGES):
            PendingRevocation.objects.filter(pk=pending.pk).update(due=database_now())
        return False
    PendingRevocation.objects.filter(pk=pending.pk).delete()
    pending.ended = ended
    return True


def ended_in_words(revocations: Iterable[PendingRevocation]) -> str:
    """How much these revocations ended, for the administrator, and how many of them wait for a store."""
    ended: Counter[str] = Counter()
    pending = 0
    for revocation in revocations:
        ended.update(revocation.ended or {})
        pending += revocation.ended is None
    counts = [devices.counted(number, name) for name, number in ended.items() if number]
    sentences = [f"Ended: {', '.join(counts)}."] if counts else []
    if pending:
        users = devices.counted(pending, "user")
        sentences.append(f"Not ended yet, of {users}: a store is away. Housekeeping ends the rest when it is back.")
    return " ".join(sentences) or "Nothing was ended: there was no login."


@task("revocations", every=1)
def carry_out_pending() -> str:
    """Carries out the revocations that an outage has delayed, the oldest first."""
    done = [
        carry_out(pending)
        for pending in PendingRevocation.objects.filter(due__lte=database_now()).order_by("due")[:100]
    ]
    return f"{sum(done)} of {len(done)} carried out" if done else ""
