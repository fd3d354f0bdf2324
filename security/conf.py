"""The settings of this app, with the defaults for a project that does not set them. Read as attributes of `conf`."""

from typing import Any

from django.conf import settings
from django.utils.functional import empty


class Conf:
    """Settings by name: the project's value, or else the default that was given here."""

    def __init__(self, **defaults: Any) -> None:
        self._defaults = defaults

    def __getattr__(self, name: str) -> Any:
        if name not in self._defaults:
            raise AttributeError(f"There is no setting {name} here.")
        return setting(name, self._defaults[name])


def setting(name: str, default: Any) -> Any:
    """The project's present setting, or `default`.

    It bypasses Django's `LazySettings`, which raises two exceptions for a setting that is not there: ten such settings
    would take a tenth of a request's time.
    """
    wrapped = object.__getattribute__(settings, "_wrapped")
    return getattr(settings if wrapped is empty else wrapped, name, default)


DEFAULT_ROLE = "security.users.default_role"

conf = Conf(
    # The path of a function that takes a user and returns the role that sessions and tokens carry.
    SECURITY_ROLE=DEFAULT_ROLE,
    # The fields whose change revokes a user's access, as far as the user model has them. The login name and the e-mail
    # address are always guarded.
    SECURITY_GUARDED_FIELDS=("password", "is_active", "is_staff", "is_superuser", "role"),
    # How many proxies of yours stand in front. As many entries of X-Forwarded-For are trusted.
    TRUSTED_PROXIES=0,
    # The cache, in Redis, where failed logins and mails are counted.
    THROTTLE_CACHE_ALIAS="throttle",
    # How many failures are allowed, and in how many seconds. security/throttle.py says what each limit stops.
    THROTTLE_ACCOUNT_AND_ADDRESS=(10, 5 * 60),
    THROTTLE_ADDRESS=(100, 5 * 60),
    THROTTLE_ACCOUNT_FROM_UNKNOWN_CLIENTS=(50, 60 * 60),
    # How many mails are sent, and in how many seconds. They are counted for unknown addresses too.
    THROTTLE_MAIL_TO_ADDRESSEE=(5, 60 * 60),
    THROTTLE_MAIL_FROM_ADDRESS=(20, 60 * 60),
)
