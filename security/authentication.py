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
    """503: a store is away, so the server cannot check the credential. The credential stays valid."""

    status_code, default_code = 503, "unavailable"
    default_detail = "Unavailable for a moment"
    # DRF's exception handler sends it as `Retry-After`.
    wait = OUTAGE_RETRY_AFTER


class Revoked(exceptions.AuthenticationFailed, BadRequest):
    """401: the credential itself is valid, but was revoked. `challenge` is the value of `WWW-Authenticate`.

    It is a `BadRequest` for a middleware that is the first to load the user, where DRF handles no exception: Django
    answers a `BadRequest` with 400, and most other exceptions with 500.
    """

    def __init__(self, refusal: str, challenge: str) -> None:
        super().__init__(refusal)
        self.auth_header = challenge


class TokenUser(SimpleLazyObject):
    """`request.user`: the user that a credential names.

    `pk`, `role` and `auth_time` (when the password was last checked, in seconds since 1970, UTC) are in the credential
    and need no query. Any other attribute loads the user's row, by one query. Loading raises the exception that
    `revoked` returns if the row is gone, inactive or at another `token_version` than the credential. In an outage it
    raises `Unavailable`.

    `role` too is the row's if the model has a field of that name with another meaning: see `_has_own_role`.
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

    # A template uses these two before it reads an attribute. Django's own would load the row for `{{ user.pk }}`.

    @property  # type: ignore[misc]  # as in Django's lazy object, whose types say otherwise
    def __class__(self) -> Any:
        return get_user_model() if self._wrapped is empty else type(self._wrapped)

    def __getitem__(self, key: Any) -> Any:
        if not hasattr(self.__class__, "__getitem__"):
            raise TypeError("This user has no items.")
        return row_of(self)[key]


def _has_own_role() -> bool:
    """Whether the model's `role` is not text, or not what `SECURITY_ROLE` returns. The project expects its own."""
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
    """Inside, an outage of a store raises `Unavailable`, which every DRF view answers with 503 instead of 500."""
    try:
        yield
    except OUTAGES as error:
        raise Unavailable from error


def row_of(user: Any) -> Any:
    """The user's row behind `request.user`, for code that needs the instance itself. Raises what `TokenUser` raises."""
    if not isinstance(user, TokenUser):
        return user
    if user._wrapped is empty:
        user._setup()
    return user._wrapped


def credential_role(user: Any) -> str:
    """The role in the credential. For a user from elsewhere, such as `force_authenticate`, the role of the row."""
    return str(user.__dict__["_role"]) if isinstance(user, TokenUser) else role_of(user)
