"""What must be true of the configuration before this site answers anyone. Each refusal names its variable."""

import ipaddress
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Error, register

SECRET_BYTES = 32
HOW_TO_MAKE = "Take the output of: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
PLACEHOLDERS = ("change", "secret", "insecure", "example", "placeholder", "password", "xxxxxx")
MAIL_SCHEMES = ("smtp", "submission", "console", "file", "memory", "dummy")
DOOR = "accounts.verify.PasswordBackend"


@register("accounts")
def configuration(app_configs: Any, **kwargs: Any) -> list[Error]:
    """All of the checks below."""
    return [*_secret(), *_hosts(), *_mail(), *_proxies(), *_door()]


def _secret() -> Iterator[Error]:
    if is_guessable(settings.SECRET_KEY):
        sentence = f"SECRET_KEY is shorter than {SECRET_BYTES} bytes or a placeholder."
        yield Error(sentence, hint=HOW_TO_MAKE, id="accounts.E001")


def is_guessable(key: str) -> bool:
    """Whether a secret is too short, or one that somebody typed (ASVS 11.3)."""
    short = len(key.encode()) < SECRET_BYTES or len(set(key)) < 10
    return short or any(word in key.lower() for word in PLACEHOLDERS)


def _hosts() -> Iterator[Error]:
    hosts = settings.ALLOWED_HOSTS
    if not hosts or "*" in hosts:
        yield Error(
            "ALLOWED_HOSTS must name the hosts of this site, without *: any other name could be put into our answers.",
            id="accounts.E002",
        )
    if settings.DEMO and not all(_is_loopback(host) for host in hosts):
        yield Error(
            "DEMO=1 has known passwords and an open mailbox, and ALLOWED_HOSTS names a host that is not loopback.",
            id="accounts.E003",
        )
    site = urlsplit(settings.SITE_URL)
    if site.scheme not in ("https", "http") or not site.hostname or (site.scheme == "http" and not settings.DEMO):
        yield Error("SITE_URL must be the https:// address of this site: mails link to it.", id="accounts.E004")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False  # also 127.0.0.1.example.org, which is wherever its owner wants


def _mail() -> Iterator[Error]:
    hint = "For example submission://user:password@mail.example.org:587"
    if not settings.EMAIL_URL and not settings.DEMO:
        sentence = "EMAIL_URL is missing: nobody could register, reset a password or be warned."
        yield Error(sentence, hint=hint, id="accounts.E005")
    elif settings.EMAIL_URL and urlsplit(settings.EMAIL_URL).scheme not in MAIL_SCHEMES:
        # The parser takes any other word for plain SMTP, also one that was meant to ask for TLS.
        yield Error(f"EMAIL_URL must begin with {', '.join(MAIL_SCHEMES)}.", hint=hint, id="accounts.E005")


def _proxies() -> Iterator[Error]:
    if settings.TRUSTED_PROXIES < 0:
        yield Error("TRUSTED_PROXIES is a number of proxies and cannot be negative.", id="accounts.E006")


def _door() -> Iterator[Error]:
    if settings.AUTHENTICATION_BACKENDS != [DOOR]:
        yield Error(
            f"AUTHENTICATION_BACKENDS must be {DOOR} alone: any other is a door without the throttle.",
            id="accounts.E007",
        )
