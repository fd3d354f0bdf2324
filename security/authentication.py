"""What the authentication classes of both flows share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import BadRequest
from django.db.models import CharField
from django.utils.functional import SimpleLazyObject, empty
from rest_framework import exceptions

from security.backends import with_session_hash
from security.conf import DEFAULT_ROLE, conf
from security.outages import OUTAGE_RETRY_AFTER, OUTAGES
from security.users import access_of, get_user, has_field, role_of


class Unavailable(exceptions.APIException):
    """503: a store is away, so whether the credential still counts is not known. It stays good."""

    status_code, default_code = 503, "unavailable"
    default_detail = "Unavailable for a moment"
    # DRF's own exception handler makes the header Retry-After of it.
    wait = OUTAGE_RETRY_AFTER


class Revoked(exceptions.AuthenticationFailed, BadRequest):
    """401: the credential is good by itself, and was revoked. `challenge` is the value of `WWW-Authenticate`.

    A middleware that asks for more of the user than the view did is past DRF. Django would make a 500 of any exception
    there but its own `BadRequest`, which is a 400.
    """

    def __init__(self, refusal: str, challenge: str) -> None:
        super().__init__(refusal)
        self.auth_header = challenge


class TokenUser(SimpleLazyObject):
    """The user that a credential names, as `request.user`.

    `pk`, `role` and `auth_time` (when the password was last proved, in seconds since 1970, UTC) are the credential's
    and cost nothing. Everything else is the user's row, read by one statement when it is first asked for. That raises
    what `revoked` gives where the row is gone, inactive or at another version than the credential. In an outage it
    raises `Unavailable`.

    `role` is the row's too where the model has a field of that name that means something else: see `_has_own_role`.
    """

    is_authenticated, is_anonymous = True, False

    def __init__(
        self, pk: Any, role: str, token_version: int, auth_time: float, revoked: Callable[[], Revoked]
    ) -> None:
        self.__dict__.update(_pk=pk, _role=role, _auth_time=auth_time)
        super().__init__(partial(_read, pk, token_version, revoked))

    @property
    def pk(self) -> Any:
        return self.__dict__["_pk"]

    @property
    def role(self) -> Any:
        if self._wrapped is empty and not _has_own_role():
            return self.__dict__["_role"]
        return getattr(row_of(self), "role", self.__dict__["_role"])

    @property
    def auth_time(self) -> float:
        return float(self.__dict__["_auth_time"])

    def __bool__(self) -> bool:
        return True

    # Templates ask for both before an attribute, and so `{{ user.pk }}` would read the row.

    @property  # type: ignore[misc]  # as in Django's lazy object, whose types say otherwise
    def __class__(self) -> Any:
        return get_user_model() if self._wrapped is empty else type(self._wrapped)

    def __getitem__(self, key: Any) -> Any:
        if not hasattr(self.__class__, "__getitem__"):
            raise TypeError("This user has no items.")
        return row_of(self)[key]


def _has_own_role() -> bool:
    """Whether `user.role` is no text, or not what `SECURITY_ROLE` gives: a project counts on its own field."""
    if not has_field("role"):
        return False
    field = get_user_model()._meta.get_field("role")
    return not isinstance(field, CharField) or conf.SECURITY_ROLE != DEFAULT_ROLE


def _read(pk: Any, token_version: int, revoked: Callable[[], Revoked]) -> Any:
    with outage_is_503():
        user = get_user(pk)
        if user is None or not user.is_active or access_of(user).token_version != token_version:
            raise revoked()
        return with_session_hash(user)


@contextmanager
def outage_is_503() -> Iterator[None]:
    """Inside, an outage of a store raises `Unavailable`, which every DRF view answers, and not a 500."""
    try:
        yield
    except OUTAGES as error:
        raise Unavailable from error


def row_of(user: Any) -> Any:
    """The row behind `request.user`, for code that keeps it. Raises as `TokenUser` does."""
    if not isinstance(user, TokenUser):
        return user
    if user._wrapped is empty:
        user._setup()
    return user._wrapped


def credential_role(user: Any) -> str:
    """The role that a credential says; of a user who came another way, as by `force_authenticate`, the row's."""
    return str(user.__dict__["_role"]) if isinstance(user, TokenUser) else role_of(user)
