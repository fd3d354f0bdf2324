"""A session from login to logout: start, renew, cycle the key, end. Pages and JSON views call these functions.

The order of the steps keeps an ended session ended. A login makes a record without a user, commits the row in the
registry, and then the middleware writes the user into the record, if it still exists. A revocation that finds the row
can delete the record, and that last write fails. In the other order, a revocation in between would find nothing to
delete, and the session would start after it. A request that ends a session deletes the record, then marks the row.

A ban raises the user's `token_version` (`security.revocation`). After the commit `flow.py` calls `end_sessions`. If
Redis is away at that moment, `renew` refuses the session within `SESSION_SEEN_EVERY`.
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
from security.devices import AGAIN
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

# A key of `request.META`: whether the answer may delete the session cookie.
ENDED = "SESSION_ENDED"


def start(request: HttpRequest, user: Any, remember: bool) -> None:
    """Logs a verified user in, in a new session.

    Raises `InvalidCredentials` when the user's access was revoked while the password was being verified.
    """
    # An earlier id is never kept: an attacker may have planted it (session fixation) or stolen it, which may be why the
    # user logs in again.
    end(request, AGAIN)
    request.session[REMEMBER] = remember
    try:
        auth.login(request, user)
    except Exception as error:
        discard_half_login(request)
        outage = isinstance(error, DATABASE_OUTAGES)
        if isinstance(error, DatabaseError) and not outage and not stored_users().filter(pk=user.pk).exists():
            # Django writes `last_login` to the user's row, which another request has deleted.
            raise InvalidCredentials from None
        raise


def discard_half_login(request: HttpRequest) -> None:
    """Clears a session that has a user but no row. The middleware would save it, and no revocation could find it.

    Django's or the project's receiver of `user_logged_in` can fail before `register` is called.
    """
    # Does not read the session: if it was not read yet, this request did not log in, and Redis may be away.
    record = getattr(request.session, "_session_cache", {})
    if SESSION_KEY in record and DEVICE not in record:
        request.session.clear()
        request.session.flush()
        request.user = AnonymousUser()


def register(sender: object, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Receiver of Django's `user_logged_in`. Enters every login into the registry, logins to the admin too."""
    if not has_session(request):
        return
    session = request.session
    if session.pop(DEVICE, None) or session.session_key is None:
        # Django keeps the id if the same user logs in again, and makes no new record after another user's session.
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
        # Also if that session has ended: its logout may be late and must not delete the new cookie (`_was_replaced`).
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
    """Notes that a session is in use, at most once per `SESSION_SEEN_EVERY`. Moves the idle end, not the absolute end.

    The database decides: if the row says that the session has ended, or the user's access was revoked, the session is
    empty afterwards. While Redis takes no writes, every request asks the database. If the database is away as well,
    the error of Redis is raised (see `SessionStore.touch`).
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
        _set(session, {SEEN: now.timestamp()})  # or this request would wait for the database a second time
        return
    if found:
        _note(session, {SEEN: now.timestamp(), IDLE_END: idle_end.timestamp()})
    else:
        # The request that ended the session deletes the record. If the id has only changed, the session goes on.
        session.forgotten_user = session[USER_ID]
        session.forget()


def _standing(session: SessionStore) -> DeviceSessions:
    """The session's row, if it is live and its user is active and has the same `token_version`; otherwise no row."""
    token_version = session[TOKEN_VERSION]
    users = current_users(pk_of(session[USER_ID]), token_version)
    return DeviceSession.objects.live().filter(Exists(users), pk=session[DEVICE], token_version=token_version)


def _set(session: SessionStore, times: dict[str, float]) -> bool:
    """Sets `times` without marking the session as modified. Returns whether it was marked before."""
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
    """Repeats the revocation that `renew` made, in case it was rolled back with the view's transaction.

    With `ATOMIC_REQUESTS`, DRF rolls the transaction back for a 401.
    """
    if session.forgotten_user is not None:
        with suppress(*DATABASE_OUTAGES):
            revoke_if_changed([pk_of(session.forgotten_user)])


def cycle_key(session: SessionStore, user: Any) -> None:
    """Gives a session a new id and the user's current `token_version`. A stolen copy of the old id stops working.

    Raises `InvalidCredentials` if another request has ended the session or changed its id.
    """
    token_version = access_of(user).token_version
    session.cycle_key(token_version)
    if DEVICE not in session:
        raise InvalidCredentials
    session[TOKEN_VERSION] = token_version
    bind_session(session, user)


def reauthenticate(request: HttpRequest, user: Any) -> None:
    """Notes that the user has just proved the password again, and gives the session a new id (ASVS 7.2.4)."""
    with transaction.atomic():
        record_login(user, Client.of(request), flow="session", reauthenticated=True)
    cycle_key(request.session, user)  # type: ignore[arg-type]
    request.session[REAUTHENTICATED] = timezone.now().timestamp()


def end(request: HttpRequest, reason: str) -> None:
    """Ends the session of this request, if it has one. Raises the error of Redis while it is away.

    The answer deletes the cookie, except if the browser may have a newer cookie by then.
    """
    device, rows = request.session.get(DEVICE), _sessions_of(request)
    request.session.flush()
    # The answer may delete the cookie if a session has ended now, or if no newer cookie of this browser is known.
    request.user, request.META[ENDED] = AnonymousUser(), bool(device)
    with suppress(*DATABASE_OUTAGES):
        # Without the database the row is not marked. The logout has still succeeded: the record is gone from Redis.
        request.META[ENDED] = end_sessions(rows, reason) > 0 or (reason != AGAIN and not _was_replaced(request))
    if device:
        events.log("session_ended", Client.of(request), device=device, reason=reason)


def _sessions_of(request: HttpRequest) -> DeviceSessions:
    if device := request.session.get(DEVICE):
        return DeviceSession.objects.filter(pk=device)
    if cookie := request.COOKIES.get(settings.SESSION_COOKIE_NAME):
        # Perhaps the id changed while this request was on its way. Without this look-up by the old id, the user would
        # stay logged in.
        just_now = DeviceSession.objects.filter(former_until__gt=database_now())
        return just_now.filter(former=store.digest(cookie))
    return DeviceSession.objects.none()


def end_sessions(rows: DeviceSessions, reason: str) -> int:
    """Ends the live sessions among `rows` and returns their number. Raises the error of Redis while it is away."""
    ended = 0
    # A session can get a new id, and so a new digest, between the query and the deletion. Query until none is left.
    while live := list(rows.live().values_list("digest", flat=True)):
        store.delete(live)
        ended += DeviceSession.objects.filter(digest__in=live).mark_ended(reason)
    return ended


def _was_replaced(request: HttpRequest) -> bool:
    """Whether the session id in the cookie is no longer valid because this browser got a new one."""
    if not (cookie := request.COOKIES.get(settings.SESSION_COOKIE_NAME)):
        return False
    sent = store.digest(cookie)
    return DeviceSession.objects.filter(Q(digest=sent, reason=AGAIN) | Q(former=sent)).exists()


def discard_unsent(request: HttpRequest) -> None:
    """Marks a session that this request started as ended, because the answer is a 503 without its cookie.

    Otherwise the list of devices would show a session that no browser has.
    """
    session: Any = request.session
    # Does not read the session: Redis is away, and its error would leave the middleware as a 500.
    record = getattr(session, "_session_cache", {})
    if DEVICE in record and session.session_key != request.COOKIES.get(settings.SESSION_COOKIE_NAME):
        DeviceSession.objects.filter(pk=record[DEVICE]).mark_ended("the store was away")


def unregister(sender: object, request: HttpRequest, **kwargs: Any) -> None:
    """Receiver of Django's `user_logged_out`. The admin's logout ends the session here."""
    request.META[ENDED] = end_sessions(_sessions_of(request), "logged out") > 0 or not _was_replaced(request)
