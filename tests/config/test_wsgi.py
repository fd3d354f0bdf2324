"""The WSGI application that the web server calls, with requests that reach no middleware."""

import os
import subprocess
import sys

import httpx
import pytest
from django.conf import settings
from django.core.cache import caches
from django_redis.cache import RedisCache

from config.wsgi import application

CHARSETS = ["rot13", "undefined", "idna", "utf-7", "hex", "utf-16", "nonsense", '"', "utf-8", "UTF8"]


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=X", "text/plain"])
@pytest.mark.parametrize("charset", [*(f"charset={name}" for name in CHARSETS), "x*=rot13''a", "charset*=no''%ff"])
def test_no_charset_is_a_fault_of_ours(db: None, kind: str, charset: str) -> None:
    transport = httpx.WSGITransport(app=application, raise_app_exceptions=True)
    headers = {"Content-Type": f"{kind}; {charset}".encode("latin-1")}
    body = b'--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n+2AA-\r\n--X--\r\n'
    with httpx.Client(transport=transport, base_url="https://localhost") as client:
        for path in ("/session/login/?next=%41", "/session/auth/login", "/accounts/register/"):
            assert client.post(path, content=body, headers=headers).status_code in (400, 403, 415), path


AROUND = """
from config.wsgi import application
from django.core.signals import request_finished, request_started
for signal in (request_started, request_finished):
    print(*(receiver.__name__ for receiver in signal._live_receivers(None)[0]))
"""


def test_around_a_request_old_connections_are_closed_and_what_does_nothing_here_is_not_called() -> None:
    # In another process, because Django's test client connects and disconnects some receivers.
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", AROUND]
    result = subprocess.run(command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=True)
    started, finished = (set(line.split()) for line in result.stdout.splitlines()[-2:])
    assert started == {"close_old_connections"}
    assert finished >= {"close_old_connections", "reset_urlconf"}
    assert "close_caches" not in finished
    # These are the reasons why the other receivers would do nothing.
    assert not settings.DEBUG and not getattr(settings, "DJANGO_REDIS_CLOSE_CONNECTION", False)
    for alias, options in settings.CACHES.items():
        assert isinstance(caches[alias], RedisCache), alias
        assert "CLOSE_CONNECTION" not in options["OPTIONS"], alias
