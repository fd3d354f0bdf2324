"""The range is weak on purpose: only this machine can reach it, and it reaches neither the site nor other machines."""

import contextlib
import ipaddress
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.cookies import SimpleCookie
from typing import Any

import psutil
import pytest

from tests.attack_range.asking import FORM, HOSTS, Answer, addresses_of, files_of, inside, send
from tests.attack_range.conftest import OF_A_SITE
from tests.running import ROOT, Range, Site
from tests.site.visitor import Visitor

NOTHING = "There is nothing here."
JSON = ("Content-Type", "application/json")


@pytest.fixture(scope="module")
def addresses(attack_range: Range) -> dict[str, list[str]]:
    return addresses_of(attack_range)


# ── Who reaches it ─────────────────────────────────────────────────────────────────────────────


def test_it_answers_under_its_own_names_at_its_own_ports(attack_range: Range) -> None:
    for name in sorted(set(HOSTS.values())):
        for port in (attack_range.port, attack_range.port + 1):
            assert NOTHING not in send(attack_range, f"{name}:{port}", "/blank").text
    assert send(attack_range, f"victim.localhost:{attack_range.port}", "/blank").status == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost:PORT",
        "127.0.0.1:PORT",
        "evil.localhost:PORT",
        "evil.example:PORT",
        "victim.localhost.evil.example:PORT",
        "evil.victim.localhost:PORT",
        "victim.localhost",
        "victim.localhost:1",
        "victim.localhost:PORT0",
        "",
    ],
)
def test_under_any_other_name_there_is_nothing(attack_range: Range, host: str) -> None:
    answer = send(attack_range, host.replace("PORT", str(attack_range.port)), "/blank")
    assert answer.status in (400, 404)
    assert "<title>Empty" not in answer.text


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "x-forwarded-anything",
        "Forwarded",
        "Via",
        "X-Real-IP",
    ],
)
def test_what_came_by_a_proxy_finds_nothing(attack_range: Range, header: str) -> None:
    answer = send(attack_range, f"victim.localhost:{attack_range.port}", "/blank", headers=((header, "127.0.0.1"),))
    assert answer.status == 404
    assert NOTHING in answer.text


FROM_HERE = """
from attack_range import hosts
from attack_range.containment import is_from_here

class Connection:
    def __init__(self, address):
        self.address = address

    def getsockname(self):
        return self.address, 1

for client, dialled in [
    ("127.0.0.1", "127.0.0.1"),
    ("::1", "::1"),
    ("192.0.2.7", "127.0.0.1"),
    ("127.0.0.1", "192.0.2.2"),
    ("192.0.2.7", "192.0.2.2"),
    ("", "127.0.0.1"),
    ("::ffff:192.0.2.7", "::1"),
    ("0.0.0.0", "0.0.0.0"),
]:
    request = {"HTTP_HOST": f"victim.localhost:{hosts.port()}", "REMOTE_ADDR": client}
    print(is_from_here(request | {"gunicorn.socket": Connection(dialled)}))
"""


def test_only_loopback_addresses_are_from_here(attack_range: Range) -> None:
    """Requests are refused by address, wherever the server listens."""
    assert inside(attack_range, FROM_HERE).split() == ["True"] * 2 + ["False"] * 6


def test_at_another_address_of_this_machine_nothing_listens(attack_range: Range) -> None:
    others = [
        one.address
        for interface in psutil.net_if_addrs().values()
        for one in interface
        if one.family == socket.AF_INET and not ipaddress.ip_address(one.address).is_loopback
    ]
    if not others:
        pytest.skip("This machine has no other address.")
    for address in others:
        for port in (attack_range.port, attack_range.port + 1):
            with socket.socket() as client:
                client.settimeout(5)
                assert client.connect_ex((address, port)) != 0


# ── What its pages may reach ───────────────────────────────────────────────────────────────────


def test_the_policy_of_every_answer_names_this_machine_only(
    attack_range: Range, addresses: dict[str, list[str]]
) -> None:
    asked = [(HOSTS[name], path) for name, paths in addresses.items() for path in paths]
    asked += [(host, path) for host in HOSTS.values() for path in ("/nowhere", "/static/nowhere.js", "/static/..%2fx")]
    assert len(asked) > 40
    for host, path in asked:
        assert_pinned(send(attack_range, f"{host}:{attack_range.port}", path), f"{host}{path}")
    assert_pinned(send(attack_range, f"evil.example:{attack_range.port}", "/"), "another host")


def assert_pinned(answer: Answer, where: str) -> None:
    policies = answer.headers.get_all("Content-Security-Policy") or []
    assert any("default-src" in policy for policy in policies), where
    for source in " ".join(policies).replace(";", " ").split():
        named = "." in source or ":" in source
        assert not named or source == "data:" or re.fullmatch(r"http://[\w.]+\.localhost:\d+", source), (where, source)
        assert source not in ("*", "http:", "https:"), where
    location = answer.headers.get("Location", "/")
    assert re.match(r"/(?!/)|\?|http://[\w.]+\.localhost:\d+/", location), (where, location)
    assert answer.headers["X-DNS-Prefetch-Control"] == "off", where


@pytest.mark.browser
def test_while_it_attacks_every_connection_is_on_loopback(chromium: None, attack_range: Range) -> None:
    cases = [case["id"] for case in attack_range.get("/api/cases")["cases"]]
    # One case of each attack, because all cases of an attack begin alike.
    chosen = list({case.partition("/")[0]: case for case in cases}.values())
    seen: set[str] = set()
    lines: dict[int, str] = {}
    for process in while_running(attack_range, chosen):
        with contextlib.suppress(psutil.Error):  # it has just ended
            seen |= addresses_at_both_ends(process)
            line = " ".join(process.cmdline())
            if "--remote-debugging-pipe" in line and "--type=" not in line:  # of each Chromium the first process
                lines[process.pid] = line
            if "python" not in process.name():
                assert_no_secret_in(process)
    assert [address for address in seen if not ipaddress.ip_address(address).is_loopback] == []
    assert seen
    assert lines
    for line in lines.values():
        assert "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE range.localhost" in line


def while_running(attack_range: Range, cases: list[str]) -> Iterator[psutil.Process]:
    """Yields the range's processes, Chromium's included, again and again while these cases run."""
    assert attack_range.process
    root = psutil.Process(attack_range.process.pid)
    with ThreadPoolExecutor(1) as pool:
        running: Future[Any] = pool.submit(lambda: attack_range.run(*cases))
        while not running.done():
            yield from [root, *root.children(recursive=True)]
        assert running.result().keys() == set(cases)


def addresses_at_both_ends(process: psutil.Process) -> set[str]:
    """The local and remote addresses of each TCP and UDP socket of the process."""
    return {end.ip for one in process.net_connections("inet") for end in (one.laddr, one.raddr) if end}


def assert_no_secret_in(process: psutil.Process) -> None:
    environment = process.environ()
    for name, value in OF_A_SITE.items():
        assert name not in environment, process
        assert value not in environment.values(), process


# ── Nothing of it is part of the site ──────────────────────────────────────────────────────────


def test_no_address_of_the_range_is_one_of_the_site(site: Site, addresses: dict[str, list[str]]) -> None:
    visitor = Visitor(site)
    # The range has the site's own addresses below /session/ and /jwt/; both have a home page.
    theirs = {path for name, paths in addresses.items() if name != "ours" for path in paths} - {"/"}
    assert {"/api/run", "/api/cases", "/weak/replay/login"} <= theirs
    for path in sorted(theirs | {"/ours/blank"}):
        assert [visitor.send(method, path).status for method in ("GET", "POST")] == [404, 404], path


HAS = """
import sys
import config.wsgi
from django.contrib.staticfiles import finders
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import get_resolver

[*get_resolver().reverse_dict]
for name in TEMPLATES:
    try:
        sys.exit(get_template(name).origin.name)
    except TemplateDoesNotExist:
        pass
assert not [name for name in FILES if finders.find(name)]
assert not [name for name in sys.modules if name.startswith("attack_range")]
"""


def test_the_site_has_no_file_of_the_range(site: Site) -> None:
    code = HAS.replace("TEMPLATES", repr(files_of("templates"))).replace("FILES", repr(files_of("static")))
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=site.environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    for name in files_of("static"):
        assert Visitor(site).get(f"/static/{name}").status == 404


# ── No credential of it is one of the site ─────────────────────────────────────────────────────

MAKE_ALICE = """
import django
django.setup()
from accounts.models import User
User.objects.filter(email="alice@example.com").delete()
User.objects.create_user("alice@example.com", "demo-only-alice", name="Alice")
"""
ALICE = {"email": "alice@example.com", "password": "demo-only-alice"}


class AtTheVictim(Visitor):
    """A visitor of the project's own code, which the range runs as the victim."""

    def __init__(self, attack_range: Range) -> None:
        self.attack_range = attack_range
        self.cookies: dict[str, str] = {}

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Any:
        sent = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        if self.cookies:
            sent += (("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())),)
        host = f"victim.localhost:{self.attack_range.port}"
        answer = send(self.attack_range, host, path, method, body or b"", sent)
        self._keep_cookies(answer)
        return answer


def log_in_both_ways(visitor: Visitor) -> tuple[str, str, str]:
    """Alice's session id, access token and refresh token. Each works where it was issued."""
    csrf = visitor.get("/session/api/").headers["X-CSRFToken"]
    body = json.dumps(ALICE).encode()
    extra = {"Content_Type": "application/json", "X_CSRFToken": csrf}
    assert visitor.send("POST", "/session/auth/login", body, **extra).status == 200
    answer = visitor.send("POST", "/jwt/auth/login", body, Content_Type="application/json")
    assert answer.status == 200, answer
    [access] = [value for value in json.loads(answer.text).values() if str(value).count(".") == 2]
    [session] = [value for name, value in visitor.cookies.items() if name.endswith("sessionid")]
    [refresh] = [value for name, value in visitor.cookies.items() if name.endswith("refresh")]
    assert accepted(visitor, session) == ["session"]
    assert accepted(visitor, access) == ["access"]
    assert accepted(visitor, refresh) == ["refresh"]
    return session, access, refresh


def accepted(visitor: Visitor, credential: str) -> list[str]:
    """As which kinds of credential a server accepts it, whatever the cookie's name."""
    at_range = isinstance(visitor, AtTheVictim)
    clean: Visitor = AtTheVictim(visitor.attack_range) if isinstance(visitor, AtTheVictim) else Visitor(visitor.site)
    prefix = "__Host-range-" if at_range else "__Host-"
    answers = {"access": clean.get("/jwt/api/whoami", Authorization=f"Bearer {credential}").status}
    clean.cookies = {f"{prefix}sessionid": credential}
    answers["session"] = clean.get("/session/api/whoami").status
    clean.cookies = {f"{prefix}refresh": credential}
    answers["refresh"] = clean.send("POST", "/jwt/auth/refresh").status
    assert set(answers.values()) <= {200, 401}, answers
    return [kind for kind, status in answers.items() if status == 200]


def test_what_our_own_code_issues_in_the_range_is_refused_at_the_site_and_the_reverse(
    site: Site, attack_range: Range
) -> None:
    inside(attack_range, MAKE_ALICE)
    at_site, at_range = Visitor(site), AtTheVictim(attack_range)
    of_site, of_range = log_in_both_ways(at_site), log_in_both_ways(at_range)
    assert [accepted(at_site, credential) for credential in of_range] == [[], [], []]
    assert [accepted(at_range, credential) for credential in of_site] == [[], [], []]


def test_nothing_that_weak_code_gives_is_taken_at_the_site(
    site: Site, attack_range: Range, addresses: dict[str, list[str]]
) -> None:
    found = {credential for path in addresses["victim"] for credential in given_at(attack_range, path)}
    assert found
    for credential in sorted(found)[:60]:
        assert accepted(Visitor(site), credential) == [], credential


def given_at(attack_range: Range, path: str) -> Iterator[str]:
    """Every cookie and every long string in the answer of an address."""
    for method, body in (("GET", b""), ("POST", json.dumps(ALICE | {"username": "alice"}).encode())):
        answer = send(attack_range, f"victim.localhost:{attack_range.port}", path, method, body, (JSON,))
        for line in answer.headers.get_all("Set-Cookie", []):
            yield from (morsel.value for morsel in SimpleCookie(line).values() if len(morsel.value) >= 16)
        yield from re.findall(r'"([\w.~+/=-]{16,4000})"', answer.text)


# ── Other websites, in the browser of the person at this machine ────────────────────────────────

FROM_THE_WEB = (("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors"))


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:8000", "http://evil.localhost:1"])
def test_no_page_of_the_web_stores_anything_in_a_weak_page(attack_range: Range, origin: str) -> None:
    shop = f"victim.localhost:{attack_range.port}", "/weak/xss/local-storage/comment"
    answer = send(attack_range, *shop, "POST", b"text=planted-by-the-web", (FORM, ("Origin", origin)))
    assert answer.status == 403
    own = ("Origin", f"http://attacker.localhost:{attack_range.port}")
    assert send(attack_range, *shop, "POST", b"text=planted-by-the-attacker", (FORM, own)).status == 302
    page = send(attack_range, shop[0], "/weak/xss/local-storage/").text
    assert "planted-by-the-attacker" in page
    assert "planted-by-the-web" not in page


def test_no_page_of_the_web_starts_a_case_or_begins_a_visit(attack_range: Range) -> None:
    pages = f"range.localhost:{attack_range.port}"
    body = b'{"cases": ["alg/legitimate"]}'
    # Two checks can refuse it: one reads `Origin`, the other `Sec-Fetch-Site`.
    for said in (FROM_THE_WEB[:1], FROM_THE_WEB[1:]):
        assert send(attack_range, pages, "/api/run", "POST", body, (JSON, *said)).status == 403
    assert send(attack_range, pages, "/", headers=FROM_THE_WEB[1:]).status == 403
    followed = ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")
    assert send(attack_range, pages, "/", headers=followed).status == 200


def test_no_browser_keeps_a_script_of_the_range(attack_range: Range) -> None:
    """While a defence is away, a script can be another one."""
    answer = send(attack_range, f"victim.localhost:{attack_range.port}", "/static/jwt_demo/login.js")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")


@pytest.mark.browser
def test_forms_that_wait_leave_threads_to_the_case_that_runs(chromium: None, attack_range: Range) -> None:
    pages = f"range.localhost:{attack_range.port}"
    with ThreadPoolExecutor(25) as pool:
        case = pool.submit(attack_range.run, "csrf/session-unset/form-late/none")
        resets = [pool.submit(send, attack_range, pages, "/attacks/csrf/reset", "POST") for _ in range(20)]
        assert case.result()["csrf/session-unset/form-late/none"]["as_expected"]
        statuses = {future.result().status for future in resets}
    assert statuses == {303, 503}


# ── Whatever is sent ───────────────────────────────────────────────────────────────────────────

BODIES: list[tuple[bytes, tuple[tuple[str, str | bytes], ...]]] = [
    (b"", ()),
    (b"{", (JSON,)),
    (b"\xff\xfe\x00", (JSON,)),
    (b"null", (JSON,)),
    (b"[" * 30_000, (JSON,)),
    (b'{"cases":' + b"[" * 20_000 + b"]" * 20_000 + b"}", (JSON,)),
    (b'{"cases": [1, null, {}, [], "\\ud800", "\\u0000"]}', (JSON,)),
    (b'{"cases": ["nowhere"]}', (JSON,)),
    (b'{"cases": 1}', (JSON,)),
    (b"1" * 5000, (JSON,)),
    (b'{"email": 1, "password": [], "token": {}, "user": null, "name": "\\u0000"}', (JSON,)),
    (b"x" * 200_000, (JSON,)),
    (b"email=%ff%00&password=%00&name=%F0%28%8C%28&attempt=%00&token=a.b.c", (FORM,)),
    (b"a=1&" * 20_000, (FORM,)),
    (b"--x\r\nContent-Disposition: form-data", (("Content-Type", "multipart/form-data; boundary=x"),)),
    (b"--x\r\n", (("Content-Type", "multipart/form-data"),)),
    (b"a=1", (("Content-Type", "text/plain; charset=rot13"),)),
    (b"a=1", (("Content-Type", "application/x-www-form-urlencoded; charset=utf-16"),)),
    (b"a=1", (("Content-Type", "text/plain; charset*=%ff''x"),)),
    (b"", (("Content-Length", "-1"),)),
    (b"", (("Content-Length", "many"),)),
    (b"zz\r\n", (("Transfer-Encoding", "chunked"),)),
    (b"", (("Cookie", b"a=b;;=;\xff=\xfe; weak_sessionid=\xc3\x28; x=\x01"), ("Content-Length", "0"))),
    (b"", (("Authorization", b"Bearer \xff\xfe"), ("Content-Length", "0"))),
    (b"", (("Authorization", "Bearer a.b.c"), ("Content-Length", "0"))),
    (b"", (("Authorization", "Bearer e30.e30."), ("Content-Length", "0"))),
    (b"", (("Origin", b"http://[\xff"), ("Sec-Fetch-Site", b"\xff"), ("Content-Length", "0"))),
]
QUERIES = ["?", "?attempt=%00&attempt=%ff&a[=&=&%&next=//evil.example", "?attempt=" + "x" * 3000]
METHODS = ["PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "INVENTED", "get"]


def test_nothing_that_is_sent_is_an_error_of_the_range(attack_range: Range, addresses: dict[str, list[str]]) -> None:
    hosts = {(HOSTS[name], path) for name, paths in addresses.items() if name != "ours" for path in paths}
    hosts |= {
        (host, path) for host in HOSTS.values() for path in ("/%00", "/%ff", "/static/%00", "/static/..%2f..%2fx")
    }
    for host, path in sorted(hosts):
        for body, headers in BODIES:
            assert_no_error(attack_range, host, path, "POST", body, headers)
        for query in QUERIES:
            assert_no_error(attack_range, host, path + query, "GET", b"", (("Cookie", b"\xff=\xfe"),))
        for method in METHODS:
            assert_no_error(attack_range, host, path, method, b"", ())


def assert_no_error(
    attack_range: Range, host: str, path: str, method: str, body: bytes, headers: tuple[tuple[str, str | bytes], ...]
) -> None:
    answer = send(attack_range, f"{host}:{attack_range.port}", path, method, body, headers)
    sent = (method, host, path[:80], body[:80], headers)
    assert answer.status < 500, sent
    assert answer.status < 400 or method == "HEAD" or re.search(r"\w+", answer.text), ("no sentence", sent)
    assert "Traceback" not in answer.text, sent
