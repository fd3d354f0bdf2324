"""The one door through which a password is proved, whatever asks: a form, an API, the admin.

`verify()` is what a login calls. The backend beneath it is what makes the door the only one: Django's
own forms call `authenticate()` and so come through here, with the same throttle and the same record.
"""

import logging
from contextlib import suppress
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest
from django.utils import timezone

from accounts.email import normalise
from accounts.models import User
from security import events, old_hashes, throttle
from security.client import Client
from security.models import KnownClient, SecurityEvent
from security.outages import OUTAGES

logger = logging.getLogger("site.security")


class InvalidCredentials(Exception):
    """Unknown, wrong or inactive: the caller is not told which (ASVS 6.3.8)."""


def verify(request: HttpRequest, email: str, password: str) -> User:
    """The user whose password this is.

    Raises `InvalidCredentials`, or `Throttled` before any hash is computed. Call it outside a
    transaction: SQLite's write lock must not be held while a hash is computed.
    """
    user = authenticate(request, username=email, password=password)
    if not isinstance(user, User):
        raise InvalidCredentials
    return user


def admit(user: User, client: Client, **detail: Any) -> None:
    """Lets a verified user in: what every login begins with, inside the transaction that records it.

    Raises `InvalidCredentials` when she was banned, or had everything ended, since her row was read: a
    login that overlaps a withdrawal loses, however long its hash took.
    """
    current = User.objects.filter(pk=user.pk, is_active=True, token_version=user.token_version)
    if not current.update(last_login=timezone.now()):
        raise InvalidCredentials
    new = KnownClient.remember(user, client)
    events.record(SecurityEvent.Name.LOGIN_SUCCESS, user, client, new_client=new, **detail)


class PasswordBackend(ModelBackend):
    """Django's backend, throttled and recorded, and as slow for a stranger as for an owner."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """The active user with this password, or `None` after a hash was computed all the same."""
        if username is None or password is None:
            return None
        client, email = Client.of(request), normalise(username)
        user, known = User.objects.known_to(email, client)
        attempt = _begin(email, client, known)
        fits = False
        try:
            fits = _password_fits(user, password) and user is not None and user.is_active
        except OUTAGES:
            # Whether it was right is not known, and an owner must not be locked out by that.
            with suppress(*OUTAGES):
                attempt.settle(failed=False)
            raise
        except BaseException:
            attempt.settle(failed=True)
            raise
        attempt.settle(failed=not fits)
        if fits:
            return user
        events.login_failed(user, email, client)
        return None


def _begin(email: str, client: Client, known: bool) -> throttle.Attempt:
    try:
        return throttle.begin(throttle.login_limits(email, client, known))
    except throttle.Throttled as refusal:
        events.log("excess_rate_limit_exceeded", client, retry_after=refusal.retry_after)
        raise


def _password_fits(user: User | None, password: str) -> bool:
    # JSON can carry half a surrogate pair, which cannot be hashed; nobody's password holds one.
    hashable = not any("\ud800" <= c <= "\udfff" for c in password)
    if user is None or not user.is_active or not hashable:
        # Refused in any case. An address that is refused sooner tells who has an account here.
        user, password = User(), password if hashable else ""
    if _matches(user, password):
        return True
    old_hashes.make_up_for(password, user.password)
    return False


def _matches(user: User, password: str) -> bool:
    try:
        return user.check_password(password)
    except OUTAGES:
        raise
    except Exception as error:
        # Each hasher has errors of its own for a hash that it cannot read. It fits no password.
        logger.error("password hash cannot be read", extra={"user_id": user.pk, "error": type(error).__name__})
        return False
