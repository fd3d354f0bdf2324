"""The project's own code runs in the range with the site's settings: the same defences, in the same order."""

import json

import pytest
from django.conf import settings

from tests.attack_range.asking import inside
from tests.running import Range

SAME = (
    "AUTHENTICATION_BACKENDS",
    "CONTENT_SECURITY_POLICY",
    "CSRF_COOKIE_SAMESITE",
    "CSRF_COOKIE_SECURE",
    "CSRF_TRUSTED_ORIGINS",
    "DATA_UPLOAD_MAX_MEMORY_SIZE",
    "DEBUG",
    "MESSAGE_STORAGE",
    "SECURE_CONTENT_TYPE_NOSNIFF",
    "SECURE_CROSS_ORIGIN_OPENER_POLICY",
    "SECURE_REFERRER_POLICY",
    "SESSION_COOKIE_HTTPONLY",
    "SESSION_COOKIE_SAMESITE",
    "SESSION_COOKIE_SECURE",
    "SESSION_ENGINE",
    "SILENCED_SYSTEM_CHECKS",
    "X_FRAME_OPTIONS",
)
# Where the range has a class, the site may have a subclass of it.
OF_THE_SITE = {
    "config.headers.PolicyMiddleware": "csp.middleware.CSPMiddleware",
    "config.headers.SecurityHeadersMiddleware": "django.middleware.security.SecurityMiddleware",
    "config.headers.HostMiddleware": "django.middleware.common.CommonMiddleware",
    "config.closed.ClosedByDefaultMiddleware": "django.contrib.auth.middleware.LoginRequiredMiddleware",
}
# These log requests, write error pages and serve files; they are no defences.
NO_DEFENCES = (
    "lab.tracing.middleware.TraceMiddleware",
    "config.log.RequestLogMiddleware",
    "config.errors.ErrorPageMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
)
READ = """
import json
from django.conf import settings
print(json.dumps({name: getattr(settings, name) for name in NAMES}))
"""


@pytest.fixture(scope="module")
def of_range(attack_range: Range) -> dict[str, object]:
    found: dict[str, object] = json.loads(inside(attack_range, READ.replace("NAMES", repr([*SAME, "MIDDLEWARE"]))))
    return found


@pytest.mark.site
@pytest.mark.parametrize("name", SAME)
def test_a_defence_is_set_as_on_the_site(of_range: dict[str, object], name: str) -> None:
    assert of_range[name] == json.loads(json.dumps(getattr(settings, name)))


@pytest.mark.site
def test_the_sites_middleware_stands_before_what_is_attacked_in_the_same_order(of_range: dict[str, object]) -> None:
    expected = [OF_THE_SITE.get(name, name) for name in settings.MIDDLEWARE if name not in NO_DEFENCES]
    assert of_range["MIDDLEWARE"] == expected
