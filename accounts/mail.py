"""Mail that is sent after the commit.

A request stores that a mail is due, in its own transaction. Housekeeping writes the text and sends it. So a mail server
that is slow or away does not affect the request, an unknown address costs the request exactly what a known one does,
and no mail announces a change that was rolled back.

Gives `queue` and the housekeeping task `deliver`.
"""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core import signing
from django.core.mail import EmailMessage
from django.dispatch import receiver
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts.email import deliverable
from accounts.models import DemoMail, OutgoingMail, User
from security.housekeeping import task
from security.signals import password_changed, token_reuse_detected

logger = logging.getLogger("site.mail")

REGISTRATION_SALT = "accounts.registration"
BATCH = 50
# After so many attempts a mail is given up. The pause between them doubles, so this is after about a day and a half.
ATTEMPTS = 12
FIRST_RETRY = timedelta(minutes=1)


@receiver(password_changed)
def tell_of_new_password(sender: object, user: User, **kwargs: Any) -> None:
    """Tells the user by mail, because another person may have set the password."""
    queue("password_changed", user.email_as_given)


@receiver(token_reuse_detected)
def tell_of_reuse(sender: object, user: User, everything: bool, **kwargs: Any) -> None:
    """Tells the user by mail if all access was revoked because two clients had one refresh token."""
    if everything:
        queue("token_reuse", user.email_as_given)


def queue(kind: str, to: str, **context: str) -> None:
    """Stores, in the caller's transaction, that the mail `kind` is due to `to`, an address as given."""
    OutgoingMail.objects.create(kind=kind, to=to, context=context)


@task("mail", every=1, waits=True)
def deliver() -> str:
    """Sends the mails that are due. A mail that fails is tried again later, each time after twice as long."""
    due = OutgoingMail.objects.filter(due__lte=timezone.now()).order_by("due")[:BATCH]
    sent = sum(_deliver(mail) for mail in due)
    return f"{sent} handed over" if sent else ""


def _deliver(mail: OutgoingMail) -> bool:
    # Claims the mail by moving `due`. Otherwise a second process could send it again.
    later = timezone.now() + FIRST_RETRY * 2**mail.attempts
    mine = OutgoingMail.objects.filter(pk=mail.pk, due=mail.due).update(due=later, attempts=mail.attempts + 1)
    if not mine:
        return False
    try:
        _hand_over(mail)
    except Exception as error:
        # Any error: an address that cannot be encoded, for example, must not keep the other mails from being sent.
        last = mail.attempts + 1 >= ATTEMPTS
        logger.warning("mail failed", extra={"kind": mail.kind, "error": type(error).__name__, "given_up": last})
        if last:
            mail.delete()
        return False
    mail.delete()
    return True


def _hand_over(mail: OutgoingMail) -> None:
    """Writes the text and sends it. Raises what the server or the library raises."""
    text = _TEXTS[mail.kind](mail)
    if text is None:
        return
    address, subject, template, context = text
    to = deliverable(address)
    body = render_to_string(f"mail/{template}.txt", context)
    if settings.EMAIL_URL:
        EmailMessage(subject, body, to=[to]).send()
    else:
        DemoMail.objects.create(to=to, subject=subject, body=body)


# The address as given, the subject, the name of the template, and its context.
Text = tuple[str, str, str, dict[str, Any]]


def _registration(mail: OutgoingMail) -> Text:
    if user := User.objects.filter(email=mail.to).first():
        # Not to the address that was typed: it has the same normal form, but may be another mailbox.
        link = settings.SITE_URL + reverse("accounts:password_reset")
        return user.email_as_given, "You already have an account", "registered_already", {"link": link}
    token = signing.dumps({"email": mail.to, "name": mail.context["name"]}, salt=REGISTRATION_SALT)
    link = settings.SITE_URL + reverse("accounts:register_confirm", args=[token])
    return mail.to, "Finish your registration", "register", {"link": link, "name": mail.context["name"]}


def _password_reset(mail: OutgoingMail) -> Text | None:
    user = User.objects.filter(email=mail.to, is_active=True).first()
    if user is None:
        return None
    key = urlsafe_base64_encode(force_bytes(user.pk)), default_token_generator.make_token(user)
    link = settings.SITE_URL + reverse("accounts:password_reset_confirm", args=key)
    context = {"link": link, "name": user.get_full_name()}
    # As above, not to the address that was typed.
    return user.email_as_given, "Set a new password", "password_reset", context


def _password_changed(mail: OutgoingMail) -> Text:
    link = settings.SITE_URL + reverse("accounts:password_reset")
    return mail.to, "Your password was changed", "password_changed", {"link": link}


def _token_reuse(mail: OutgoingMail) -> Text:
    link = settings.SITE_URL + reverse("accounts:password_reset")
    return mail.to, "Somebody else may have used your login", "token_reuse", {"link": link}


_TEXTS = {
    "register": _registration,
    "password_reset": _password_reset,
    "password_changed": _password_changed,
    "token_reuse": _token_reuse,
}
