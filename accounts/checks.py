"""What must be true of the configuration before this site answers anyone. Each refusal names its variable."""

import ipaddress
from collections.abc import Iterator
from contextlib import suppress
from email.utils import parseaddr
from threading import RLock
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.checks import ERROR, CheckMessage, Error, Tags, Warning, register, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.module_loading import import_string

SECRET_BYTES = 32
HOW_TO_MAKE = "Take the output of: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
PLACEHOLDERS = ("change", "secret", "insecure", "example", "placeholder", "password", "xxxxxx")
MAIL_SCHEMES = ("smtp", "submission", "console", "file", "memory", "dummy")
DOOR = "accounts.verify.PasswordBackend"


class _Checked:
    """Whether this process has passed all checks, or is at them: one may load code that comes back here."""

    lock, passed = RLock(), False


def refuse_mistakes() -> None:
    """Runs all checks that Django knows, as only `manage.py` does by itself.

    The middleware of a part calls it when it is made, so that no server starts without it, whatever made the
    application. Raises `ImproperlyConfigured` with a line for each error. A process that has passed does not run them
    again; one that has not does.
    """
    errors = None
    with _Checked.lock:
        if _Checked.passed:
            return
        try:
            _Checked.passed = True
            errors = [_line(one) for one in run_checks() if one.is_serious(ERROR) and not one.is_silenced()]
        finally:
            _Checked.passed = errors == []
    if errors:
        raise ImproperlyConfigured("\n".join(sorted(errors)))


def _line(error: CheckMessage) -> str:
    where = f" ({error.obj})" if error.obj is not None else ""
    return " ".join(f"{error.id}: {error.msg}{where} {error.hint or ''}".split())


def has_middleware(path: str) -> bool:
    """Whether `MIDDLEWARE` names this class or a subclass of it."""
    return any(issubclass(kind, import_string(path)) for kind in _middleware())


def _middleware() -> Iterator[type]:
    for name in settings.MIDDLEWARE:
        with suppress(ImportError):  # Django itself says that it cannot be loaded
            if isinstance(kind := import_string(name), type):
                yield kind


@register("accounts")
def configuration(app_configs: Any, **kwargs: Any) -> list[Error]:
    """All of the checks below."""
    return [*_secret(), *_hosts(), *_mail(), *_proxies(), *_door(), *_preload(), *_cookies()]


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
    demo = getattr(settings, "DEMO", False)
    if demo and not all(_is_loopback(host) for host in hosts):
        yield Error(
            "DEMO=1 has known passwords and an open mailbox, and ALLOWED_HOSTS names a host that is not loopback.",
            id="accounts.E003",
        )
    if not _is_address(getattr(settings, "SITE_URL", ""), ("https", "http") if demo else ("https",)):
        yield Error("SITE_URL must be the https:// address of this site: mails link to it.", id="accounts.E004")


def _is_address(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        site = urlsplit(url)
        return site.scheme in schemes and bool(site.hostname) and site.port != 0
    except ValueError:
        return False  # a bracket that is not closed, a port that is no number


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False  # also 127.0.0.1.example.org, which is wherever its owner wants


def _mail() -> Iterator[Error]:
    hint = "For example submission://user:password@mail.example.org:587"
    url = getattr(settings, "EMAIL_URL", "")
    if not url and not getattr(settings, "DEMO", False):
        sentence = "EMAIL_URL is missing: nobody could register, reset a password or be warned."
        yield Error(sentence, hint=hint, id="accounts.E005")
    elif url and urlsplit(url).scheme not in MAIL_SCHEMES:
        # The parser takes any other word for plain SMTP, also one that was meant to ask for TLS.
        yield Error(f"EMAIL_URL must begin with {', '.join(MAIL_SCHEMES)}.", hint=hint, id="accounts.E005")
    sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    if not sender.isascii() or not (urlsplit(url).hostname or "").isascii():
        # Python and Django encode a name by IDNA 2003, which makes `strasse` of `straße`: a domain of somebody else.
        sentence = "EMAIL_URL and the address in DEFAULT_FROM_EMAIL must name their domains in ASCII."
        yield Error(sentence, hint="A domain with other letters begins with xn--.", id="accounts.E005")


def _proxies() -> Iterator[Error]:
    if settings.TRUSTED_PROXIES < 0:
        yield Error("TRUSTED_PROXIES is a number of proxies and cannot be negative.", id="accounts.E006")


def _door() -> Iterator[Error]:
    if settings.AUTHENTICATION_BACKENDS != [DOOR]:
        yield Error(
            f"AUTHENTICATION_BACKENDS must be {DOOR} alone: any other is a door without the throttle.",
            id="accounts.E007",
        )


def _preload() -> Iterator[Error]:
    if settings.SECURE_HSTS_PRELOAD and not settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        yield Error(
            "HSTS_PRELOAD is set without HSTS_INCLUDE_SUBDOMAINS: the list takes no host without its subdomains.",
            id="accounts.E010",
        )


def _cookies() -> Iterator[Error]:
    exact = import_string("accounts.cookies.ExactCookiesMiddleware")
    for kind in _middleware():
        if issubclass(kind, exact):
            return
        if issubclass(kind, (SessionMiddleware, CsrfViewMiddleware)):
            break
    yield Error(
        "MIDDLEWARE must name accounts.cookies.ExactCookiesMiddleware before sessions and CSRF: without it a sibling "
        "host can set a cookie that Django reads as ours.",
        id="accounts.E009",
    )


@register(Tags.database)
def wrapped(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[Warning]:
    """Hashes that are not wrapped yet. Asked by `migrate` and by `check --database default`."""
    from accounts import old_hashes  # it loads the models, and a server asks for the checks before they can be

    try:
        number = old_hashes.bare().count() if databases else 0
    except DatabaseError:
        return []  # the table is not there yet, or the database is away: others say so
    sentence = f"{number} users have a password hash by PBKDF2 alone. Until it is wrapped, refused logins take longer."
    hint = "Run: manage.py wrap_password_hashes"
    return [Warning(sentence, hint=hint, id="accounts.W001")] if number else []
