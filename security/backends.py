"""The one place where a password is proved, for every caller: a form, an API, the admin.

`verify()` is what a login calls. Django's own forms call `authenticate()` and so come through the
backend here, with the same throttle and the same record. It works for every user model.
List it first in `AUTHENTICATION_BACKENDS`; others may follow, for users whose password is not kept here.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, authenticate, get_user_model, load_backend
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.signals import got_request_exception, request_finished
from django.db.models import Exists
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from security import events, hashing, old_hashes, throttle
from security.client import Client
from security.models import KnownClient, SecurityEvent, UserAccess
from security.outages import OUTAGES
from security.revocation import revoke_access
from security.signals import new_client_seen, send_after_commit
from security.throttle import Throttled
from security.users import (
    Access,
    access_of,
    active_users,
    at_version,
    changed_fields,
    find_user,
    fingerprints_of,
    get_user,
    has_field,
    matches,
    normal_identifier,
    session_hash,
    stored_users,
    take_hash,
    user_key,
)

logger = logging.getLogger("site.security")

# The refusal by the throttle: Django's `authenticate` turns every refusal of a backend into `None`.
THROTTLED: ContextVar[Throttled | None] = ContextVar("throttled", default=None)
# An attempt that this backend refused, as long as a later backend may still know the password.
UNSETTLED: ContextVar[tuple[throttle.Attempt, Any, str, Client] | None] = ContextVar("unsettled", default=None)


class InvalidCredentials(Exception):
    """Unknown, wrong or inactive: the caller does not learn which (ASVS 6.3.8)."""


def verify(request: HttpRequest, identifier: str, password: str) -> Any:
    """The user who has this password, asked of every backend in turn.

    Raises `InvalidCredentials`, or `Throttled` before any hash is computed. Call it outside a transaction: SQLite's
    write lock must not be held while a hash is computed.
    """
    try:
        with throttled_is_raised():
            user = authenticate(request, username=identifier, password=password)
    except BaseException:
        _settle(failed=True)
        raise
    if user is None:
        raise InvalidCredentials
    _settle(failed=False)
    return user


@contextmanager
def throttled_is_raised() -> Iterator[None]:
    """Around Django's `authenticate`, which says `None` to a throttled attempt: raises `Throttled` instead."""
    token = THROTTLED.set(None)
    try:
        yield
    finally:
        refusal = THROTTLED.get()
        THROTTLED.reset(token)
        if refusal:
            raise refusal


def record_login(user: Any, client: Client, **detail: Any) -> int:
    """What every login begins with, inside the transaction that records it. Returns the version it is made at.

    Raises `InvalidCredentials` when the user was banned, or had all access revoked, since the user's row was read: a
    login that overlaps a revocation loses, however long its hash took.
    """
    key, access, now = user_key(user.pk), access_of(user), fingerprints_of(user)
    if changed := changed_fields(user, access.guarded):
        # A change past the signals, noticed here first: what was issued before it must not go on.
        revoke_access(user, f"{', '.join(changed)} changed")
        access = access_of(user)
    if not _may_enter(user, key, access, now):
        raise InvalidCredentials
    new = not access.client_is_known and KnownClient.remember(key, client)
    if new:
        send_after_commit(new_client_seen, user=user, client=client)
    events.record(SecurityEvent.Name.LOGIN_SUCCESS, user, client, new_client=new, **detail)
    return access.token_version


def note_last_login(user: Any) -> None:
    """Django's `last_login`, for a model that has it: call it after `record_login`, in the same transaction.

    In a transaction of its own it could fail alone, and leave half a login. Not a save: it changes nothing that counts.
    """
    if has_field("last_login"):
        user.last_login = timezone.now()
        stored_users().filter(pk=user.pk).update(last_login=user.last_login)


def _may_enter(user: Any, key: str, access: Access, guarded: dict[str, str]) -> bool:
    fence = at_version(key, access.token_version).filter(Exists(active_users().filter(pk=user.pk)))
    if fence.update(guarded=guarded):
        return True
    # The first login ever of a user who is older than these apps.
    return access.guarded is None and UserAccess.begin(key, guarded, 0) and fence.update(guarded=guarded) == 1


class PasswordBackend(ModelBackend):
    """Django's backend, throttled and recorded, and as slow for a stranger as for an owner."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        """The active user with this password, or `None` after a hash was computed all the same."""
        if username is None:
            username = kwargs.get(get_user_model().USERNAME_FIELD)
        if username is None or password is None:
            return None
        client, identifier = Client.of(request), normal_identifier(str(username))
        user = find_user(str(username), client)
        attempt = _begin(identifier, client, user is not None and access_of(user).client_is_known)
        try:
            fits = _password_fits(user, password) and self.user_can_authenticate(user)
        except OUTAGES:
            # Whether it was right is not known, and an owner must not be locked out by that.
            with suppress(*OUTAGES):
                attempt.settle(failed=False)
            raise
        except BaseException:
            attempt.settle(failed=True)
            raise
        if not fits:
            return _refuse(request, attempt, user, identifier)
        attempt.settle(failed=False)
        return with_session_hash(user)

    def get_user(self, user_id: Any) -> Any:
        """The user of a session, in one statement. A session of an earlier version of the user's access is refused."""
        user = get_user(user_id)
        return with_session_hash(user) if user is not None and self.user_can_authenticate(user) else None

    # Django's own twins of these two ask neither the throttle nor for the version of the user's access.

    async def aauthenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        return await sync_to_async(self.authenticate)(request, username, password, **kwargs)

    async def aget_user(self, user_id: Any) -> Any:
        return await sync_to_async(self.get_user)(user_id)


def with_session_hash(user: Any) -> Any:
    """`user`, whose sessions Django knows by the version of the user's access and not by the stored hash.

    That one changes with new parameters, taken up at one login, and would log out every other device.
    """
    # Not lambdas: a project may keep its users in a cache, and pickle them for it.
    user.get_session_auth_hash = partial(session_hash, user)
    user.get_session_auth_fallback_hash = partial(fallback_hashes, user)
    return user


def fallback_hashes(user: Any) -> Iterator[str]:
    """The session hashes of `user` by the keys that `SECRET_KEY` has replaced."""
    return (session_hash(user, key) for key in settings.SECRET_KEY_FALLBACKS)


def bind_session(session: Any, user: Any) -> None:
    """Has `session` know its user by the version that the user's access has now."""
    if isinstance(load_backend(session[BACKEND_SESSION_KEY]), PasswordBackend):
        session[HASH_SESSION_KEY] = session_hash(user)
    elif HASH_SESSION_KEY in session:
        # That backend reads its users itself, and they have the hash of their class.
        session[HASH_SESSION_KEY] = user.__class__.get_session_auth_hash(user)


def _begin(identifier: str, client: Client, known: bool) -> throttle.Attempt:
    try:
        return throttle.begin(throttle.login_limits(identifier, client, known))
    except Throttled as refusal:
        events.log("excess_rate_limit_exceeded", client, retry_after=refusal.retry_after)
        THROTTLED.set(refusal)
        raise


def _refuse(request: HttpRequest | None, attempt: throttle.Attempt, user: Any, identifier: str) -> None:
    if request is None or len(settings.AUTHENTICATION_BACKENDS) == 1:
        attempt.settle(failed=True)
        events.login_failed(user, identifier, Client.of(request))
    else:
        # A later backend may know the password, and then this was no failure. An earlier attempt here was none either.
        _settle(failed=False)
        UNSETTLED.set((attempt, user, identifier, Client.of(request)))


def _settle(failed: bool) -> None:
    if unsettled := UNSETTLED.get():
        UNSETTLED.set(None)
        attempt, user, identifier, client = unsettled
        attempt.settle(failed)
        if failed:
            events.login_failed(user, identifier, client)


@receiver(user_login_failed, dispatch_uid="security.settle")
def settle_failure(sender: object, **kwargs: Any) -> None:
    """No backend knows the password."""
    _settle(failed=True)


@receiver(got_request_exception, dispatch_uid="security.settle")
def settle_error(sender: object, **kwargs: Any) -> None:
    """A later backend, or a receiver of the project's, raised: a guess that is not counted could be tried for ever."""
    with suppress(*OUTAGES):
        _settle(failed=True)


@receiver(user_logged_in, dispatch_uid="security.settle")
def settle_success(sender: object, request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    """A later backend knows the password, for a login form of the project's own, which does not call `verify()`.

    The user may be one that no backend of ours has read, as after a registration. There may be no session: some
    libraries send the signal for logins by a token.
    """
    _settle(failed=False)
    if has_session(request):
        bind_session(request.session, user)  # type: ignore[union-attr]


def has_session(request: HttpRequest | None) -> bool:
    """Whether this request has logged a user in by a session."""
    return BACKEND_SESSION_KEY in getattr(request, "session", ())


@receiver(request_finished, dispatch_uid="security.settle")
def settle_rest(sender: object, **kwargs: Any) -> None:
    """A later backend knows the password, and no login follows, as with DRF's `BasicAuthentication`.

    Django sends no signal for such a success.
    """
    if UNSETTLED.get():
        with suppress(*OUTAGES):
            _settle(failed=False)


def _password_fits(user: Any, password: str) -> bool:
    # JSON can carry half a surrogate pair, which cannot be hashed, and which is in no password.
    hashable = not any("\ud800" <= c <= "\udfff" for c in password)
    if user is None or not ModelBackend().user_can_authenticate(user) or not hashable:
        # Refused in any case. An address that is refused sooner would show which users have an account here.
        user, password = get_user_model()(), password if hashable else ""
    work, due = old_hashes.work(), list[str]()
    # A known and an unknown user wait once, in the same line. A statement inside would keep all who wait behind it.
    with hashing.turn():
        if not (found := _matches(user, password, due)):
            old_hashes.make_up_for(password, user.password, work)
    if due:
        take_hash(user, *due)
    return found


def _matches(user: Any, password: str, due: list[str]) -> bool:
    try:
        return matches(user, password, due)
    except OUTAGES:
        raise
    except Exception as error:
        # Each hasher has errors of its own for a hash that it cannot read. It fits no password.
        extra = {"user_key": user_key(user.pk), "error": type(error).__name__}
        logger.error("password hash cannot be read", extra=extra)
        return False
