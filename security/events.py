"""What happened to a user's access: a row that stays, and a log line for a program that watches now.

Names follow the OWASP logging vocabulary. No password, token, cookie or session id is ever passed in
here, and no address that no user here has: people type passwords into the wrong field.
"""

import logging
from typing import Any

from django.utils.crypto import salted_hmac

from security.client import Client
from security.models import SecurityEvent
from security.users import email_of, user_key

logger = logging.getLogger("site.security")


def record(name: SecurityEvent.Name, user: Any, client: Client, **detail: Any) -> None:
    """Writes the event `name` about `user` as a row and as a log line. `detail` must be JSON."""
    SecurityEvent.objects.create(
        name=name,
        user_key=user_key(user.pk) if user else "",
        email=email_of(user)[:254] if user else "",
        address=client.address,
        user_agent=client.user_agent,
        detail=detail,
    )
    log(name.value, client, user_key=user_key(user.pk) if user else None, **detail)


def log(name: str, client: Client, level: int = logging.INFO, **detail: Any) -> None:
    """The log line alone, for what happens too often to keep."""
    extra = {"event": name, "address": client.address, "user_agent": client.user_agent, **detail}
    logger.log(level, name, extra=extra)


def login_failed(user: Any, identifier: str, client: Client) -> None:
    """One refused login. For a name that no user has, only a keyed digest is kept, to see a series by."""
    if user is not None:
        record(SecurityEvent.Name.LOGIN_FAIL, user, client, inactive=not getattr(user, "is_active", True))
        return
    # Without the key, a reader of the log could try passwords against the digest of a mistyped one.
    digest = salted_hmac("security.events", identifier).hexdigest()[:16]
    record(SecurityEvent.Name.LOGIN_FAIL, None, client, unknown=digest)
