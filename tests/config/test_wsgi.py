"""What the web server calls, with requests that no middleware gets to see."""

import httpx
import pytest

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
