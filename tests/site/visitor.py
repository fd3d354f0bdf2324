"""A visitor of a running site, over HTTP."""

import re
import urllib.parse
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from http.cookies import SimpleCookie

from tests.running import Site

# Seconds; a longer wait counts as a hang.
PATIENCE = 10


@dataclass(frozen=True)
class Answer:
    """An answer."""

    status: int
    headers: HTTPMessage
    text: str


class Visitor:
    """Keeps and sends cookies as Chromium does on localhost, Secure ones too. Fills in the CSRF token of a form."""

    patience = PATIENCE

    def __init__(self, site: Site) -> None:
        self.site = site
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, **headers)

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Sends one request; `headers` have underscores for hyphens."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = HTTPConnection("127.0.0.1", self.site.port, timeout=self.patience)
        try:
            connection.request(method, path, body, {"Host": f"localhost:{self.site.port}"} | sent)
            response = connection.getresponse()
            answer = Answer(response.status, response.msg, response.read().decode())
        finally:
            connection.close()
        self._keep_cookies(answer)
        return answer

    def _keep_cookies(self, answer: Answer) -> None:
        for line in answer.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0" or not morsel.value:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value

    def submit(self, path: str, **fields: str) -> Answer:
        """Opens the page and sends its form."""
        page = self.get(path)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token, f"{path}: {page.status}, no form"
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": token[1]} | fields).encode()
        return self.send("POST", path, body, Content_Type="application/x-www-form-urlencoded")

    def log_in(self, email: str = "admin@example.com", password: str = "demo-only-admin") -> "Visitor":  # noqa: S107
        """Logs in through the admin's own form."""
        answer = self.submit("/admin/login/", username=email, password=password)
        assert answer.status == 302, answer
        assert "__Host-sessionid" in self.cookies
        return self
