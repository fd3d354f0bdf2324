"""The one place that checks passwords, for every caller: forms, the APIs and the admin.

A login calls `verify()`. Django's own forms call `authenticate()`, which uses the backend in this module, with the same
throttle and the same events. The backend works for every user model. List it first in `AUTHENTICATION_BACKENDS`. Other
backends may follow, for users whose password is not stored here.
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
    changes_in_words,
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

# The throttle's refusal. Django's `authenticate` turns it into `None`.
THROTTLED: ContextVar[Throttled | None] = ContextVar("throttled", default=None)
# An attempt that this backend refused, until it is known whether a later backend accepts the password.
UNSETTLED: ContextVar[tuple[throttle.Attempt, Any, str, Client] | None] = ContextVar("unsettled", default=None)


class InvalidCredentials(Exception):
    """Unknown user, wrong password or inactive user: the caller does not learn which (ASVS 6.3.8)."""


def verify(request: HttpRequest, identifier: str, password: str) -> Any:
    """The user with this identifier and password. Asks every backend in turn.

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
    """For use around Django's `authenticate`, which returns `None` for a throttled attempt. Raises `Throttled`."""
    token = THROTTLED.set(None)
    try:
        yield
    finally:
        refusal = THROTTLED.get()
        THROTTLED.reset(token)
        if refusal:
            raise refusal


def record_login(user: Any, client: Client, **detail: Any) -> int:
    """The first step of every login, inside the transaction that stores it. Returns the login's `token_version`.

    Raises `InvalidCredentials` if the user was deactivated or all access was revoked after the user's row was read. So
    a login that overlaps a revocation is refused, however long its hash took.
    """
    key, access, now = user_key(user.pk), access_of(user), fingerprints_of(user)
    if changed := changed_fields(user, access.guarded):
        # Something changed the row without a signal, such as SQL. What was issued before must stop working.
        revoke_access(user, changes_in_words(user, changed))
        access = access_of(user)
    if not _may_enter(user, key, access, now):
        raise InvalidCredentials
    new = not access.client_is_known and KnownClient.remember(key, client)
    if new:
        send_after_commit(new_client_seen, user=user, client=client)
    events.record(SecurityEvent.Name.LOGIN_SUCCESS, user, client, new_client=new, **detail)
    return access.token_version


def note_last_login(user: Any) -> None:
    """Sets Django's `last_login`, if the model has it. Call it after `record_login`, in the same transaction.

    In a transaction of its own it could fail alone and leave half a login. It uses `update()`, so that no signal is
    sent: no guarded field changes.
    """
    if has_field("last_login"):
        user.last_login = timezone.now()
        stored_users().filter(pk=user.pk).update(last_login=user.last_login)


def _may_enter(user: Any, key: str, access: Access, guarded: dict[str, str]) -> bool:
    fence = at_version(key, access.token_version).filter(Exists(active_users().filter(pk=user.pk)))
    if fence.update(guarded=guarded):
        return True
    # The first login of a user who was created before these apps were installed.
    return access.guarded is None and UserAccess.begin(key, guarded, 0) and fence.update(guarded=guarded) == 1


class PasswordBackend(ModelBackend):
    """Django's `ModelBackend` with a throttle and events. It takes as long for an unknown user as for a known one."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        """The active user with this password, or `None`. A hash is computed in both cases."""
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
            # The password may have been right, and an outage must not lock the user out.
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
        """The user of a session, in one query. Django refuses a session of an earlier `token_version`."""
        user = get_user(user_id)
        return with_session_hash(user) if user is not None and self.user_can_authenticate(user) else None

    # Django's own versions of these two use neither the throttle nor `token_version`.

    async def aauthenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        return await sync_to_async(self.authenticate)(request, username, password, **kwargs)

    async def aget_user(self, user_id: Any) -> Any:
        return await sync_to_async(self.get_user)(user_id)


def with_session_hash(user: Any) -> Any:
    """Returns `user`, changed so that Django ties its sessions to `token_version` and not to the password hash.

    A login also replaces the hash if its parameters are outdated, and that would log out every other device.
    """
    # Not lambdas: a project may pickle users to keep them in a cache.
    user.get_session_auth_hash = partial(session_hash, user)
    user.get_session_auth_fallback_hash = partial(fallback_hashes, user)
    return user


def fallback_hashes(user: Any) -> Iterator[str]:
    """The session hashes of `user` under each of `SECRET_KEY_FALLBACKS`."""
    return (session_hash(user, key) for key in settings.SECRET_KEY_FALLBACKS)


def bind_session(session: Any, user: Any) -> None:
    """Stores in `session` the session hash for the present `token_version` of `user`."""
    if isinstance(load_backend(session[BACKEND_SESSION_KEY]), PasswordBackend):
        session[HASH_SESSION_KEY] = session_hash(user)
    elif HASH_SESSION_KEY in session:
        # Another backend loads its users itself, and Django asks them for the hash of their class.
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
        # A later backend may accept the password, and then this was no failure. If an earlier attempt is still
        # unsettled, a later backend accepted it: otherwise `user_login_failed` would have settled it.
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
    """No backend accepted the password."""
    _settle(failed=True)


@receiver(got_request_exception, dispatch_uid="security.settle")
def settle_error(sender: object, **kwargs: Any) -> None:
    """A later backend or a receiver raised an error. A failure that is not counted would allow unlimited guesses."""
    with suppress(*OUTAGES):
        _settle(failed=True)


@receiver(user_logged_in, dispatch_uid="security.settle")
def settle_success(sender: object, request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    """A later backend accepted the password, in a login form of the project that does not call `verify()`.

    The user may not come from the backend here, for example after a registration. There may be no session: some
    libraries send the signal for logins by a token.
    """
    _settle(failed=False)
    if has_session(request):
        bind_session(request.session, user)  # type: ignore[union-attr]


def has_session(request: HttpRequest | None) -> bool:
    """Whether the session of this request has a logged-in user."""
    return BACKEND_SESSION_KEY in getattr(request, "session", ())


@receiver(request_finished, dispatch_uid="security.settle")
def settle_rest(sender: object, **kwargs: Any) -> None:
    """A later backend accepted the password, and no login follows, as with DRF's `BasicAuthentication`.

    Django sends no signal for such a success.
    """
    if UNSETTLED.get():
        with suppress(*OUTAGES):
            _settle(failed=False)


def _password_fits(user: Any, password: str) -> bool:
    # JSON can carry half of a surrogate pair. It cannot be hashed, so no stored password has one.
    hashable = not any("\ud800" <= c <= "\udfff" for c in password)
    if user is None or not ModelBackend().user_can_authenticate(user) or not hashable:
        # Refused in any case, but only after a hash: a faster answer would show that the address has no account.
        user, password = get_user_model()(), password if hashable else ""
    work, due = old_hashes.work(), list[str]()
    # Known and unknown users wait once, in the same queue. A query inside would delay all requests in the queue.
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
        # Hashers raise different errors for a hash that they cannot read. Such a hash fits no password.
        extra = {"user_key": user_key(user.pk), "error": type(error).__name__}
        logger.error("password hash cannot be read", extra=extra)
        return False
