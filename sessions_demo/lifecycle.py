"""A session from login to logout: start, renew, cycle the key, end. Pages and JSON views call these verbs.

The order within each is what keeps an ended session ended: the record in Redis is made before its row
is committed, and from then on only written if it still exists. A request that ends a session deletes
the record first. So a revocation that reads the rows finds everything there is to delete.
"""

import time
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

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
from security.devices import Device
from security.models import SecurityEvent
from security.outages import DATABASE_OUTAGES, OUTAGES, refuses
from security.revocation import revoke_if_changed
from security.users import access_of, current_users, get_user, pk_of, role_of, stored_users, user_key
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
from sessions_demo.store import EXPIRY_END, SessionStore

AGAIN = "logged in again"
# Ends that the user knows of: the login page does not call them a revocation.
BY_OWNER = ("logged out", "logged out everywhere", "ended by its owner", AGAIN)
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
        found = _standing(session).update(last_seen=now, idle_end=_row_end(session, idle_end))
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


def _row_end(session: SessionStore, idle_end: datetime) -> datetime:
    """The idle end in the registry: there, what `set_expiry()` ends has run out too."""
    if EXPIRY_END not in session:
        return idle_end
    return min(idle_end, datetime.fromtimestamp(session[EXPIRY_END], idle_end.tzinfo))


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


def follow_expiry(request: HttpRequest) -> None:
    """What `set_expiry()` in a view means for the cookie and for the registry, before the session is saved.

    A cookie that is to go with the browser, or no longer, is set with a new id. One that only ends sooner stays.
    """
    session: Any = request.session
    if not _is_saved(session):
        return
    sent = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    if session.session_key == sent and not session.cookie_fits():
        session.cycle_key()
    if session.session_key != sent and not session.is_empty():
        session.note_cookie()
    before = EXPIRY_END in session
    session.note_expiry_end()
    if DEVICE in session and (before or EXPIRY_END in session):
        idle_end = datetime.fromtimestamp(session[IDLE_END], timezone.now().tzinfo)
        with suppress(*DATABASE_OUTAGES):
            DeviceSession.objects.filter(pk=session[DEVICE]).update(idle_end=_row_end(session, idle_end))


def _is_saved(session: Any) -> bool:
    if session.is_empty() or not (session.modified or settings.SESSION_SAVE_EVERY_REQUEST):
        return False
    session.keys()  # one that was not read yet may be over, and its cookie must not begin another
    return not session.is_empty()


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
        request.META[ENDED] = _end(rows, reason) > 0 or (reason != AGAIN and not _was_replaced(request))
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


def _end(rows: DeviceSessions, reason: str) -> int:
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


def end_reason(request: HttpRequest) -> str:
    """Why the id in the cookie is no session: "owner", "revoked" or "expired"; "" without a cookie or an answer."""
    cookie = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not cookie:
        return ""
    with suppress(*DATABASE_OUTAGES):
        row = DeviceSession.objects.filter(digest=store.digest(cookie)).first()
        if row is None:
            return ""
        if row.reason == "expired" or row.state() == "expired":
            return "expired"
        # A row that has not ended is of a revoked session, and an outage has kept that from being noted.
        return "owner" if row.reason in BY_OWNER else "revoked"
    return ""


def unregister(sender: object, request: HttpRequest, **kwargs: Any) -> None:
    """Receiver of Django's `user_logged_out`, for the admin's own logout."""
    request.META[ENDED] = _end(_sessions_of(request), "logged out") > 0 or not _was_replaced(request)


class SessionFlow:
    """What `security` asks of this flow: see `security.devices.Flow`."""

    name = "sessions"

    def list(self, pk: Any) -> list[Device]:
        """The live sessions of a user. A row whose record Redis has lost is not one."""
        rows = list(DeviceSession.objects.live().filter(user_id=pk).order_by("-started"))
        alive = store.existing(row.digest for row in rows)
        return [
            Device(row.pk, row.address, row.user_agent, row.started, row.last_seen, row.absolute_end, row.remember)
            for row in rows
            if row.digest in alive
        ]

    def end(self, user: Any, device: UUID, reason: str) -> bool:
        """Ends one session of this user."""
        return self._revoke(user, DeviceSession.objects.filter(pk=device), reason) == 1

    def end_all(self, key: str, token_version: int, reason: str, keep: Any = None) -> int:
        """Ends all of an earlier version; `keep`, if it is a session, gets a new key instead."""
        rows = DeviceSession.objects.filter(user_id=pk_of(key), token_version__lt=token_version)
        if not isinstance(keep, SessionStore) or DEVICE not in keep or not rows.filter(pk=keep[DEVICE]).exists():
            return _end(rows, reason)
        ended = _end(rows.exclude(pk=keep[DEVICE]), reason)
        try:
            cycle_key(keep, get_user(pk_of(key)))
        except InvalidCredentials:
            # Another request has given it another id, and that one is of the earlier version too.
            _end(rows, reason)
            raise
        return ended

    def end_others(self, user: Any, device: str | None, reason: str) -> int:
        """Ends all sessions of this user but one, or but none."""
        rows = DeviceSession.objects.all()
        return self._revoke(user, rows.exclude(pk=device) if device else rows, reason)

    def _revoke(self, user: Any, rows: DeviceSessions, reason: str) -> int:
        ended = _end(rows.filter(user=user), reason)
        if ended:
            events.record(SecurityEvent.Name.SESSION_REVOKED, user, Client(), ended=ended, reason=reason)
        return ended


FLOW = SessionFlow()
