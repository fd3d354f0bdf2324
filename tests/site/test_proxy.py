"""A site in production behind a real nginx, with good and bad configurations of nginx."""

import html
import os
import re
import secrets
import shutil
import ssl
import urllib.parse
from collections.abc import Iterator
from http.client import HTTPSConnection
from http.cookies import SimpleCookie

import pytest

from tests.running import Site
from tests.site.nginx import Nginx
from tests.site.visitor import PATIENCE, Answer

pytestmark = [pytest.mark.site, pytest.mark.exhaustive]
REGISTER = "/accounts/register/"


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """nginx in front of a site. Without nginx tests are skipped, but in CI they fail."""
    # Debian installs nginx in a folder that only root's PATH has.
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        says = "nginx is not installed."
        pytest.fail(says) if os.environ.get("CI") else pytest.skip(says)
    nginx = Nginx(program, tmp_path_factory.mktemp("nginx"))
    try:
        with Site(**production(nginx.ports["well"])) as site:
            nginx.start(site)
            yield nginx
    finally:
        nginx.stop()


def production(port: int) -> dict[str, str]:
    """The environment of a site in production, behind one proxy."""
    key = {"SECRET_KEY": secrets.token_urlsafe(48)}
    address = {"ALLOWED_HOSTS": "localhost", "SITE_URL": f"https://localhost:{port}"}
    return key | address | {"DEMO": "0", "EMAIL_URL": "dummy://", "TRUSTED_PROXIES": "1"}


def ask(nginx: Nginx, server: str, method: str, path: str, body: str = "", **headers: str) -> Answer:
    """One request to that server, as a browser would send it from a page of the same server."""
    port, trust = nginx.ports[server], ssl.create_default_context(cafile=nginx.authority)
    connection = HTTPSConnection("localhost", port, timeout=PATIENCE, context=trust)
    sent = {"Origin": f"https://localhost:{port}", "Sec-Fetch-Site": "same-origin"} if method == "POST" else {}
    try:
        connection.request(method, path, body, sent | headers)
        response = connection.getresponse()
        return Answer(response.status, response.msg, html.unescape(response.read().decode()))
    finally:
        connection.close()


def register(nginx: Nginx, server: str) -> Answer:
    """Opens the registration page, and sends its form with the page's cookie."""
    page = ask(nginx, server, "GET", REGISTER)
    assert page.status == 200, page
    [token] = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text))
    [cookie] = SimpleCookie(page.headers["Set-Cookie"]).values()
    fields = {"csrfmiddlewaretoken": token, "email": "carol@example.com", "name": "Carol"}
    headers = {"Cookie": f"{cookie.key}={cookie.value}", "Content-Type": "application/x-www-form-urlencoded"}
    return ask(nginx, server, "POST", REGISTER, urllib.parse.urlencode(fields), **headers)


def test_behind_a_proxy_that_passes_on_both_a_form_is_read(nginx: Nginx) -> None:
    assert register(nginx, "well").status == 302


def test_a_proxy_that_drops_the_port_is_named_as_the_cause(nginx: Nginx) -> None:
    refused = register(nginx, "without the port")
    port = nginx.ports["without the port"]
    assert refused.status == 403
    assert f"Origin: https://localhost:{port}, but this server was asked as https://localhost." in refused.text
    assert "proxy_set_header Host $http_host;" in refused.text


@pytest.mark.parametrize("path", ["/", REGISTER, "/jwt/api/whoami"])
def test_a_proxy_that_drops_the_scheme_is_named_as_the_cause(nginx: Nginx, path: str) -> None:
    answer = ask(nginx, "without the scheme", "GET", path)
    assert (answer.status, answer.headers["Location"]) == (400, None)
    assert "the proxy in front of it sent no X-Forwarded-Proto" in answer.text
    assert "proxy_set_header X-Forwarded-Proto $scheme;" in answer.text
    for probe in ("/healthz", "/readyz"):
        assert ask(nginx, "without the scheme", "GET", probe).status == 200
