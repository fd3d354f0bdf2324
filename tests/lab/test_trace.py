"""The trace: its counts agree with the servers', it holds no secret, and no other browser can read it."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from django_redis import get_redis_connection
from redis.exceptions import ConnectionError as StoreAway

from accounts.models import User
from config.stores import DENYLIST, SESSIONS, TRACE
from jwt_demo.tokens import Backend
from lab.claims.sandbox import FLOWS, open_sandbox
from lab.tracing import trace
from lab.tracing.middleware import TraceMiddleware
from lab.tracing.runs import COOKIE, LIFETIME, MAX_EXCHANGES
from lab.tracing.trace import Exchange
from tests.config.test_settings import GOOD, run
from tests.conftest import PASSWORDS, link_in
from tests.jwt_demo.conftest import Holder
from tests.jwt_demo.conftest import whole as whole  # noqa: PLC0414  (a fixture)
from tests.running import Store
from tests.sessions_demo.conftest import NEW, Visitor
from tests.sessions_demo.conftest import cheap_hashes as cheap_hashes  # noqa: PLC0414  (a fixture)

CONNECTING = ("HELLO", "CLIENT", "SELECT", "AUTH", "PING")
MANNERS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA")
RIGHT = PASSWORDS["alice@example.com"]
Counted = Callable[[Callable[[], Any]], tuple[Exchange, list[str], list[str]]]


# ── What it counts ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def counted(store: Store, db: None) -> Counted:
    """`counted(work)`: the trace of the one request in `work`, and the counts of the database and of Redis."""

    def run(work: Callable[[], Any]) -> tuple[Exchange, list[str], list[str]]:
        statements: list[str] = []
        connection.ensure_connection()
        connection.connection.set_trace_callback(statements.append)
        try:
            with store.client().monitor() as monitor, trace.collecting() as exchanges:
                work()
                store.client().echo("the work is done")
                commands = list(asked(monitor))
        finally:
            connection.connection.set_trace_callback(None)
        (exchange,) = exchanges
        return exchange, [sql for sql in statements if not sql.startswith(MANNERS)], commands

    return run


def asked(monitor: Any) -> Iterator[str]:
    """The names of the commands that clients sent to the site's databases, without those of scripts."""
    for line in monitor.listen():
        name, _, rest = line["command"].partition(" ")
        if "the work is done" in rest:
            return
        if line["client_type"] != "lua" and line["db"] in (SESSIONS, DENYLIST) and name.upper() not in CONNECTING:
            yield name.upper()


def in_sessions() -> Iterator[tuple[str, Callable[[], Any]]]:
    visitor = Visitor()
    visitor.get("/session/api/")
    yield "login", visitor.sign_in
    yield "whoami", lambda: visitor.get("/session/api/whoami")
    yield "profile", lambda: visitor.get("/session/api/profile")
    yield "notes", lambda: visitor.get("/notes/api/")
    yield "logout", lambda: visitor.call("POST", "/session/auth/logout")


def with_tokens() -> Iterator[tuple[str, Callable[[], Any]]]:
    holder = Holder()
    yield "login", holder.sign_in
    yield "whoami", lambda: holder.call("GET", "/jwt/api/whoami")
    yield "whoami, expiry", lambda: holder.call("GET", "/lab/whoami/expiry")
    yield "whoami, denylist", lambda: holder.call("GET", "/lab/whoami/denylist")
    yield "whoami, version", lambda: holder.call("GET", "/lab/whoami/version")
    yield "profile", lambda: holder.call("GET", "/jwt/api/profile")
    yield "notes", lambda: holder.call("GET", "/notes/api/")
    before = holder.refresh
    yield "refresh", holder.rotate
    yield "the same again", lambda: holder.rotate(before)
    yield "logout", lambda: holder.call("POST", "/jwt/auth/logout")


@pytest.mark.parametrize("operations", [in_sessions, with_tokens])
def test_it_counts_what_the_database_and_redis_were_asked(
    operations: Callable[[], Any], alice: User, counted: Counted, whole: None
) -> None:
    for name, work in operations():
        exchange, statements, commands = counted(work)
        assert exchange.status == 200, name
        assert exchange.count("sql") == len(statements), (name, exchange.texts("sql"), statements)
        assert [text.partition(" ")[0] for text in exchange.texts("redis")] == commands, name
        assert exchange.count("hash") == (name == "login"), name


def test_a_transaction_and_a_script_count_as_what_was_sent(counted: Counted) -> None:
    redis = get_redis_connection("denylist")

    def view(request: HttpRequest) -> HttpResponse:
        pipe = redis.pipeline()
        pipe.set("one", 1).get("one")
        pipe.execute()
        redis.eval("return redis.call('GET', KEYS[1])", 1, "one", "a value")
        return HttpResponse()

    exchange, _, commands = counted(lambda: TraceMiddleware(view)(RequestFactory().get("/")))
    assert exchange.texts("redis") == ["MULTI", "SET one", "GET one", "EXEC", "EVAL one"]
    assert commands == ["MULTI", "SET", "GET", "EXEC", "EVAL"]


def test_a_command_that_finds_its_connection_gone_is_counted(counted: Counted) -> None:
    """The client connects first, which sends commands as well."""
    pool = get_redis_connection("denylist").connection_pool

    def view(request: HttpRequest) -> HttpResponse:
        one = pool.get_connection()
        one.disconnect()
        one.send_command("GET", "one")
        one.read_response()
        pool.release(one)
        return HttpResponse()

    exchange, _, commands = counted(lambda: TraceMiddleware(view)(RequestFactory().get("/")))
    assert (exchange.texts("redis"), commands) == (["GET one"], ["GET"])


def test_signatures_are_noted(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def noting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given, **options: done.append(name) or method(*given, **options)  # type: ignore[func-returns-value]

    with open_sandbox() as sandbox:
        owner = sandbox.logged_in("jwt")
        monkeypatch.setattr(Backend, "encode", noting("sign HS256", Backend.encode))
        monkeypatch.setattr(Backend, "decode", noting("verify HS256", Backend.decode))
        for ask in (lambda: owner.get("/jwt/api/whoami"), lambda: owner.post("/jwt/auth/refresh")):
            assert ask().exchange.texts("jwt") == done != []
            done.clear()


def test_what_a_proof_asks_counts_for_itself(db: None, whole: None) -> None:
    """A page that runs a proof is itself a request, with the proof's requests inside."""
    inner: list[Exchange] = []

    def page(request: HttpRequest) -> HttpResponse:
        with open_sandbox() as sandbox:
            browsers = [sandbox.logged_in("session"), sandbox.logged_in("jwt")]
            inner.extend(one.get(f"/{flow}/api/profile").exchange for flow, one in zip(FLOWS, browsers, strict=True))
        return HttpResponse()

    with trace.collecting() as outer:
        TraceMiddleware(page)(RequestFactory().get("/"))
    assert [exchange.count("sql") for exchange in inner] == [1, 1]
    assert not any("session:" in text and text.startswith("GET") for text in outer[0].texts("redis"))


@pytest.mark.usefixtures("file_database")
def test_threads_of_a_page_note_their_statements() -> None:
    counts: list[int] = []

    def page(request: HttpRequest) -> HttpResponse:
        with open_sandbox() as sandbox:
            owner = sandbox.logged_in("session")
            answers = sandbox.at_once([lambda: owner.get("/session/api/profile")] * 2)
            counts.extend(answer.exchange.count("sql") for answer in answers)
        return HttpResponse()

    TraceMiddleware(page)(RequestFactory().get("/"))
    assert counts == [1, 1]


# ── Whose it is ───────────────────────────────────────────────────────────────────────────────


WIRE = "/lab/wire/"
AS_JSON = {"Accept": "application/json"}


def begin(visitor: Visitor) -> None:
    assert visitor.submit(WIRE, {"action": "record"}).status_code == 200


def test_only_the_browser_that_began_a_run_reads_it(db: None, store: Store) -> None:
    mine, other, without_cookie = Visitor(), Visitor(), Visitor()
    begin(mine)
    begin(other)
    mine.get("/session/api/whoami")
    read = mine.get(WIRE, headers=AS_JSON)
    (entry,) = read.json()["exchanges"]
    assert (entry["path"], entry["status"]) == ("/session/api/whoami", 401)
    assert "redis" not in read.headers["Server-Timing"]
    invented = Visitor()
    invented.cookies[COOKIE] = f"{'a' * 22}.{mine.cookies[COOKIE].value.partition('.')[2]}"
    for stranger in (other, without_cookie, invented):
        assert stranger.get(WIRE, headers=AS_JSON).json()["exchanges"] == []
    mine.submit(WIRE, {"action": "stop"})
    assert mine.get(WIRE, headers=AS_JSON).json()["exchanges"] == []


def test_an_invented_run_is_not_written_to(db: None, store: Store) -> None:
    invented = Visitor()
    invented.cookies[COOKIE] = f"{'a' * 22}.{'b' * 8}"
    invented.get("/session/api/whoami")
    assert store.client(TRACE).keys() == []


def test_a_run_is_capped_ends_by_itself_and_lies_in_a_database_of_its_own(db: None, store: Store) -> None:
    visitor, theirs = Visitor(), store.client(TRACE)
    begin(visitor)
    (key,) = theirs.keys()
    theirs.rpush(key, *["{}"] * MAX_EXCHANGES)
    theirs.expire(key, 5)
    visitor.get("/session/api/whoami")
    assert theirs.llen(key) == MAX_EXCHANGES
    assert LIFETIME - 5 <= theirs.ttl(key) <= LIFETIME
    (entry,) = visitor.get(WIRE, headers=AS_JSON).json()["exchanges"]
    assert not any("trace" in step["text"] for step in entry["steps"])
    assert [name for number in (SESSIONS, DENYLIST) for name in store.client(number).keys("*trace*")] == []


def test_without_the_store_of_traces_everything_else_answers(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = Visitor()
    begin(visitor)

    def away(alias: str) -> Any:
        raise StoreAway(alias)

    monkeypatch.setattr("lab.tracing.runs.get_redis_connection", away)
    assert visitor.sign_in().status_code == 200
    assert visitor.get("/session/api/whoami").status_code == 200


# ── What is not in it ─────────────────────────────────────────────────────────────────────────


IN_QUERY = "in-the-query-string-0123456789"


class Keeper(Visitor):
    """Remembers every secret that it was given or has sent."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets = {RIGHT, NEW, IN_QUERY}

    def generic(self, *given: Any, **options: Any) -> Any:
        response: Any = super().generic(*given, **options)
        self.secrets |= {
            morsel.value.partition(".")[0] if morsel.key == COOKIE else morsel.value for morsel in self.cookies.values()
        }
        self.secrets.add(response.headers.get("X-CSRFToken", ""))
        if response.headers["Content-Type"] == "application/json":
            self.secrets.add(response.json().get("accessToken", ""))
        return response

    def follow(self, link: str) -> None:
        """Opens a link from a mail, whose last part is a secret."""
        self.secrets.add(link.rstrip("/").split("/")[-1])
        assert self.get(link).status_code in (200, 302)


def test_no_secret_is_in_it(alice: User, store: Store, mailbox: Callable[[str], list[Any]]) -> None:
    visitor, theirs = Keeper(), store.client(TRACE)
    begin(visitor)
    log_in_and_out(visitor)
    open_links(visitor, mailbox)
    (key,) = theirs.keys()
    kept = key + b"".join(theirs.lrange(key, 0, -1))
    told = visitor.get(WIRE, headers=AS_JSON).content
    assert len(json.loads(told)["exchanges"]) == 16
    secrets = visitor.secrets - {""}
    assert len(secrets) >= 15
    for secret in secrets:
        # Six characters may be shown, to distinguish secrets.
        assert secret[:10].encode() not in kept + told, secret


def log_in_and_out(visitor: Keeper) -> None:
    visitor.get("/session/api/")
    visitor.sign_in()
    answer = visitor.call("POST", "/jwt/auth/login", {"email": "alice@example.com", "password": RIGHT})
    access = answer.json()["accessToken"]
    for header in (f"Bearer {access}", access, f"Basic {'YWxpY2U6' + 'x' * 24}"):
        visitor.secrets.add(header.split()[-1])
        visitor.get("/jwt/api/whoami", headers={"Authorization": header})
    visitor.call("POST", "/jwt/auth/refresh")
    visitor.call("POST", "/session/auth/password", {"current": RIGHT, "new": NEW})
    visitor.get(f"/session/api/whoami?token={IN_QUERY}")
    visitor.call("POST", "/jwt/auth/logout")
    visitor.call("POST", "/session/auth/logout")
    assert visitor.get(f"/session/profile/?to={IN_QUERY}").status_code == 302


def open_links(visitor: Keeper, mailbox: Callable[[str], list[Any]]) -> None:
    visitor.submit("/accounts/password/reset/", {"email": "alice@example.com"})
    visitor.follow(link_in(mailbox("alice@example.com")[0]))
    visitor.submit("/accounts/register/", {"name": "Carol", "email": "carol@example.com"})
    visitor.follow(link_in(mailbox("carol@example.com")[0]))


def test_a_refused_login_looks_the_same_for_who_is_registered_and_who_is_not(alice: User) -> None:
    with open_sandbox() as sandbox:
        browser = sandbox.browser()
        browser.get("/session/api/")
        refused = [
            browser.post(f"/{flow}/auth/login", {"email": email, "password": "a guess"})
            for flow in FLOWS
            for email in (alice.email, "nobody@example.com")
        ]
    seen = [
        [re.sub(r"throttle:login:[0-9a-f]*", "throttle", f"{step.kind} {step.text}") for step in answer.exchange.steps]
        for answer in refused
    ]
    assert seen[0] == seen[1] != []
    assert seen[2] == seen[3] != []


# ── Server-Timing ─────────────────────────────────────────────────────────────────────────────

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
PARAMETER = rf';{TOKEN}=(?:{TOKEN}|"[^"\\\r\n]*")'
METRIC = rf"{TOKEN}(?:{PARAMETER})*"
GRAMMAR = re.compile(rf"{METRIC}(?:, {METRIC})*")


def test_every_answer_carries_server_timing(alice: User) -> None:
    visitor = Visitor(raise_request_exception=False)
    visitor.get("/session/api/")
    answers = [visitor.sign_in(), *map(visitor.get, ("/", "/nowhere", "/session/api/whoami", "/jwt/auth/login"))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sessions_demo.store.fetch", away)
        answers.append(visitor.get("/session/api/whoami"))
        patch.setattr("config.home.render", broken)
        answers.append(visitor.get("/"))
    assert [answer.status_code for answer in answers] == [200, 200, 404, 200, 405, 503, 500]
    for answer in answers:
        assert GRAMMAR.fullmatch(answer.headers["Server-Timing"]), answer.headers["Server-Timing"]
    assert 'redis;desc="1 GET"' in answers[3].headers["Server-Timing"]


def away(*_: Any, **__: Any) -> Any:
    raise StoreAway("away")


def broken(*_: Any, **__: Any) -> Any:
    raise ImproperlyConfigured("broken")


@pytest.mark.parametrize("text", ['A"B\r\nSet-Cookie: x=1', 'é";dur=1', "\x00", ""])
def test_no_text_of_a_step_ends_the_header(text: str) -> None:
    recording = trace.Recording()
    for kind in trace.KINDS:
        recording.add(kind, text, recording.began)
    assert GRAMMAR.fullmatch(trace.server_timing(recording))


# ── Whatever arrives ──────────────────────────────────────────────────────────────────────────

HOSTILE: dict[str, dict[str, Any]] = {
    "a header that is no ASCII": {"HTTP_ORIGIN": "h\xe9\xff", "HTTP_AUTHORIZATION": "B\xe9arer \xff"},
    "half a surrogate pair": {"HTTP_COOKIE": "a=\xff", "HTTP_ACCEPT": "\udcff", "RAW_URI": "/\udcff"},
    "many cookies": {"HTTP_COOKIE": "; ".join(f"name{number}={'v' * 60}" for number in range(500))},
    "a huge name": {"HTTP_COOKIE": "n" * 60_000 + "=1"},
    "a cookie that is none": {"HTTP_COOKIE": '=;;"=; ==x; \x00=\x01; __Host-lab=..'},
    "a length that is none": {"CONTENT_LENGTH": "-1 or so"},
    "a length of many digits": {"CONTENT_LENGTH": "9" * 5000},
    "a header of nothing": {"HTTP_AUTHORIZATION": " ", "HTTP_COOKIE": " "},
}


@pytest.mark.parametrize("arrived", HOSTILE.values(), ids=HOSTILE)
def test_nothing_that_arrives_breaks_it(arrived: dict[str, Any]) -> None:
    answers = {
        "GET": HttpResponse(b"{" * 500, headers={"Location": "//[", "X-Odd": "\xe9"}, content_type="application/json"),
        "HEAD": HttpResponse(b"body"),
        "OPTIONS": StreamingHttpResponse(iter([b"a", b"b"])),
    }
    for method, answer in answers.items():
        with trace.collecting() as exchanges:
            request = RequestFactory().generic(method, "/" + "x/" * 5000, **arrived)
            assert TraceMiddleware(lambda request, answer=answer: answer)(request) is answer  # type: ignore[misc]
        (exchange,) = exchanges
        assert len(json.dumps(exchange.as_json())) < 16_000
        assert exchange.response_body == (500 if method == "GET" else 0)


def test_sizes_are_those_of_the_wire_without_the_labs_own(db: None) -> None:
    with open_sandbox() as sandbox:
        browser = sandbox.browser()
        plain = browser.get("/session/api/whoami", headers={"X-CSRFToken": None})
        browser.set_cookie(COOKIE, f"{'a' * 22}.{'b' * 8}")
        recorded = browser.get("/session/api/whoami", headers={"X-CSRFToken": None})
    assert recorded.exchange.request_head == plain.exchange.request_head
    assert recorded.exchange.cookies_sent == []
    sent = plain.response.request
    lines = [f"{sent.method} {sent.url.raw_path.decode()} HTTP/1.1", *(f"{k}: {v}" for k, v in sent.headers.items())]
    assert plain.exchange.request_head == sum(len(line) + 2 for line in lines) + 2
    assert plain.exchange.response_body == len(plain.response.content)
    head = [(name, value) for name, value in plain.response.headers.multi_items() if name != "server-timing"]
    status = len("HTTP/1.1 401 Unauthorized\r\n")
    assert plain.exchange.response_head == status + sum(len(f"{k}: {v}\r\n") for k, v in head) + 2


@pytest.mark.parametrize("part", ["exchange", "server_timing"])
def test_a_fault_of_the_trace_changes_no_answer(part: str, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = Visitor()
    begin(visitor)

    def fails(*args: Any) -> Any:
        raise ValueError("nobody thought of this")

    monkeypatch.setattr(trace, part, fails)
    assert visitor.sign_in().status_code == 200


def test_without_a_run_no_exchange_is_recorded(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "exchange", broken)
    assert Client().get("/session/api/whoami").status_code == 401
    with trace.off():
        assert "Server-Timing" not in Client().get("/session/api/whoami").headers


# ── Without the lab ───────────────────────────────────────────────────────────────────────────

WITHOUT = """
import json, django
from django.conf import settings as s
django.setup()
from django.test import Client
paths = ("/claims/", "/start/", "/lab/", "/lab/wire/", "/lab/decide/", "/notes/", "/notes/api/", "/jwt/api/")
pages = [Client(headers={"Accept": "application/json"}).get(path, secure=True) for path in paths]
print(json.dumps({
    "named": [s.INSTALLED_APPS, s.MIDDLEWARE, s.PASSWORD_HASHERS, s.CACHES],
    "answers": [page.status_code for page in pages],
    "headers": [name for page in pages for name in page.headers],
    "imported": [name for name in __import__("sys").modules if name.split(".")[0] == "lab"],
    "algorithm": type(__import__("jwt").get_algorithm_by_name("HS256")).__module__,
}, default=str))
"""


def test_without_demo_there_is_no_lab() -> None:
    ended = run("-c", WITHOUT, environment=GOOD | {"ALLOWED_HOSTS": "testserver"})
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    assert "lab." not in str(found["named"])
    assert "trace" not in str(found["named"])
    assert found["answers"] == [404, 404, 404, 404, 404, 404, 404, 200]
    assert "Server-Timing" not in found["headers"]
    assert "Content-Security-Policy" in found["headers"]
    assert (found["imported"], found["algorithm"]) == ([], "jwt.algorithms")
