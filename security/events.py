"""Security events: each is stored as a row and written as a log line.

Names follow the OWASP logging vocabulary. No password, token, cookie or session id is ever passed in here. A login
name that no user has is not stored either: people type passwords into the wrong field.
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
    """Writes only the log line, for events that are too frequent to store."""
    extra = {"event": name, "address": client.address, "user_agent": client.user_agent, **detail}
    logger.log(level, name, extra=extra)


def login_failed(user: Any, identifier: str, client: Client) -> None:
    """Records one refused login. If no user has the name, only a keyed digest is stored, to recognise repetitions."""
    if user is not None:
        record(SecurityEvent.Name.LOGIN_FAIL, user, client, inactive=not getattr(user, "is_active", True))
        return
    # A user may have typed the password as the name. Without the key, a reader of the log could guess it by its digest.
    digest = salted_hmac("security.events", identifier).hexdigest()[:16]
    record(SecurityEvent.Name.LOGIN_FAIL, None, client, unknown=digest)
