"""Signals from these apps to the project, for example so that it can send mail to its users.

Each is sent after the commit, with the user model as `sender`. If a receiver raises, Django logs it and nothing is
rolled back.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.dispatch import Signal

# A login from a client that this user has not used before. Arguments: user, client.
new_client_seen = Signal()
# All access of a user was revoked. Arguments: user_key (text), user (as it was, if deleted), reason, token_version.
access_revoked = Signal()
# A refresh token was used twice. Arguments: user, client, everything (whether all access of the user was revoked).
token_reuse_detected = Signal()
# A user has set a new password. Arguments: user, client, by_mail (whether by a link in a mail).
password_changed = Signal()


def send_after_commit(signal: Signal, **arguments: Any) -> None:
    """Sends `signal` once the transaction of the caller is committed, and not if it is rolled back."""
    transaction.on_commit(lambda: signal.send_robust(sender=get_user_model(), **arguments))
