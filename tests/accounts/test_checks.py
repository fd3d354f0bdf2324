from typing import Any

import pytest
from django.core.checks import ERROR, run_checks
from pytest_django import Settings

PRODUCTION = {
    "DEMO": False,
    "ALLOWED_HOSTS": ["login.example.org"],
    "SITE_URL": "https://login.example.org",
    "EMAIL_URL": "submission://user:password@mail.example.org:587",
}


DEMO = {"DEMO": True, "ALLOWED_HOSTS": ["localhost"], "SITE_URL": "http://localhost:8000", "EMAIL_URL": ""}


def ids(settings: Settings, **values: Any) -> set[str]:
    for name, value in (DEMO | values).items():
        setattr(settings, name, value)
    return {str(message.id) for message in run_checks(tags=["accounts"]) if message.is_serious(ERROR)}


@pytest.mark.parametrize("base", [PRODUCTION, DEMO], ids=["production", "demo"])
def test_a_good_configuration_passes(settings: Settings, base: dict[str, Any]) -> None:
    assert ids(settings, **base) == set()


@pytest.mark.parametrize("hosts", [[], ["*"], ["login.example.org", "*"]])
def test_e001_a_host_that_anyone_may_name(settings: Settings, hosts: list[str]) -> None:
    assert ids(settings, **PRODUCTION | {"ALLOWED_HOSTS": hosts}) == {"accounts.E001"}


@pytest.mark.parametrize(
    "host",
    [
        "login.example.org",
        "localhost.example.org",
        ".example.org",
        "0.0.0.0",  # noqa: S104
        "192.168.0.1",
        "127.evil.example",
        "127.0.0.1.nip.io",
    ],
)
def test_e002_a_demo_that_others_can_reach(settings: Settings, host: str) -> None:
    assert ids(settings, **DEMO | {"ALLOWED_HOSTS": ["localhost", host]}) == {"accounts.E002"}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "app.localhost", "127.1.2.3"])
def test_a_demo_on_loopback_is_fine(settings: Settings, host: str) -> None:
    assert ids(settings, **DEMO | {"ALLOWED_HOSTS": [host]}) == set()


@pytest.mark.parametrize(
    "site",
    ["", "login.example.org", "http://login.example.org", "https://", "ftp://login.example.org", "javascript:alert(1)"],
)
def test_e003_links_in_mails_that_lead_nowhere_safe(settings: Settings, site: str) -> None:
    assert ids(settings, **PRODUCTION | {"SITE_URL": site}) == {"accounts.E003"}


@pytest.mark.parametrize(
    "url", ["", "smtp+tls://user:password@mail.example.org:587", "mail.example.org", "https://mail.example.org"]
)
def test_e004_mail_that_would_not_leave_or_would_leave_in_clear(settings: Settings, url: str) -> None:
    assert ids(settings, **PRODUCTION | {"EMAIL_URL": url}) == {"accounts.E004"}


@pytest.mark.parametrize(
    "mail",
    [
        {"EMAIL_URL": "smtp://user:password@mail.stra\u00dfe.example:25"},
        {"DEFAULT_FROM_EMAIL": "no-reply@stra\u00dfe.example"},
        {"DEFAULT_FROM_EMAIL": "Stra\u00dfe <no-reply@stra\u00dfe.example>"},
    ],
)
def test_e004_a_domain_that_would_be_encoded_as_another(settings: Settings, mail: dict[str, str]) -> None:
    assert ids(settings, **PRODUCTION | mail) == {"accounts.E004"}
    sender = "Stra\u00dfe <no-reply@xn--strae-oqa.example>"
    assert ids(settings, **PRODUCTION, DEFAULT_FROM_EMAIL=sender) == set()


def test_e005_preload_of_a_host_without_its_subdomains(settings: Settings) -> None:
    assert ids(settings, SECURE_HSTS_PRELOAD=True) == {"accounts.E005"}
    assert ids(settings, SECURE_HSTS_PRELOAD=True, SECURE_HSTS_INCLUDE_SUBDOMAINS=True) == set()
