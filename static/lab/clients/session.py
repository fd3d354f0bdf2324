"""Logs in with a session; the standard library is enough. Usage: session.py BASE EMAIL PASSWORD"""

import json
import sys
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.request import HTTPCookieProcessor, Request, build_opener

base, email, password = sys.argv[1:]
# Python sends Secure cookies over https alone. On this machine that is safe; elsewhere BASE must be https.
schemes = ("https", "http") if "//localhost:" in base else ("https",)
jar = CookieJar(DefaultCookiePolicy(secure_protocols=schemes))
opener = build_opener(HTTPCookieProcessor(jar))


def ask(path, body=None):
    request = Request(base + path, headers={"Accept": "application/json"})
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
        # A login gives a new CSRF token, so it is read from the jar each time.
        request.add_header("X-CSRFToken", next(c.value for c in jar if c.name.endswith("csrftoken")))
        request.add_header("Referer", base)  # over https Django wants it beside the CSRF token
    with opener.open(request, timeout=10) as answer:
        return json.load(answer)


ask("/session/api/")  # for the CSRF token
print(ask("/session/auth/login", {"email": email, "password": password}))
print(ask("/session/api/whoami"))
print(ask("/session/api/profile"))
print(ask("/session/auth/logout", {}))
