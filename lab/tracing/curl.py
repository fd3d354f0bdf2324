"""The curl command that sends a recorded request again, with a shell variable in place of each secret."""

import shlex
from urllib.parse import quote

from django.conf import settings

from jwt_demo.conf import conf as jwt_conf
from lab.tracing.sequence import Entry

# Each variable by the name of the cookie whose value it replaces. All other cookies are left out.
VARIABLES = {
    settings.SESSION_COOKIE_NAME: "SESSION_ID",
    settings.CSRF_COOKIE_NAME: "CSRF_TOKEN",
    jwt_conf.JWT_REFRESH_COOKIE_NAME: "REFRESH_TOKEN",
}
# A trace holds no bodies, and a login needs one.
LOGIN_BODY = '{"email": "YOUR E-MAIL", "password": "YOUR PASSWORD"}'


def curl_command(entry: Entry) -> str:
    """The command, over several lines, for any POSIX shell."""
    method, unsafe = entry["method"], entry["method"] not in ("GET", "HEAD", "OPTIONS")
    # Quoted, because an attacker's link can put a control character into the path, and a terminal obeys it when the
    # command is pasted. A masked part is in brackets, which curl would read as a pattern without --globoff.
    address = settings.SITE_URL + quote(entry["path"], safe="/[]@:!$&'()*+,;=~%")
    parts = [f"curl -i --globoff {_method_option(method)}{shlex.quote(address)}"]
    names = [cookie["name"] for cookie in entry["cookies_sent"] if cookie["name"] in VARIABLES]
    if names:
        parts.append('-b "' + "; ".join(f"{name}=${VARIABLES[name]}" for name in names) + '"')
    if unsafe and settings.CSRF_COOKIE_NAME in names:
        parts.append('-H "X-CSRFToken: $CSRF_TOKEN"')
    if entry["request_headers"].get("Origin"):
        parts.append("-H " + shlex.quote(f"Origin: {settings.SITE_URL}"))
    if entry["authorization"]:
        parts.append('-H "Authorization: Bearer $ACCESS_TOKEN"')
    if unsafe and entry["request_headers"].get("Content-Type", "").startswith("application/json"):
        body = LOGIN_BODY if entry["path"].endswith("/auth/login") else "{}"
        parts.append(f"-H 'Content-Type: application/json' -d '{body}'")
    return " \\\n  ".join(parts)


def _method_option(method: str) -> str:
    # With -X HEAD, curl would wait for a body that never comes.
    return {"GET": "", "HEAD": "-I "}.get(method, f"-X {shlex.quote(method)} ")
