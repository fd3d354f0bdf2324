"""The settings of this app, with the defaults for a project that does not set them. Read as attributes of `conf`."""

from typing import Any

from django.conf import settings
from django.utils.functional import empty


class Conf:
    """Settings by name: the project's, or the default that was given here."""

    def __init__(self, **defaults: Any) -> None:
        self._defaults = defaults

    def __getattr__(self, name: str) -> Any:
        if name not in self._defaults:
            raise AttributeError(f"There is no setting {name} here.")
        return setting(name, self._defaults[name])


def setting(name: str, default: Any) -> Any:
    """The project's setting, as it is now, or `default`.

    Past Django's `LazySettings`, which raises two exceptions for a setting that is not there: ten of those would be a
    tenth of a request.
    """
    wrapped = object.__getattribute__(settings, "_wrapped")
    return getattr(settings if wrapped is empty else wrapped, name, default)


DEFAULT_ROLE = "security.users.default_role"

conf = Conf(
    # Called with a user; gives the role that sessions and tokens carry.
    SECURITY_ROLE=DEFAULT_ROLE,
    # The fields whose change revokes a user's access, as far as the user model has them. The fields that name the
    # user and take mail are always guarded.
    SECURITY_GUARDED_FIELDS=("password", "is_active", "is_staff", "is_superuser", "role"),
    # How many proxies of yours stand in front; so many entries of X-Forwarded-For are believed.
    TRUSTED_PROXIES=0,
    # The cache, in Redis, where failed logins and mails are counted.
    THROTTLE_CACHE_ALIAS="throttle",
    # Failures allowed in so many seconds; security/throttle.py says what each one stops.
    THROTTLE_ACCOUNT_AND_ADDRESS=(10, 5 * 60),
    THROTTLE_ADDRESS=(100, 5 * 60),
    THROTTLE_ACCOUNT_FROM_UNKNOWN_CLIENTS=(50, 60 * 60),
    # Mails in so many seconds, counted whether the address is known here or not.
    THROTTLE_MAIL_TO_ADDRESSEE=(5, 60 * 60),
    THROTTLE_MAIL_FROM_ADDRESS=(20, 60 * 60),
)
