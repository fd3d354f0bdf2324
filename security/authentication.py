"""What the authentication classes of both flows share."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.utils.functional import SimpleLazyObject, empty
from rest_framework import exceptions

from security.backends import with_session_hash
from security.outages import OUTAGE_RETRY_AFTER, OUTAGES
from security.users import access_of, get_user, role_of


class Unavailable(exceptions.APIException):
    """503: a store is away, so whether the credential still counts is not known. It stays good."""

    status_code, default_code = 503, "unavailable"
    default_detail = "Unavailable for a moment"
    # DRF's own exception handler makes the header Retry-After of it.
    wait = OUTAGE_RETRY_AFTER


class Revoked(exceptions.AuthenticationFailed):
    """401: the credential is good by itself, and the user's row says that it was revoked."""

    # A template that names the user is rendered after the view has answered. Here it shows nothing, and is no 500.
    silent_variable_failure = True


class TokenUser(SimpleLazyObject):
    """The user that a credential names, as `request.user`.

    `pk`, `role` and `auth_time` (when the password was last proved, in seconds since 1970, UTC) are the credential's
    and cost nothing. Everything else is the user's row, read by one statement when it is first asked for. That raises
    `Revoked` where the row is gone, inactive or at another version than the credential; in an outage, `Unavailable`.
    """

    is_authenticated, is_anonymous = True, False

    def __init__(self, pk: Any, role: str, token_version: int, auth_time: float, refusal: str) -> None:
        self.__dict__.update(_pk=pk, _role=role, _auth_time=auth_time)
        super().__init__(partial(_read, pk, token_version, refusal))

    @property
    def pk(self) -> Any:
        return self.__dict__["_pk"]

    @property
    def role(self) -> str:
        # A view may have changed the row that it has read.
        return str(self.__dict__["_role"]) if self._wrapped is empty else role_of(self._wrapped)

    @property
    def auth_time(self) -> float:
        return float(self.__dict__["_auth_time"])

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        # DRF's browsable page names the user after the view has answered, when a refusal would be a 500.
        try:
            return str(row_of(self))
        except exceptions.APIException:
            return str(self.pk)


def _read(pk: Any, token_version: int, refusal: str) -> Any:
    with outage_is_503():
        user = get_user(pk)
        if user is None or not user.is_active or access_of(user).token_version != token_version:
            raise Revoked(refusal)
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
    return user.role if isinstance(user, TokenUser) else role_of(user)
