"""Types docs/your-api.md into a new project block by block, and checks its server's answers."""

import ast
import importlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from corsheaders.conf import Settings as CorsSettings
from django.conf import global_settings
from django.urls import resolve
from rest_framework.settings import DEFAULTS

from jwt_demo.conf import conf as jwt_conf
from security.conf import conf as security_conf
from sessions_demo.conf import conf as session_conf
from tests import records
from tests.adopters.cross_origin import PARTNER
from tests.adopters.cross_origin import SETTINGS as CROSS_ORIGIN
from tests.adopters.host import HERE, PARTS, README, Fresh
from tests.adopters.proxies import Proxy
from tests.adopters.test_parts import both_ways
from tests.running import ROOT, until
from tests.site.holder import LOGOUT, REFRESH, Holder
from tests.site.member import CSRF, SESSION, TOKEN, Answer, Member, exchange
from tests.site.test_wire import as_shown

PAGE = (ROOT / "docs" / "your-api.md").read_text()
BLOCK = re.compile(r"((?:[^\n]+\n)*)\n?```(\w+)\n(.*?)```\n", re.S)
# The file for a block, by the end of the paragraph above it.
SETTINGS = re.compile(r"at the end of your settings\b[^.]*:$", re.I)
URLS = re.compile(r"at the end of your addresses:$", re.I)
FILE = re.compile(r"(at the end of )?`(notes/\w+\.py)`:$", re.I)
# Seconds by which a reauthentication is made older than any view here allows.
LONG_AGO = 1000
NOTES, PROXY = "/api/notes/", "Behind a proxy"
# A reader's views that check a password, for what the page says about ATOMIC_REQUESTS.
BASIC = """
from django.db import transaction
from rest_framework.authentication import BasicAuthentication
basic = [Who.as_view(authentication_classes=[BasicAuthentication]) for _ in range(2)]
urlpatterns += [path("rolled-back", basic[0]), path("kept", transaction.non_atomic_requests(basic[1]))]
"""


@dataclass(frozen=True)
class Block:
    """A block of the page; `above` is the paragraph before it, in one line."""

    above: str
    language: str
    text: str

    @property
    def is_settings(self) -> bool:
        return bool(SETTINGS.search(self.above))

    @property
    def is_urls(self) -> bool:
        return bool(URLS.search(self.above))


def sections(heading: str = "##+") -> dict[str, list[Block]]:
    """The blocks under each heading, in the order of the page."""
    parts = [part.partition("\n") for part in re.split(rf"^{heading} ", PAGE, flags=re.M)[1:]]
    found = {title: BLOCK.findall(rest) for title, _, rest in parts}
    return {
        title: [Block(" ".join(a.split()), kind, text) for a, kind, text in blocks] for title, blocks in found.items()
    }


SECTIONS = sections()


class Reader:
    """A person who types the page into a project, and asks its server."""

    def __init__(self, host: Fresh) -> None:
        self.host, self.functions, self.said = host, "", ""
        self.is_up_to_date = False
        self.typed = 0
        self.logged_in: dict[str, tuple[Member, Holder]] = {}

    def take(self, title: str) -> None:
        """Types and runs every block of a section, in order."""
        self.logged_in.clear()
        for block in SECTIONS[title]:
            getattr(self, f"take_{block.language}")(block)
            self.typed += 1

    def take_python(self, block: Block) -> None:
        """Writes lines into the file that the page names."""
        host, file = self.host, FILE.search(block.above)
        if file:
            path = host.folder / file[2]
            before = path.read_text() if file[1] else ""
            path.write_text(f"{before}\n\n{block.text}" if before else block.text)
        else:
            assert block.is_settings or block.is_urls, block.above
            host.type(host.settings if block.is_settings else host.urls, block.text)
        self.is_up_to_date = False

    def take_sh(self, block: Block) -> None:
        """Runs commands, with the functions of the blocks before."""
        if "curl" in block.text:
            self.refresh()
        self.said = self.host.bash(self.functions + block.text)
        self.functions += "".join(re.findall(r"^\w+\(\) \{.*\}\n", block.text, re.M))

    def take_http(self, block: Block) -> None:
        """Compares what the commands before have printed with what the page shows."""
        pattern = re.escape(block.text.strip()).replace("…", ".+")
        shown = as_shown(self.said.replace("\n\r\n", "\n\n")).strip()
        assert re.fullmatch(pattern, shown), f"{shown}\nis not\n{block.text}"

    def take_js(self, block: Block) -> None:
        """A page that has these lines is opened in Chromium, by tests/browser/test_cross_origin.py."""
        lines = [line for line in block.text.splitlines() if line]
        shown = {line.strip() for line in (HERE / "spa.html").read_text().splitlines()}
        assert [line for line in lines if line.strip() not in shown] == []

    def refresh(self) -> None:
        """Makes the server load the typed code."""
        if not self.is_up_to_date:
            self.host.restart()
            self.is_up_to_date = True

    def member(self, name: str = "alice") -> Member:
        """A user's browser, with a session."""
        self.refresh()
        member = Member(self.host)
        credentials = {"username": name, "password": f"correct horse {name}"}
        assert member.post("/session/auth/login", credentials).status == 200
        return member

    def holder(self, name: str = "alice", **more: Any) -> Holder:
        """A user's client, with tokens."""
        self.refresh()
        holder = Holder(self.host, native=more.get("transport") == "body")
        credentials = {"username": name, "password": f"correct horse {name}"}
        assert holder.post("/jwt/auth/login", credentials | more).status == 200
        return holder

    def stranger(self) -> Holder:
        self.refresh()
        return Holder(self.host)

    def statuses(self, method: str, path: str, body: Any = None, name: str = "alice") -> list[int]:
        """The statuses for an anonymous client, for a session and for a token of the user."""
        if name not in self.logged_in:
            self.logged_in[name] = self.member(name), self.holder(name)
        askers = (self.stranger(), *self.logged_in[name])
        return [asker.send(method, path, body).status for asker in askers]


def owner(reader: Reader, title: str) -> None:
    reader.take(title)
    member, holder = reader.member(), reader.holder()
    assert [note["text"] for note in holder.send("GET", NOTES).json] == ["milk", "bread"]
    assert reader.statuses("GET", f"{NOTES}1/") == [401, 200, 200]
    for method in ("GET", "PUT", "DELETE"):
        assert reader.statuses(method, f"{NOTES}1/", {"text": "mine"}, "bob") == [401, 404, 404]
    for method in ("PUT", "DELETE"):
        assert member.send(method, f"{NOTES}1/", {"text": "mine"}, X_CSRFToken="").status == 403
    reader.host.store.kill()
    away = [asker.send("GET", NOTES) for asker in (member, holder)]
    assert [(answer.status, answer.headers["Retry-After"]) for answer in away] == [(503, "5")] * 2
    reader.host.store.start()
    until(lambda: [asker.send("GET", NOTES).status for asker in (member, holder)] == [200, 200])


def who(reader: Reader, title: str, challenge: str, by_session: int, by_token: int) -> None:
    reader.take(title)
    assert reader.statuses("GET", "/api/who") == [401, by_session, by_token]
    answer = reader.stranger().send("GET", "/api/who")
    assert answer.headers["WWW-Authenticate"] == f'{challenge} realm="{challenge.lower().replace("bearer", "jwt")}"'


def either(reader: Reader, title: str) -> None:
    who(reader, title, "Bearer", 200, 200)
    member, holder = reader.member(), reader.holder()
    bearer = {"Authorization": f"Bearer {holder.access}"}
    assert member.send("GET", "/api/who", Authorization="Bearer wrong").status == 401
    assert member.send("POST", NOTES, {"text": "tea"}, **bearer, X_CSRFToken="").status == 201
    assert member.send("POST", NOTES, {"text": "tea"}, X_CSRFToken="").status == 403


def may(reader: Reader, title: str) -> None:
    reader.take(title)
    for path in ("/api/by-role", "/api/by-staff"):
        assert reader.statuses("GET", path) == [401, 403, 403]
        assert reader.statuses("GET", path, name="admin") == [401, 200, 200]
    model_permissions(reader)
    recently(reader)


def model_permissions(reader: Reader) -> None:
    """Only the view permission lets a user read others' notes, and only the delete permission delete them."""
    first = f"/api/all/{reader.holder().send('POST', NOTES, {'text': 'tea'}).json['id']}/"
    for method, path in (("GET", "/api/all/"), ("HEAD", first), ("GET", first), ("DELETE", first)):
        assert reader.statuses(method, path) == [401, 403, 403]
    reader.host.shell(
        "from django.contrib.auth.models import Permission\n"
        "User.objects.get(username='alice').user_permissions.add(Permission.objects.get(codename='view_note'))"
    )
    reader.logged_in.clear()
    assert reader.statuses("GET", first) == [401, 200, 200]
    assert reader.statuses("DELETE", first) == [401, 403, 403]
    assert reader.statuses("POST", "/api/all/", {"text": "ours"}, "admin") == [401, 405, 405]
    assert reader.statuses("DELETE", first, name="admin") == [401, 204, 404]


def recently(reader: Reader) -> None:
    """A reauthentication that is too old, and a new one, with a session and with a token."""
    member, proof = reader.member(), {"password": "correct horse alice"}
    records.set_back(reader.host.store.client(db=1), "*session:*", "_auth_time", LONG_AGO)
    old = reader.host.shell(
        "from jwt_demo.tokens import AccessToken\n"
        "token = AccessToken.for_user(User.objects.get(username='alice'))\n"
        f"token['auth_time'] -= {LONG_AGO}\n"
        "found = str(token)"
    )
    holder = Holder(reader.host, access=old)
    for asker, path in ((member, "/session/auth/reauthenticate"), (holder, "/jwt/auth/reauthenticate")):
        refused = asker.send("DELETE", "/api/mine")
        assert (refused.status, "reauthenticate" in refused.text) == (403, True)
        assert asker.post(path, proof).status == 200
        assert asker.send("DELETE", "/api/mine").status == 200


def cheap(reader: Reader, title: str) -> None:
    reader.take(title)
    holder = reader.holder()
    assert holder.send("GET", "/api/count").status == 200
    reader.host.store.kill()
    assert [holder.send("GET", path).status for path in ("/api/count", NOTES)] == [200, 503]
    reader.host.store.start()
    reader.host.manage("revoke_access", "alice", "--reason", "phone stolen")
    # The first checks the denylist only, the second also the user's row.
    until(lambda: [holder.send("GET", path).status for path in ("/api/who", NOTES)] == [401, 401])
    assert holder.send("GET", "/api/count").status == 200


def uploads(reader: Reader, title: str) -> None:
    reader.take(title)
    uploaded = reader.host.folder / "media" / "attachments" / "manage.py"
    assert uploaded.read_text() == (reader.host.folder / "manage.py").read_text()
    assert reader.stranger().send("GET", "/attachments/manage.py").status == 404
    upload = "curl -o /dev/null -w '%{http_code}' -F file=@manage.py URL".replace(
        "URL", "http://localhost:8000/api/attachments"
    )
    bearer = f"-H 'Authorization: Bearer {reader.holder().access}' "
    session = f"-H 'Cookie: __Host-sessionid={reader.member().session}' "
    heads = ["", session, bearer, f"{bearer} -H 'Transfer-Encoding: chunked' "]
    assert [reader.host.bash(upload.replace("-F", f"{head}-F")) for head in heads] == ["401", "403", "201", "411"]


def lists(reader: Reader, title: str) -> None:
    reader.take(title)
    member, holder = reader.member(), reader.holder()
    for text in ("one", "two", "three"):
        assert holder.send("POST", NOTES, {"text": text}).status == 201
    second = holder.send("GET", "/api/lists/?page=2").json
    assert [note["text"] for note in second["results"]] == ["three"]
    latest = holder.send("GET", "/api/lists/", Accept="application/json; version=2").json
    assert [note["text"] for note in latest["results"]] == ["three", "two"]
    answers = [asker.send("GET", "/api/lists/") for _ in range(11) for asker in (member, holder)]
    assert {answer.status for answer in answers[:18]} == {200}
    assert [answer.status for answer in answers[-2:]] == [429, 429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert reader.holder("bob").send("GET", "/api/lists/").status == 200
    both_ways(reader.host, "alice", "correct horse alice")
    code = "from django.conf import settings\nfound = settings.CACHES['default']['BACKEND']"
    assert reader.host.shell(code) == "django.core.cache.backends.locmem.LocMemCache"
    assert reader.host.store.client(db=3).keys("*throttle_lists_*")


def schema(reader: Reader, title: str) -> None:
    reader.take(title)
    described = reader.stranger().send("GET", "/schema/", Accept="application/json").json
    assert {"bearer", "session"} <= described["components"]["securitySchemes"].keys()
    names = {name for way in described["paths"][NOTES]["post"]["security"] for name in way}
    assert {"bearer", "session"} <= names
    assert described["paths"]["/api/count"]["get"]["security"] == [{"bearer": []}]
    page = reader.stranger().send("GET", "/docs/")
    assert page.status == 200
    assert 'request.headers["X-CSRFTOKEN"]' in page.text


def functions(reader: Reader, title: str) -> None:
    reader.take(title)
    member, holder = reader.member(), reader.holder()
    number = holder.send("GET", "/api/several").json["notes"]
    assert reader.statuses("POST", "/api/several", ["one", ""]) == [401, 400, 400]
    for body in (5, {}, {"one": "two"}, "one", None, [None]):
        assert reader.statuses("POST", "/api/several", body) == [401, 400, 400], body
    assert holder.send("GET", "/api/several").json["notes"] == number
    assert reader.statuses("POST", "/api/several", ["one", "two"]) == [401, 200, 200]
    assert member.send("POST", "/api/several", ["one"], X_CSRFToken="").status == 403
    answers = [asker.send("GET", "/page") for asker in (reader.stranger(), holder, member)]
    assert [answer.status for answer in answers] == [302, 302, 200]
    assert answers[0].headers["Location"] == "/session/login/?next=/page"
    assert answers[2].text == f"alice has {number + 4} notes."
    reader.host.shell("User.objects.create_user('<b>', password='correct horse <b>')")
    assert reader.member("<b>").send("GET", "/page").text == "&lt;b&gt; has 0 notes."
    answers = [asker.send("GET", "/asynchronous") for asker in (reader.stranger(), holder, member)]
    assert [answer.status for answer in answers] == [401, 401, 200]
    assert answers[2].json == {"notes": number + 4}
    wrong_passwords(reader)


def wrong_passwords(reader: Reader) -> None:
    """The reader's views refuse two logins; only the one outside the transaction stays recorded."""
    reader.host.type(reader.host.urls, BASIC)
    reader.host.restart()
    count = (
        "from security.models import SecurityEvent\n"
        "found = SecurityEvent.objects.filter(name=SecurityEvent.Name.LOGIN_FAIL).count()"
    )
    before = reader.host.shell(count)
    for path, kept in (("/rolled-back", 0), ("/kept", 1)):
        wrong = reader.stranger().send("GET", path, Authorization="Basic YWxpY2U6d3Jvbmc=")
        assert (wrong.status, reader.host.shell(count)) == (401, before + kept)


def without_redis(reader: Reader, title: str) -> None:
    reader.host.store.kill()
    reader.take(title)
    reader.host.store.start()
    reader.host.manage("test")


def with_valkey(reader: Reader, title: str) -> None:
    reader.host.store.kill()
    reader.take(title)
    reader.host.store.start()


def mobile(reader: Reader, title: str) -> None:
    reader.take(title)
    holder = reader.holder(transport="body")
    first, again = holder.rotate(), holder.rotate()
    assert first.json["refreshToken"] == again.json["refreshToken"]
    holder.keep(first)
    assert holder.post(REFRESH).status == 200
    assert holder.post(LOGOUT).status == 200
    assert holder.rotate().status == 401


def from_page(
    reader: Reader, origin: str, site: str, method: str, path: str, body: Any = None, **headers: str
) -> Answer:
    """A request to the API's host that a browser sends for a page of another origin."""
    reader.refresh()
    host = f"api.site.localhost:{reader.host.port}"
    sent = {"Host": host, "Origin": origin, "Sec-Fetch-Site": site, "User-Agent": "page/1.0"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return exchange(reader.host, method, path, body, sent)


def can_read(answer: Answer) -> str | None:
    """The origin whose scripts may read the answer."""
    return answer.headers["Access-Control-Allow-Origin"]


def sibling(reader: Reader, title: str) -> None:
    reader.take(title)
    origin = "http://app.site.localhost:3000"
    page, member = partial(from_page, reader, origin, "same-site"), reader.member()
    cookies = {"Cookie": member.headers["Cookie"]}
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type,x-csrftoken"}
    first = page("OPTIONS", NOTES, **asked)
    assert (first.status, can_read(first), first.headers["Access-Control-Allow-Credentials"]) == (200, origin, "true")
    root = page("GET", "/session/api/", **cookies)
    assert "X-CSRFToken" in root.headers["Access-Control-Expose-Headers"]
    sent = cookies | {"X_CSRFToken": root.headers["X-CSRFToken"]}
    answers = [page("POST", NOTES, {"text": "tea"}, **headers) for headers in (sent, cookies)]
    assert [(answer.status, can_read(answer)) for answer in answers] == [(201, origin), (403, origin)]
    evil = partial(from_page, reader, "http://evil.site.localhost:3000", "same-site")
    refresh = {"Cookie": reader.holder().headers["Cookie"], "User_Agent": "holder/1.0"}
    refused = [evil("POST", NOTES, {"text": "tea"}, **sent), evil("POST", REFRESH, **refresh)]
    assert [(answer.status, can_read(answer)) for answer in refused] == [(403, None)] * 2
    assert page("POST", REFRESH, **refresh).status == 200


def other_site(reader: Reader, title: str) -> None:
    reader.take(title)
    origin = "http://partner.localhost:3000"
    page = partial(from_page, reader, origin, "cross-site")
    alice = {"username": "alice", "password": "correct horse alice"}
    refused, tokens = (
        page("POST", "/jwt/auth/login", alice),
        page("POST", "/jwt/auth/login", alice | {"transport": "body"}),
    )
    assert [(answer.status, can_read(answer)) for answer in (refused, tokens)] == [(403, origin), (200, origin)]
    assert '"body"' in refused.json["detail"]
    bearer = {"Authorization": f"Bearer {tokens.json['accessToken']}"}
    answers = [page("POST", NOTES, {"text": "tea"}, **headers) for headers in (bearer, {})]
    assert [(answer.status, can_read(answer)) for answer in answers] == [(201, origin), (403, origin)]
    again = page("POST", REFRESH, {"refreshToken": tokens.json["refreshToken"]})
    assert (again.status, can_read(again)) == (200, origin)
    code = "from django.conf import settings\nfound = settings.CSRF_TRUSTED_ORIGINS, settings.CORS_ALLOWED_ORIGINS"
    own = "http://app.site.localhost:3000"
    assert reader.host.shell(code) == [[own], [own, origin]]
    cookies = {"Cookie": reader.member().headers["Cookie"]} | bearer
    refused = page("POST", NOTES, {"text": "tea"}, **cookies)
    assert (refused.status, "Origin gate" in refused.text) == (403, True)


CHECKS: dict[str, Callable[[Reader, str], None]] = {
    "Before the first view": Reader.take,
    "A ViewSet whose objects have an owner": owner,
    "Which credentials a view accepts": Reader.take,
    "Sessions alone": partial(who, challenge="Session", by_session=200, by_token=401),
    "Tokens alone": partial(who, challenge="Bearer", by_session=401, by_token=200),
    "Either": either,
    "Who may": may,
    "A cheap read": cheap,
    "Uploads": uploads,
    "Limits, pages, versions": lists,
    "The schema": schema,
    "Django's views and functions": functions,
    "Tests": without_redis,
    "All tests, with a server of their own": with_valkey,
    "A mobile app": mobile,
    "A single-page app": Reader.take,
    "On the same host": Reader.take,
    "Across origins": Reader.take,
    "On a sibling host": sibling,
    "On another site": other_site,
}


@pytest.mark.site
@pytest.mark.exhaustive
def test_the_page_typed_into_a_new_project() -> None:
    with Fresh() as host:
        reader = Reader(host)
        for title in SECTIONS:
            if title != PROXY:
                CHECKS[title](reader, title)
        assert reader.typed == PAGE.count("\n```") // 2 - len(SECTIONS[PROXY])


@pytest.fixture(scope="module")
def behind_a_proxy() -> Iterator[Fresh]:
    """The project with the settings that the page has for one behind a proxy."""
    with Fresh() as host:
        reader = Reader(host)
        for title in ("Before the first view", "A ViewSet whose objects have an owner"):
            reader.take(title)
        for block in SECTIONS[PROXY]:
            if block.is_settings:
                reader.take_python(block)
        reader.refresh()
        yield host


@contextmanager
def running(host: Fresh, folder: Path, kind: str, without: str = "") -> Iterator[Proxy]:
    """The page's proxy of this kind, without the line that is named, if any."""
    proxy = Proxy(folder, host.port)
    [block] = [block.text for block in SECTIONS[PROXY] if block.language == kind]
    lines = block.splitlines(keepends=True)
    kept = [line for line in lines if not (without and f"proxy_set_header {without} " in line)]
    assert len(lines) - len(kept) == bool(without)
    environment = os.environ | {"HOME": str(folder)}
    with subprocess.Popen(getattr(proxy, kind)("".join(kept)), stderr=subprocess.DEVNULL, env=environment) as process:
        try:
            until(proxy.answers)
            yield proxy
        finally:
            process.terminate()


@pytest.mark.site
@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["nginx", "caddyfile"])
def test_the_page_has_a_proxy_that_works(behind_a_proxy: Fresh, tmp_path: Path, kind: str) -> None:
    with running(behind_a_proxy, tmp_path, kind) as proxy:
        login_behind(proxy, behind_a_proxy)


def login_behind(proxy: Proxy, host: Fresh) -> None:
    """Logs in with a session, adds a note, and checks the client address that the server has recorded."""
    alice = {"username": "alice", "password": "correct horse alice"}
    cookies = {CSRF: TOKEN}
    head = {"X_CSRFToken": TOKEN, "X_Forwarded_For": "203.0.113.9", "Cookie": f"{CSRF}={TOKEN}"}
    answer = proxy.ask("POST", "/session/auth/login", alice, **head)
    assert answer.status == 200, answer.text
    cookies |= {name: answer.cookie(name) or "" for name in (CSRF, SESSION)}
    head |= {"X_CSRFToken": cookies[CSRF], "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    assert proxy.ask("POST", NOTES, {"text": "tea"}, **head).status == 201
    assert proxy.ask("POST", NOTES, {"text": "tea"}, **head | {"Origin": "https://example.com"}).status == 403
    code = "from sessions_demo.models import DeviceSession\nfound = DeviceSession.objects.latest('started').address"
    # A header that the client sends itself has no effect.
    assert host.shell(code) == "127.0.0.1"


@pytest.mark.site
@pytest.mark.exhaustive
def test_the_page_says_what_is_seen_when_a_header_is_missing(behind_a_proxy: Fresh, tmp_path: Path) -> None:
    alice = {"username": "alice", "password": "correct horse alice"}
    head = {"X_CSRFToken": TOKEN, "Cookie": f"{CSRF}={TOKEN}"}
    with running(behind_a_proxy, tmp_path, "nginx", without="Host") as proxy:
        assert proxy.ask("GET", "/session/api/").status == 400
    with running(behind_a_proxy, tmp_path, "nginx", without="X-Forwarded-Proto") as proxy:
        answer = proxy.ask("POST", "/session/auth/login", alice, **head)
        said = "the browser sent Origin: https://example.org, but this server was asked as http://example.org."
        assert (answer.status, said in answer.text, "proxy_set_header" in answer.text) == (403, True, True)
    unreadable = "A client's address cannot be read"
    assert unreadable not in behind_a_proxy.log
    with running(behind_a_proxy, tmp_path, "nginx", without="X-Forwarded-For") as proxy:
        assert proxy.ask("POST", "/session/auth/login", alice, **head).status == 200
    assert unreadable in behind_a_proxy.log


def test_no_block_is_left_out() -> None:
    """Every block that no other test uses belongs to a proxy."""
    assert list(CHECKS) == [title for title in SECTIONS if title != PROXY]
    blocks = [block for blocks in SECTIONS.values() for block in blocks]
    assert len(blocks) == PAGE.count("\n```") / 2 > 40
    assert {block.language for block in SECTIONS[PROXY]} == {"nginx", "caddyfile", "python"}
    others = {block.language for title in CHECKS for block in SECTIONS[title]}
    assert others == {"python", "sh", "http", "js"}


def made(blocks: list[Block]) -> set[str]:
    """Names that another section could use: shell functions, URL paths, modules, and names in settings and URLs."""
    text = "".join(block.text for block in blocks)
    addresses = re.findall(r'path\("([^"]+)", (?!include)', text)
    addresses += [f"api/{name}/" for name in re.findall(r'register\("([^"]+)"', text)]
    files = [found[2] for block in blocks if (found := FILE.search(block.above)) and not found[1]]
    modules = {file.removesuffix(".py").replace("/", ".") for file in files}
    lines = ast.parse("".join(block.text for block in blocks if block.is_settings or block.is_urls))
    nodes = list(ast.walk(lines))
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    imported = {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    return {*re.findall(r"^(\w+)\(\) \{", text, re.M), *addresses, *modules, *names, *imported}


def used(blocks: list[Block], known: set[str]) -> set[str]:
    """The names of `known` that occur in the typed lines."""
    text = "".join(block.text for block in blocks if block.language in ("python", "sh"))
    return {name for name in known if re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text)}


def test_a_section_needs_the_first_three_and_itself() -> None:
    chapters = sections("##")
    titles = list(chapters)
    assert titles[2] == "Which credentials a view accepts"
    first = made([block for title in titles[:3] for block in chapters[title]])
    own = {title: made(chapters[title]) for title in titles[3:]}
    known = set().union(*own.values())
    assert len(known) > 30
    for title, names in own.items():
        assert used(chapters[title], known - names - first) == set(), title


def python_blocks() -> list[ast.Module]:
    blocks = [block for blocks in SECTIONS.values() for block in blocks if block.language == "python"]
    return [ast.parse(block.text) for block in blocks]


def test_every_name_that_is_imported_exists() -> None:
    names = 0
    for tree in python_blocks():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] != "notes":
                module = importlib.import_module(node.module)
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == [], node.module
                names += 1
    assert names > 20


def test_every_setting_exists() -> None:
    """Each belongs to Django, to DRF, to the parts or to django-cors-headers."""
    settings = "".join(block.text for blocks in SECTIONS.values() for block in blocks if block.is_settings)
    named = {*re.findall(r"^[A-Z][A-Z_]+", settings, re.M), *re.findall(r"`([A-Z]+_[A-Z_]+)`", PAGE)}
    ours = {name for conf in (jwt_conf, security_conf, session_conf) for name in conf._defaults}
    known = {*dir(global_settings), *ours, *dir(CorsSettings), "REST_FRAMEWORK", "ATOMIC_REQUESTS"}
    assert named - known == set()
    assert len(named) > 15
    keys = set(re.findall(r'REST_FRAMEWORK\["(\w+)"\]', PAGE))
    assert keys <= DEFAULTS.keys()
    assert len(keys) > 2


def test_what_is_set_for_pages_of_other_origins_is_what_chromium_sees() -> None:
    """tests/browser/test_cross_origin.py opens a page under these lines."""
    blocks = [
        block for title in ("Across origins", "On a sibling host", "On another site") for block in SECTIONS[title]
    ]
    lines = "".join(block.text for block in blocks if block.is_settings).replace('"localhost", ', "")
    assert sorted(lines.splitlines()) == sorted(f"{CROSS_ORIGIN}{PARTNER}".strip().splitlines())


def test_every_address_of_the_parts_exists() -> None:
    paths = set(re.findall(r"(?<=8000)/(?:session|jwt)/[\w/-]*|(?<=[ `])/(?:session|jwt)/\w[\w/-]*(?=`)", PAGE))
    assert len(paths) > 5
    for path in paths:
        resolve(path)


def test_the_readme_and_the_page_about_parts_lead_here() -> None:
    assert "(docs/your-api.md)" in README
    assert "(your-api.md)" in PARTS
