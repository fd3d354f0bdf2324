"""The short form in which Redis keeps the record of a login: the same values in less than half the bytes.

`short` turns the fields that every login has into a list, in the order of `FIELDS`; `whole` makes the record again.
What a view has stored besides follows as a dict. A record that lacks a field, or has an unusual value in one, is kept
as a dict.
"""

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

# Keys of a record, besides Django's: the row in the registry, the user's `token_version`, and both ends in seconds
# since 1970, UTC. They begin as Django's own keys do. Otherwise a view that stores a "role" or a "device" of its own in
# the session would change who the user is.
DEVICE, TOKEN_VERSION, ABSOLUTE_END, IDLE_END = "_auth_device", "_auth_ver", "_auth_absolute_end", "_auth_idle_end"
# With these, whoami needs no database.
USER_ID, ROLE, REMEMBER, SEEN, REAUTHENTICATED = SESSION_KEY, "_auth_role", "_auth_remember", "_auth_seen", "_auth_time"

# This backend is kept as 0, any other by its path.
BACKEND = "security.backends.PasswordBackend"
MICROSECONDS = 1_000_000


def short(record: dict[str, Any]) -> dict[str, Any] | list[Any]:
    """The short form of this record: a list if `whole` makes exactly this record of it, otherwise the record itself."""
    try:
        kept = [write(record[name]) for name, write, _ in FIELDS]
        seen, *later = (round(record[name] * MICROSECONDS) for name in TIMES)
    except (KeyError, ValueError, TypeError, OverflowError):
        return record
    kept += [seen, *(time - seen for time in later)]
    if rest := {name: value for name, value in record.items() if name not in NAMES}:
        kept.append(rest)
    return kept if whole(kept) == record else record


def whole(kept: Any) -> dict[str, Any]:
    """The record of which `kept` is the short form.

    Raises `ValueError`, `TypeError` or `OverflowError` for a value that `short` does not make.
    """
    if isinstance(kept, dict):
        return kept
    *fields, seen, proved, absolute, idle = kept[: len(NAMES)]
    record = {name: read(value) for (name, _, read), value in zip(FIELDS, fields, strict=True)}
    record[SEEN] = seen / MICROSECONDS
    record[REAUTHENTICATED] = (seen + proved) / MICROSECONDS
    record[ABSOLUTE_END] = (seen + absolute) / MICROSECONDS
    record[IDLE_END] = (seen + idle) / MICROSECONDS
    for rest in kept[len(NAMES) :]:
        record.update(rest)
    return record


def _as_it_is(value: Any) -> Any:
    return value


def short_hex(text: str) -> str:
    """Hexadecimal digits as base64, which has two thirds of the characters. Raises `ValueError` for other text."""
    return b2a_base64(bytes.fromhex(text), newline=False).decode().rstrip("=")


def _hex(text: str) -> str:
    return a2b_base64(f"{text}==").hex()


def short_uuid(text: str) -> str:
    """A UUID in 22 characters. Raises `ValueError` for other text."""
    return short_hex(UUID(text).hex)


def _uuid(text: str) -> str:
    return str(UUID(_hex(text)))


def _from_backend(path: str) -> str | int:
    return 0 if path == BACKEND else path


def _backend(kept: str | int) -> str:
    return kept if isinstance(kept, str) else BACKEND


# Each field, the function that makes its short form, and the function that makes the value again.
FIELDS: tuple[tuple[str, Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    (DEVICE, short_uuid, _uuid),
    (HASH_SESSION_KEY, short_hex, _hex),
    (BACKEND_SESSION_KEY, _from_backend, _backend),
    (USER_ID, _as_it_is, _as_it_is),
    (ROLE, _as_it_is, _as_it_is),
    (TOKEN_VERSION, _as_it_is, _as_it_is),
    (REMEMBER, int, bool),
)
# These follow in the list: the first in microseconds since 1970, the others in microseconds since the first.
TIMES = (SEEN, REAUTHENTICATED, ABSOLUTE_END, IDLE_END)
NAMES = (*(name for name, _, _ in FIELDS), *TIMES)
