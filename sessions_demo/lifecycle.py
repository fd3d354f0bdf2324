"""A session from login to logout: start, renew, cycle the key, end. Pages and JSON views call these verbs.

The order within each is what keeps an ended session ended: the record in Redis is made before its row
is committed, and from then on only written if it still exists. A request that ends a session deletes
the record first. So a revocation that reads the rows finds everything there is to delete.
"""

import time
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import UpdateError
from django.db import DatabaseError, transaction
from django.db.models import Exists, Q
from django.http import HttpRequest
from django.utils import timezone

from security import events
from security.backends import InvalidCredentials, bind_session, has_session, record_login
from security.client import Client
from security.database_time import database_now
from security.outages import DATABASE_OUTAGES, OUTAGES, refuses
from security.revocation import revoke_if_changed
from security.users import access_of, current_users, pk_of, role_of, stored_users, user_key
from sessions_demo import store
from sessions_demo.conf import conf
from sessions_demo.models import DeviceSession, DeviceSessions
from sessions_demo.record import (
    ABSOLUTE_END,
    DEVICE,
    IDLE_END,
    REAUTHENTICATED,
    REMEMBER,
    ROLE,
    SEEN,
    TOKEN_VERSION,
    USER_ID,
)
from sessions_demo.set_expiry import row_end
from sessions_demo.store import SessionStore

AGAIN = "logged in again"
# Stands in a request's META when its answer may take the session cookie away.
ENDED = "SESSION_ENDED"


def start(request: HttpRequest, user: Any, remember: bool) -> None:
    """Logs a verified user in, in a new session.

    Raises `InvalidCredentials` when the user's access was revoked while the password was being verified.
    """
    # An id that was there before is never kept: an attacker may have planted it (fixation), or the user logs in again
    # because the old one may be in other hands.
    end(request, AGAIN)
    request.session[REMEMBER] = remember
    try:
        auth.login(request, user)
    except Exception as error:
        discard_half_login(request)
        outage = isinstance(error, DATABASE_OUTAGES)
        if isinstance(error, DatabaseError) and not outage and not stored_users().filter(pk=user.pk).exists():
            # Django notes the time in the user's row, which was deleted meanwhile.
            raise InvalidCredentials from None
        raise


def discard_half_login(request: HttpRequest) -> None:
    """Ends a session that has a user and no row yet: saved with the answer, it would be one that cannot be ended.

    Django's own receiver, or the project's, may fail before `register` is called.
    """
    # Not read for this: in an outage of the store there is no session, and no need to wait for it again.
    record = getattr(request.session, "_session_cache", {})
    if SESSION_KEY in record and DEVICE not in record:
        request.session.clear()
        request.session.flush()
        request.user = AnonymousUser()


def register(sender: object, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Receiver of Django's `user_logged_in`, so that a login to the admin is in the registry too."""
    if not has_session(request):
        return
    session = request.session
    if session.pop(DEVICE, None) or session.session_key is None:
        # Django keeps the id when the same user logs in again, and makes no record when it was another's.
        session.cycle_key()
    row = _new_session(request, user, session.get(REMEMBER, False))
    try:
        _save(request, user, row)
    except Exception:
        discard_half_login(request)
        raise
    session.update(_claims(row, user))
    bind_session(session, user)
    events.log("session_created", Client.of(request), user_key=user_key(user.pk), device=str(row.pk))


def _new_session(request: HttpRequest, user: Any, remember: bool) -> DeviceSession:
    session: Any = request.session
    now, client = timezone.now(), Client.of(request)
    absolute = now + _absolute(remember)
    return DeviceSession(
        user=user,
        digest=session.digest,
        token_version=access_of(user).token_version,
        address=client.address,
        user_agent=client.user_agent,
        remember=remember,
        started=now,
        last_seen=now,
        idle_end=min(now + _idle(remember), absolute),
        absolute_end=absolute,
    )


def _save(request: HttpRequest, user: Any, row: DeviceSession) -> None:
    if before := request.COOKIES.get(settings.SESSION_COOKIE_NAME):
        # Also one that had ended: a late answer to a logout under it must leave the new cookie alone.
        row.former = store.digest(before)
        DeviceSession.objects.filter(digest=row.former).mark_ended(AGAIN)
    with transaction.atomic():
        row.token_version = record_login(user, Client.of(request), flow="session")
        row.save(force_insert=True)


def _claims(row: DeviceSession, user: Any) -> dict[str, Any]:
    return {
        ROLE: role_of(user),
        TOKEN_VERSION: row.token_version,
        DEVICE: str(row.pk),
        REMEMBER: row.remember,
        SEEN: row.started.timestamp(),
        REAUTHENTICATED: row.started.timestamp(),
        ABSOLUTE_END: row.absolute_end.timestamp(),
        IDLE_END: row.idle_end.timestamp(),
    }


def _absolute(remember: bool) -> timedelta:
    return timedelta(seconds=conf.SESSION_ABSOLUTE_LIFETIME_REMEMBERED if remember else conf.SESSION_ABSOLUTE_LIFETIME)


def _idle(remember: bool) -> timedelta:
    return timedelta(seconds=conf.SESSION_IDLE_LIFETIME_REMEMBERED if remember else conf.SESSION_IDLE_LIFETIME)


def renew(session: SessionStore) -> None:
    """Notes that a session is in use, at most once a minute; its idle end moves, its absolute end never does.

    The rows have the last word: the session is empty afterwards if it has ended, or its user's access has. While Redis
    takes no writes nothing can be noted there, so the rows are asked each time. With the database away too, no
    store knows: raises the error of Redis.
    """
    if DEVICE not in session or time.time() - session[SEEN] < conf.SESSION_SEEN_EVERY:
        return
    now = timezone.now()
    absolute = datetime.fromtimestamp(session[ABSOLUTE_END], now.tzinfo)
    idle_end = min(now + _idle(session[REMEMBER]), absolute)
    try:
        revoke_if_changed([pk_of(session[USER_ID])])
        found = _standing(session).update(last_seen=now, idle_end=row_end(session, idle_end))
    except DATABASE_OUTAGES:
        session.touch()
        _set(session, {SEEN: now.timestamp()})  # or this request would ask, and wait, a second time
        return
    if found:
        _note(session, {SEEN: now.timestamp(), IDLE_END: idle_end.timestamp()})
    else:
        # Not deleted: the request that changed the rows does that, and may be giving this session its next id just now.
        session.forgotten_user = session[USER_ID]
        session.forget()


def _standing(session: SessionStore) -> DeviceSessions:
    """The row of a session that has not ended, whose user is active and at its version; no row otherwise."""
    token_version = session[TOKEN_VERSION]
    users = current_users(pk_of(session[USER_ID]), token_version)
    return DeviceSession.objects.live().filter(Exists(users), pk=session[DEVICE], token_version=token_version)


def _set(session: SessionStore, times: dict[str, float]) -> bool:
    """Sets these in this request's copy; returns whether there is something else to be saved, as before."""
    modified = session.modified
    session.update(times)
    session.modified = modified
    return modified


def _note(session: SessionStore, times: dict[str, float]) -> None:
    modified = _set(session, times)
    try:
        if session.write():
            events.log("session_renewed", Client(), device=session[DEVICE])
        else:
            session.forget()
    except UpdateError:
        session.forget()
    except OUTAGES as error:
        if not refuses(error):
            raise
    session.modified = modified


def revoke_again(session: SessionStore) -> None:
    """Revokes what `renew` found changed, in case the view's transaction took that back with all else.

    Where each request has a transaction, DRF rolls it back for a 401.
    """
    if session.forgotten_user is not None:
        with suppress(*DATABASE_OUTAGES):
            revoke_if_changed([pk_of(session.forgotten_user)])


def cycle_key(session: SessionStore, user: Any) -> None:
    """Gives a session a new id and the user's present version. The old id is of no use to a thief.

    Raises `InvalidCredentials` when the session was ended, or given another id, meanwhile.
    """
    token_version = access_of(user).token_version
    session.cycle_key(token_version)
    if DEVICE not in session:
        raise InvalidCredentials
    session[TOKEN_VERSION] = token_version
    bind_session(session, user)


def reauthenticate(request: HttpRequest, user: Any) -> None:
    """Notes that the password was proved again just now, in a session with a new id (ASVS 7.2.4)."""
    with transaction.atomic():
        record_login(user, Client.of(request), flow="session", reauthenticated=True)
    cycle_key(request.session, user)  # type: ignore[arg-type]
    request.session[REAUTHENTICATED] = timezone.now().timestamp()


def end(request: HttpRequest, reason: str) -> None:
    """Ends the session of this request, if it has one. Raises the store's error when it is away.

    The answer takes the cookie away, unless the browser may hold a newer one by the time it arrives.
    """
    device, rows = request.session.get(DEVICE), _sessions_of(request)
    request.session.flush()
    request.user, request.META[ENDED] = AnonymousUser(), bool(device)
    with suppress(*DATABASE_OUTAGES):
        # The logout did not fail when only its note did: a session whose record is gone from Redis has ended.
        request.META[ENDED] = end_sessions(rows, reason) > 0 or (reason != AGAIN and not _was_replaced(request))
    if device:
        events.log("session_ended", Client.of(request), device=device, reason=reason)


def _sessions_of(request: HttpRequest) -> DeviceSessions:
    if device := request.session.get(DEVICE):
        return DeviceSession.objects.filter(pk=device)
    if cookie := request.COOKIES.get(settings.SESSION_COOKIE_NAME):
        # The id changed while this request was under way: the answer would say "logged out", and the user would not be.
        just_now = DeviceSession.objects.filter(former_until__gt=database_now())
        return just_now.filter(former=store.digest(cookie))
    return DeviceSession.objects.none()


def end_sessions(rows: DeviceSessions, reason: str) -> int:
    ended = 0
    # A session that gets a new id between the look and the deletion has another digest: look again.
    while live := list(rows.live().values_list("digest", flat=True)):
        store.delete(live)
        ended += DeviceSession.objects.filter(digest__in=live).mark_ended(reason)
    return ended


def _was_replaced(request: HttpRequest) -> bool:
    """Whether the id in the cookie is dead because the same browser was given another one."""
    if not (cookie := request.COOKIES.get(settings.SESSION_COOKIE_NAME)):
        return False
    sent = store.digest(cookie)
    return DeviceSession.objects.filter(Q(digest=sent, reason=AGAIN) | Q(former=sent)).exists()


def discard_unsent(request: HttpRequest) -> None:
    """Marks the session that this request made as ended: no browser gets its id, and the list would show a device."""
    session: Any = request.session
    if DEVICE in session and session.session_key != request.COOKIES.get(settings.SESSION_COOKIE_NAME):
        DeviceSession.objects.filter(pk=session[DEVICE]).mark_ended("the store was away")


def unregister(sender: object, request: HttpRequest, **kwargs: Any) -> None:
    """Receiver of Django's `user_logged_out`, for the admin's own logout."""
    request.META[ENDED] = end_sessions(_sessions_of(request), "logged out") > 0 or not _was_replaced(request)
