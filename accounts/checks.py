"""System checks: what must be true of the settings before users get mail from this site. Errors say what to write."""

import ipaddress
from collections.abc import Iterator
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Error, register

IN_ASCII = (
    "Write the domain in its form that begins with xn--, for example DEFAULT_FROM_EMAIL=post@xn--strae-oqa.example."
)
MAIL_SCHEMES = ("smtp", "submission", "console", "file", "memory", "dummy")


@register("accounts")
def configuration(app_configs: Any, **kwargs: Any) -> list[Error]:
    """All of the checks below."""
    return [*_hosts(), *_mail(), *_preload()]


def _hosts() -> Iterator[Error]:
    hosts = settings.ALLOWED_HOSTS
    if not hosts or "*" in hosts:
        yield Error(
            "ALLOWED_HOSTS must name the hosts of this site, without *: a client could put another into our answers.",
            hint="Write for example ALLOWED_HOSTS=login.example.org.",
            id="accounts.E001",
        )
    demo = getattr(settings, "DEMO", False)
    if demo and not all(_is_loopback(host) for host in hosts):
        yield Error(
            "DEMO=1 has known passwords and an open mailbox, but ALLOWED_HOSTS names a host that is not loopback.",
            hint="Write DEMO=0, or ALLOWED_HOSTS=localhost.",
            id="accounts.E002",
        )
    if not _is_address(getattr(settings, "SITE_URL", ""), ("https", "http") if demo else ("https",)):
        yield Error(
            "SITE_URL must be the https:// address of this site: mails link to it.",
            hint="Write for example SITE_URL=https://login.example.org.",
            id="accounts.E003",
        )


def _is_address(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        site = urlsplit(url)
        return site.scheme in schemes and bool(site.hostname) and site.port != 0
    except ValueError:
        return False  # such as a bracket that is not closed, or a port that is not a number


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False  # also for 127.0.0.1.example.org, which its owner can point to any address


def _mail() -> Iterator[Error]:
    hint = "Write for example EMAIL_URL=submission://user:password@mail.example.org:587."
    url = getattr(settings, "EMAIL_URL", "")
    if not url and not getattr(settings, "DEMO", False):
        sentence = "EMAIL_URL is missing: no user could register, reset a password or be warned."
        yield Error(sentence, hint=hint, id="accounts.E004")
    elif url and urlsplit(url).scheme not in MAIL_SCHEMES:
        # The parser takes any other word for plain SMTP, even one that was meant to ask for TLS.
        sentence = f"EMAIL_URL must begin with {', '.join(MAIL_SCHEMES)}: any other word would mean plain SMTP."
        yield Error(sentence, hint=hint, id="accounts.E004")
    sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    if not sender.isascii() or not (urlsplit(url).hostname or "").isascii():
        # Python and Django encode a domain by IDNA 2003, which turns `straße` into `strasse`: another owner's domain.
        sentence = "EMAIL_URL and the address in DEFAULT_FROM_EMAIL must name their domains in ASCII."
        yield Error(sentence, hint=IN_ASCII, id="accounts.E004")


def _preload() -> Iterator[Error]:
    if settings.SECURE_HSTS_PRELOAD and not settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        yield Error(
            "HSTS_PRELOAD is set without HSTS_INCLUDE_SUBDOMAINS: the list accepts no host without its subdomains.",
            hint="Write HSTS_INCLUDE_SUBDOMAINS=1, or HSTS_PRELOAD=0.",
            id="accounts.E005",
        )
