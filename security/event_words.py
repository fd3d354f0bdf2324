"""Security events in words: what happened, by whom, and why.

Gives `in_words` and `keys_in`, for the admin.
"""

from typing import Any

from security.admin_users import administrators_in, name_of, with_names
from security.devices import counted
from security.models import SecurityEvent

Name = SecurityEvent.Name
FLOWS = {"session": "with a session", "jwt": "with tokens"}


def keys_in(event: SecurityEvent) -> list[str]:
    """The keys of the users in an event: the user it is about, and the administrators in its detail."""
    by, reason = str(event.detail.get("by", "")), str(event.detail.get("reason", ""))
    return [event.user_key, by, *administrators_in(reason)]


def in_words(event: SecurityEvent, users: dict[str, Any]) -> str:
    """The event as one line. `users` maps each `user_key` in the event to its user."""
    what, because = _what(event, users), with_names(_why(event), users)
    return f"{what}: {because}" if because else what


def _what(event: SecurityEvent, users: dict[str, Any]) -> str:
    action, by = str(event.detail.get("action", "")), str(event.detail.get("by", ""))
    if event.name != Name.ADMIN_ACTION or not action:
        return event.title
    return f"{action[:1].upper()}{action[1:]} by {name_of(by, users)}"


def _why(event: SecurityEvent) -> str:
    write = {
        Name.LOGIN_SUCCESS.value: _login,
        Name.LOGIN_FAIL.value: _failure,
        Name.TOKEN_REUSED.value: _reuse,
        Name.ADMIN_ACTION.value: _change,
    }.get(event.name, _reason)
    return write(event.detail)


def _login(detail: dict[str, Any]) -> str:
    told = [
        FLOWS.get(detail.get("flow", ""), ""),
        "to confirm the password" if detail.get("reauthenticated") else "",
        "from a new browser or app" if detail.get("new_client") else "",
    ]
    return ", ".join(filter(None, told))


def _failure(detail: dict[str, Any]) -> str:
    if "unknown" in detail:
        return "no user has the name that was given"
    return "the account is not active" if detail.get("inactive") else ""


def _reuse(detail: dict[str, Any]) -> str:
    return "all logins of the user were ended" if detail.get("everything") else "this login was ended"


def _change(detail: dict[str, Any]) -> str:
    return str(detail.get("reason") or ", ".join(map(str, detail.get("fields", []))))


def _reason(detail: dict[str, Any]) -> str:
    ended = counted(detail["ended"], "login") if "ended" in detail else ""
    return ", ".join(filter(None, [ended, str(detail.get("reason", ""))]))
