"""The short form in which the store keeps the record of a login: under half the bytes, and the same values.

`short` makes a list of what every login has, in the order of `FIELDS`, and `whole` makes the record of it again. What a
view keeps besides follows in a dict, under the names it was given. A record that lacks a field, or holds something
unusual in one, stays a dict.
"""

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

# What a record says of its session, beside what Django does: the row in the registry, the version of its user's access,
# and both ends in seconds since 1970, UTC. The names begin as Django's own do: a view that keeps a "role" or a "device"
# of its own in a session must not change who the user is.
DEVICE, TOKEN_VERSION, ABSOLUTE_END, IDLE_END = "_auth_device", "_auth_ver", "_auth_absolute_end", "_auth_idle_end"
# Enough to answer whoami without the database.
USER_ID, ROLE, REMEMBER, SEEN, REAUTHENTICATED = SESSION_KEY, "_auth_role", "_auth_remember", "_auth_seen", "_auth_time"

# Kept as 0, another one as it is.
BACKEND = "security.backends.PasswordBackend"
MICROSECONDS = 1_000_000


def short(record: dict[str, Any]) -> dict[str, Any] | list[Any]:
    """What is kept of this record: a list if `whole` makes exactly this record of it, the record itself otherwise."""
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
    """The record that was kept so.

    Raises `ValueError`, `TypeError` or `OverflowError` for what is none.
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
    """Hexadecimal digits in two thirds of the characters. Raises `ValueError` for what is none."""
    return b2a_base64(bytes.fromhex(text), newline=False).decode().rstrip("=")


def _hex(text: str) -> str:
    return a2b_base64(f"{text}==").hex()


def short_uuid(text: str) -> str:
    """A UUID in 22 characters. Raises `ValueError` for what is none."""
    return short_hex(UUID(text).hex)


def _uuid(text: str) -> str:
    return str(UUID(_hex(text)))


def _from_backend(path: str) -> str | int:
    return 0 if path == BACKEND else path


def _backend(kept: str | int) -> str:
    return kept if isinstance(kept, str) else BACKEND


# Each field with what makes its short form, and what makes the value of that again.
FIELDS: tuple[tuple[str, Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    (DEVICE, short_uuid, _uuid),
    (HASH_SESSION_KEY, short_hex, _hex),
    (BACKEND_SESSION_KEY, _from_backend, _backend),
    (USER_ID, _as_it_is, _as_it_is),
    (ROLE, _as_it_is, _as_it_is),
    (TOKEN_VERSION, _as_it_is, _as_it_is),
    (REMEMBER, int, bool),
)
# After those. The first in microseconds since 1970, the others in microseconds since the first.
TIMES = (SEEN, REAUTHENTICATED, ABSOLUTE_END, IDLE_END)
NAMES = (*(name for name, _, _ in FIELDS), *TIMES)
