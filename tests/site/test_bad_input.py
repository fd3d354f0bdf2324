"""Malformed requests at every address: the right answer to each, no 5xx, no dead worker, nothing stored.

Requests go through sockets, byte by byte, because a client library would correct them.
Every list is fixed or seeded, so that a failure can be repeated. `make test` sends a twelfth of each long list to
every address, a different twelfth to each, `make test-all` sends four twelfths, and `SOAK=1` sends all.
"""

import os
import random
import re
import socket
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
import pytest
import redis
from django.urls import URLResolver, get_resolver

from tests.running import Site, no_failures_counted, until
from tests.sampling import sampled
from tests.site.holder import COOKIE, LOGOUT, REFRESH, WHOAMI, Holder
from tests.site.postgres import ON_POSTGRESQL
from tests.site.visitor import PATIENCE, Visitor

pytestmark = [pytest.mark.soak, pytest.mark.site]
SOAK = bool(os.environ.get("SOAK"))
NUL, TOO_LONG = "\0", "a" * 5000
HEADERS = "Host: localhost\r\nConnection: close\r\n"
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
PERSON = "id, email, name, password, role, is_active, is_superuser"
# Tables that change without harm: a refused login adds events, and housekeeping updates its row.
LOG_LIKE = ("security_securityevent", "security_housekeepingrun", "sqlite_sequence")


SHARES = 12
Crossed = Callable[[Iterable[Any], Sequence[Any]], list[tuple[Any, Any]]]


@pytest.fixture(params=sampled(range(SHARES if SOAK else 4), {0}))
def crossed(request: pytest.FixtureRequest) -> Crossed:
    """`crossed(these, those)` pairs each of `these` with a twelfth of `those`, a different twelfth for each."""

    def pairs(these: Iterable[Any], those: Sequence[Any]) -> list[tuple[Any, Any]]:
        rows = list(enumerate(these))
        return [
            (one, other)
            for column, other in enumerate(those)
            for row, one in rows
            if (row + column) % SHARES == request.param
        ]

    return pairs


class Target:
    """A running site, an administrator's credentials for it, and what it stores."""

    def __init__(self, site: Site) -> None:
        self.site = site
        no_failures_counted(site)
        self.admin = Visitor(site).log_in()
        # Mails that are sent later would move to another table and change the counts.
        until(lambda: self.count()["accounts_outgoingmail"] == 0)
        page = self.admin.get("/admin/accounts/user/add/").text
        self.token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
        cookies = "; ".join(f"{name}={value}" for name, value in self.admin.cookies.items())
        self.as_admin = f"{HEADERS}Cookie: {cookies}\r\n"
        self.as_visitor = f"{HEADERS}Cookie: __Host-csrftoken={self.admin.cookies['__Host-csrftoken']}\r\n"
        self.holder = Holder(site)
        assert self.holder.log_in("admin@example.com", "demo-only-admin").status == 200
        self.workers = site.process_ids("gunicorn")
        self.stored = self.count()

    def send(self, request: bytes) -> int | None:
        """Sends a request; returns the answer's status, or `None` if the connection was closed without an answer."""
        with socket.create_connection(("127.0.0.1", self.site.port), timeout=PATIENCE) as connection:
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the site may refuse, and answer, before the request is sent to its end
            return status_of(connection)

    def send_all(self, requests: Iterable[bytes]) -> dict[bytes, int | None]:
        """The status of each answer. The throttle is emptied in between, or it would answer most requests."""
        requests, statuses = list(dict.fromkeys(requests)), {}
        with ThreadPoolExecutor(4) as pool:
            for start in range(0, len(requests), 80):
                self.store(1).flushdb()
                some = requests[start : start + 80]
                statuses |= dict(zip(some, pool.map(self.send, some), strict=True))
        # If the disk stalls for too long, any request is answered with 503. Each of these is sent again, alone, to
        # tell whether the request itself is the cause.
        for request in [request for request, status in statuses.items() if status == 503]:
            until(self.site.is_ready)
            statuses[request] = self.send(request)
        return statuses

    def store(self, db: int) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.site.store_socket), db=db)

    def count(self) -> dict[str, Any]:
        """The number of rows in each table and of sessions in the store, and the data of all users."""
        with self.connect() as database:
            counts = {
                table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
                for (table,) in database.execute(self.tables).fetchall()
                if table not in LOG_LIKE
            }
            people = database.execute(f"SELECT {PERSON} FROM accounts_user ORDER BY id").fetchall()  # noqa: S608
        return counts | {"sessions": self.store(0).dbsize(), "people": people}

    def connect(self) -> Any:
        if url := self.site.environment.get("DATABASE_URL"):
            return psycopg.connect(url)
        return sqlite3.connect(f"file:{self.site.folder}/var/db.sqlite3?mode=ro", uri=True)

    @property
    def tables(self) -> str:
        if "DATABASE_URL" in self.site.environment:
            return "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        return "SELECT name FROM sqlite_master WHERE type = 'table'"

    def assert_unharmed(self) -> None:
        """The same workers still serve the same administrator the same data."""
        self.store(1).flushdb()
        assert self.site.process_ids("gunicorn") == self.workers
        until(lambda: self.count() == self.stored, 5)
        assert "alice@example.com" in self.admin.get("/admin/accounts/user/?q=alice").text
        assert Visitor(self.site).get("/").status == 200
        assert self.holder.whoami() == 200


def status_of(connection: socket.socket) -> int | None:
    head = b""
    try:
        while b"\r\n" not in head and (some := connection.recv(4096)):
            head += some
    except ConnectionResetError:
        pass
    return int(head.split()[1]) if head else None


@pytest.fixture(scope="module")
def on_sqlite(site: Site) -> Target:
    return Target(site)


@pytest.fixture(scope="module")
def on_postgresql(pg_site: Site) -> Target:
    return Target(pg_site)


ON_BOTH = pytest.mark.parametrize(
    "database",
    ["on_sqlite", pytest.param("on_postgresql", marks=ON_POSTGRESQL)],
    ids=["sqlite", "postgresql"],
)


@pytest.fixture
def database() -> str:
    """The default, for requests that are refused before the database is queried."""
    return "on_sqlite"


@pytest.fixture
def target(request: pytest.FixtureRequest, database: str) -> Iterator[Target]:
    """A site that is checked before and after the test."""
    target = request.getfixturevalue(database)
    target.assert_unharmed()
    yield target
    target.assert_unharmed()


def get(path: str, headers: str = HEADERS) -> bytes:
    return f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode("latin-1")


def post(path: str, body: bytes, headers: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


def assert_refused_well(statuses: dict[bytes, int | None]) -> None:
    wrong = {request[:200]: status for request, status in statuses.items() if not status or status >= 500}
    assert not wrong, f"{len(wrong)} of {len(statuses)}: {dict(list(wrong.items())[:5])}"


# ── Every address ──────────────────────────────────────────────────────────────────────────────


def routes(patterns: list[Any], prefix: str = "/") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, prefix + str(pattern.pattern))
        else:
            yield prefix + str(pattern.pattern)


def addresses(*values: str) -> list[str]:
    """Every address of the site, with each of `values` in place of its parameters."""
    found = []
    for route in routes(get_resolver("config.urls").url_patterns):
        plain = re.sub(r"\(\?P<app_label>(\w+)[^)]*\)", r"\1", route.replace("^", "").replace("$", ""))
        for value in values:
            found.append(re.sub(r"\(\?P<\w+>\.\*\)|<[\w:]+>", lambda _, value=value: value, plain))
    return list(dict.fromkeys(found))


def open_addresses() -> list[str]:
    """The addresses that do more for a visitor than redirect to the login page."""
    return [path for path in addresses("999999") if not path.startswith("/admin/accounts")]


# Bad as numbers, dates and choices, in PostgreSQL (NUL), in UTF-8, and in SQLite (more than 64 bits).
ODD = ["", "-1", "%00", "1%00", "%ff%fe", "%zz", "9" * 23, "%", "x", "1.5", "%ed%a0%80", "NaN", "1" * 3000]
PARAMETERS = [
    *("1", "0", "999999", "9223372036854775808", "%0d%0aX:%20y", "_5F_00", "_", "__proto__", "'%20OR%201=1--"),
    *("..%2f..%2fetc%2fpasswd", "%2e%2e", "a/b/c", "//evil.example", "%F0%9F%92%A9", "None", "1e9", "set-password"),
    *ODD[1:],
]
QUERIES = [
    *("=", "&&&", "%", "%zz=1", "%00=%00", "%ff=%ff", "%ed%a0%80=%ed%a0%80", "a[]=1&a[0]=2", "__proto__=1"),
    *(f"next={url}" for url in ("//evil.example", "%00", "%ff", "%0d%0aX:y", "javascript:alert(1)", "http://[")),
    *(f"page={page}" for page in ("0", "-1", "9" * 23, "%00", "last", "NaN")),
    "&".join(f"a{number}=1" for number in range(600)),
    "&".join(["a"] * 1900),
]
LISTS = ("/admin/accounts/user/", "/admin/security/securityevent/")
TOKEN_LISTS = (
    "/admin/jwt_demo/tokenfamily/",
    *("/admin/token_blacklist/outstandingtoken/", "/admin/token_blacklist/blacklistedtoken/"),
)
LOOKUPS = [
    *("q", "o", "p", "e", "all", "id", "pk", "nothing", "__", "_popup", "_to_field", "_changelist_filters", "_facets"),
    *("role__exact", "role__in", "role__isnull", "is_active__exact", "is_active__isnull", "id__in", "pk__in", "id__gt"),
    *(
        "name",
        "name__exact",
        "name__in",
        "name__isnull",
        "at__gte",
        "at__lt",
        "at__isnull",
        "at__year",
        "at__date",
        "at__hour",
    ),
    *("email", "email__regex", "email__in", "password__startswith", "groups__id", "groups__name", "user_key__exact"),
    *("detail__a__b", "detail__contains", "is_superuser", "last_login__gte", "token_version", "known_clients__digest"),
]
TOKEN_LOOKUPS = ["state", "transport__exact", "remember__exact", "jti", "token", "user__password", "policy__a__b"]
SEARCHES = [
    *(f"q={words}" for words in ("%22", "%22%00%22", "%5c", "'", "%25", "_", "a+" * 300)),
    *(f"o={order}" for order in ("99", "-99", "1.2.3.4.5", ".", "-", "1.1.1")),
    *(
        f"at__gte={moment}"
        for moment in ("9999-99-99", "0001-01-01", "9999-12-31%2023:59:59%2B23:59", "99999999-01-01")
    ),
    *("at__lt=0001-01-01%2000:00:00-23:59", "email__regex=(", "name__in=" + "a," * 900, "_to_field=password", "e=1"),
]


@ON_BOTH
def test_every_address_with_every_parameter(target: Target, crossed: Crossed) -> None:
    paths = [path for path, _ in crossed(addresses(*PARAMETERS), [None])]
    assert len(paths) > 400 // SHARES
    statuses = target.send_all(get(path, who) for path in paths for who in (HEADERS, target.as_admin))
    assert_refused_well(statuses)
    assert Counter(statuses.values())[200] >= 2


def test_every_address_with_every_query(target: Target, crossed: Crossed) -> None:
    requests = [get(f"{path}?{query}", target.as_admin) for path, query in crossed(addresses("1"), QUERIES)]
    requests += [get(f"{path}?{query}") for path, query in crossed(open_addresses(), QUERIES)]
    assert_refused_well(target.send_all(requests))


@ON_BOTH
def test_every_search_filter_and_order_of_the_admin(target: Target, crossed: Crossed) -> None:
    queries = SEARCHES + [f"{name}={value}" for name in LOOKUPS for value in ODD[::2]]
    requests = [get(f"{path}?{query}", target.as_admin) for path, query in crossed(LISTS, queries)]
    queries_of_tokens = SEARCHES + [f"{name}={value}" for name in TOKEN_LOOKUPS for value in ODD[::4]]
    requests += [get(f"{path}?{query}", target.as_admin) for path, query in crossed(TOKEN_LISTS, queries_of_tokens)]
    requests.append(get(f"{LISTS[0]}?email__regex=(", target.as_admin))
    pages = ("/admin/autocomplete/", "/admin/accounts/user/1/change/", "/admin/accounts/user/add/", "/accounts/mail/")
    requests += [get(f"{path}?{query}", target.as_admin) for path in pages for query in queries[::7]]
    statuses = target.send_all(requests)
    assert_refused_well(statuses)
    for good in ("q=alice", "o=-1.2", "role__exact=member", "p=1"):
        assert target.send(get(f"{LISTS[0]}?{good}", target.as_admin)) == 200
    assert statuses[get(f"{LISTS[0]}?email__regex=(", target.as_admin)] == 400


METHODS = [
    *("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "FROBNICATE", "G@T", "get"),
    "A" * 100,
]


def test_every_address_with_every_method(target: Target, crossed: Crossed) -> None:
    for headers in (HEADERS, target.as_admin):
        requests = {
            f"{method} {path} HTTP/1.1\r\n{headers}\r\n".encode(): method
            for path, method in crossed(addresses("1"), METHODS)
        }
        statuses = target.send_all(requests)
        assert_refused_well(statuses)
        assert {statuses[request] for request, method in requests.items() if method == "G@T"} == {400}


COOKIES = [
    *(
        "=",
        ";;;",
        "__Host-sessionid=",
        "__Host-sessionid=%00",
        "__Host-sessionid=" + "a" * 4000,
        '__Host-sessionid="',
        "a=b;" * 500,
    ),
    *(
        "__Host-sessionid=\xff\xfe",
        "__Host-sessionid=" + "a" * 32,
        "__Host-sessionid=../../x",
        "__Host-sessionid=\x7f",
        "__Host-sessionid=é",
    ),
    *(
        "__Host-csrftoken=",
        "__Host-csrftoken=\xff",
        "__Host-csrftoken=" + "a" * 64,
        "__Host-csrftoken=%00",
        "$Version=1; a=b",
        "__Host-sessionid=a; __Host-sessionid=b",
    ),
]


def test_every_address_with_broken_cookies(target: Target, crossed: Crossed) -> None:
    requests = [get(path, f"{HEADERS}Cookie: {cookie}\r\n") for path, cookie in crossed(addresses("1"), COOKIES)]
    assert_refused_well(target.send_all(requests))


# ── Bodies ─────────────────────────────────────────────────────────────────────────────────────


URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
FIELD = 'Content-Disposition: form-data; name="a"'
Body = tuple[int | None, str, bytes]


def bodies(token: str) -> list[Body]:
    """Triples: the right status or, if several are right, `None`; a content type; a body."""
    form = f"csrfmiddlewaretoken={token}"
    parts = f'--x\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{token}\r\n'
    return [*too_large(form, parts), *of_another_kind(form, parts), *odd_forms(form), *odd_parts(parts)]


def too_large(form: str, parts: str) -> Iterator[Body]:
    long, field, file = "a" * 70_000, f"{FIELD}\r\n\r\nb\r\n", f'{FIELD}; filename="b"\r\n\r\nb\r\n'
    yield 413, URLENCODED, f"{form}&email={long}".encode()
    yield 413, URLENCODED, long.encode()
    yield 413, MULTIPART, f"{parts}--x\r\n{FIELD}\r\n\r\n{long}\r\n--x--".encode()
    yield 400, URLENCODED, (form + "&a=b" * 1001).encode()
    yield 400, MULTIPART, (parts + f"--x\r\n{field}" * 1001 + "--x--").encode()
    yield 400, MULTIPART, (parts + f"--x\r\n{file}" * 101 + "--x--").encode()


def of_another_kind(form: str, parts: str) -> Iterator[Body]:
    yield 403, "application/json", b'{"email": "a@example.com"}'
    yield 403, "application/json", b"\xff\xfe"
    yield 403, "text/plain", form.encode()
    yield 403, "", form.encode()
    for kind in ("nonsense", "/;;="):
        yield None, kind, form.encode()
    for boundary in ("", "; boundary=", "; boundary=" + "x" * 500, "; boundary=\xff"):
        yield None, f"multipart/form-data{boundary}", parts.encode()
    yield None, "multipart/mixed; boundary=x", parts.encode()


def odd_forms(form: str) -> Iterator[Body]:
    yield None, URLENCODED, b"\xff\xfe\x00" + form.encode()
    yield None, URLENCODED, b"%zz=%zz&" + form.encode()
    yield None, URLENCODED, f"{form}&email=%ed%a0%80&name=%ff&username=%00&password=%00".encode()
    for charset in ("utf-7", "nonsense", "\xff"):
        yield None, f"{URLENCODED}; charset={charset}", form.encode()
    yield None, f"{URLENCODED}; charset=utf-16", form.encode("utf-16")


def odd_parts(parts: str) -> Iterator[Body]:
    head, email = "Content-Disposition", 'Content-Disposition: form-data; name="email"'
    for part in (
        "\r\n\r\n",
        f"{head}: \xff\r\n\r\na\r\n",
        f'{head}: form-data; name="\0"\r\n\r\n\0\r\n',
        f"{head}: form-data; name*=utf-8''%zz%ff\r\n\r\na\r\n",
        f'{email}; filename="../\0"\r\n\r\na\r\n',
        f"{email}\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n",
    ):
        yield None, MULTIPART, f"{parts}--x\r\n{part}--x--".encode("latin-1")
    for text in ("", "--x", parts):
        yield None, MULTIPART, text.encode()


OPEN_FORMS = ("/accounts/register/", "/accounts/password/reset/", "/admin/login/")


def test_every_address_with_every_body(target: Target, crossed: Crossed) -> None:
    for headers, paths in ((target.as_visitor, open_addresses()), (target.as_admin, addresses("999999"))):
        requests = {
            post(path, body, f"{headers}Content-Type: {kind}\r\n"): (path, right)
            for path, (right, kind, body) in crossed(paths, list(bodies(target.token)))
            if not path.endswith(("/logout/", "/logout-everywhere/"))  # these need only a valid CSRF token
        }
        statuses = target.send_all(requests)
        assert_refused_well(statuses)
        wrong = [
            (path, right, statuses[request], request[-100:])
            for request, (path, right) in requests.items()
            if right and path in OPEN_FORMS and statuses[request] != right
        ]
        assert not wrong, wrong[:5]


class Fields(HTMLParser):
    """The names of a page's form fields."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("input", "select", "textarea", "button"):
            self.names.add(dict(attrs).get("name") or "")


FORM_PAGES = [
    *OPEN_FORMS,
    *("/accounts/password/", "/admin/password_change/", "/admin/accounts/user/add/", "/admin/accounts/user/1/change/"),
    *("/admin/accounts/user/1/password/", *LISTS, *TOKEN_LISTS),
]
VALUES = [
    NUL,
    f"a{NUL}b@example.com",
    TOO_LONG,
    "\ufffd",
    "9" * 30,
    "-1",
    "a@b@c",
    "\r\nBcc: eve@example.com",
    "%s%n{{7*7}}",
]


@ON_BOTH
def test_every_field_of_every_form(target: Target, crossed: Crossed) -> None:
    requests, seen = [], 0
    for path in FORM_PAGES:
        who = target.as_visitor if path in OPEN_FORMS else target.as_admin
        visitor = Visitor(target.site) if path in OPEN_FORMS else target.admin
        names = Fields(visitor.get(path).text).names - {"", "csrfmiddlewaretoken"}
        seen += len(names)
        requests += [_filled(path, target.token, {name: value}, who) for name, value in crossed(sorted(names), VALUES)]
        # All fields at once: no field may rely on another field's check.
        requests += [_filled(path, target.token, dict.fromkeys(names, value), who) for value in (NUL, TOO_LONG)]
    assert seen > 30
    assert_refused_well(target.send_all(requests))


def _filled(path: str, token: str, fields: dict[str, str], who: str) -> bytes:
    return post(path, urlencode({"csrfmiddlewaretoken": token} | fields).encode(), who + FORM)


@ON_BOTH
@pytest.mark.parametrize("value", [NUL, "a\0", "\ud800", TOO_LONG, "\ufffd", "9" * 400])
def test_an_odd_login_is_a_wrong_login(target: Target, value: str) -> None:
    encoded = quote(value, errors="surrogatepass")
    requests = [
        post("/admin/login/", f"csrfmiddlewaretoken={target.token}&{fields}".encode(), target.as_visitor + FORM)
        for fields in (
            f"username={encoded}&password=a",
            f"username=alice@example.com&password={encoded}",
            f"username={encoded}&password={encoded}",
        )
    ]
    assert set(target.send_all(requests).values()) == {200}


ACTIONS = [
    *("action=", "action=%00", "action=nonsense", "_save=%00&form-TOTAL_FORMS=%00"),
    *(f"action=delete_selected{rest}" for rest in ("", "&select_across=%00&index=%00", "&index=-1")),
    *(f"action=delete_selected&index={index}&_selected_action=1" for index in ("x", "999999", "%00")),
    *(f"action=delete_selected&_selected_action={row}" for row in ("%00", "x", "%ff", "1&_selected_action=", "9" * 30)),
    *(f"action=delete_selected&_selected_action={row}&post=yes" for row in ("%00", "x", "-1", "1.5", "9" * 30)),
]


@ON_BOTH
def test_odd_actions_of_the_admin(target: Target) -> None:
    requests = [
        post(path, f"csrfmiddlewaretoken={target.token}&{action}".encode(), target.as_admin + FORM)
        for path in LISTS + TOKEN_LISTS
        for action in ACTIONS
    ]
    assert_refused_well(target.send_all(requests))


# ── Tokens ─────────────────────────────────────────────────────────────────────────────────────

JSON = "Content-Type: application/json\r\n"
SEGMENT = "eyJhbGciOiJub25lIn0"
# Sent in place of a token, wherever a request carries one.
ODD_TOKENS = [
    *("x", "a.b.c", "..", "...", f"{SEGMENT}..", f"{SEGMENT}.{SEGMENT}.", f"{SEGMENT}.{SEGMENT}.{SEGMENT}", "null"),
    *(f"{SEGMENT}={SEGMENT}", "é.é.é", "a" * 4097, "a." * 2000 + "a", ".".join(["a" * 1300] * 3), "%00.%00.%00", "{}"),
    *("e30.e30.e30", "W10.W10.W10", "MQ.MQ.MQ", "bnVsbA.bnVsbA.bnVsbA", f"{'W1tb' * 900}.e30.e30", "\xff.\xff.\xff"),
]
# Sent in place of a string in a JSON body: escapes, other types, values that are too long.
ODD_JSON = [
    *(
        b'"\\u0000"',
        b'"a\\u0000b"',
        b'"\\ud800"',
        b'"\\udfff\\ud800"',
        b'""',
        b'" "',
        b'"' + b"a" * 20_000 + b'"',
        b"null",
    ),
    *(b"true", b"0", b"1e999", b"-0.0", b"1" * 400, b"[]", b"{}", b'["a"]', b'{"a": {}}', b"NaN", b'"\xff"', b'"\\x"'),
    *(b"[" * 20_000, b'{"a":' * 9000, b"[" * 3000 + b"]" * 3000),
]
BODIES = {
    "/jwt/auth/login": {
        "email": b'"alice@example.com"',
        "password": b'"a guess"',
        "remember": b"true",
        "transport": b'"body"',
        "refresh": b"false",
    },
    REFRESH: {"refreshToken": b'"a.b.c"'},
    LOGOUT: {"refreshToken": b'"a.b.c"'},
    "/jwt/auth/reauthenticate": {"password": b'"a guess"'},
    "/jwt/auth/password": {"current": b'"a guess"', "new": b'"a new and longer one"'},
}


def test_every_odd_token_in_every_place(target: Target) -> None:
    bearers = [f"Authorization: {scheme} {token}" for scheme in ("Bearer", "bearer") for token in ODD_TOKENS]
    bearers += [
        f"Authorization: {value}" for value in ("", "Bearer", "Bearer ", "Bearer\t", "Bearer a b", "Token a.b.c")
    ]
    good = f"Authorization: Bearer {target.holder.access}"
    bearers += [f"{good}\r\n{good}", f"{good},{good}", f"{good} {target.holder.access}", f"{good}=", f"{good}."]
    paths = [path for path in addresses("999999") if path.startswith("/jwt/")]
    statuses = target.send_all(get(path, f"{HEADERS}{bearer}\r\n") for path in paths for bearer in bearers)
    assert_refused_well(statuses)
    whoami = {bearer: statuses[get(WHOAMI, f"{HEADERS}{bearer}\r\n")] for bearer in bearers}
    assert set(whoami.values()) <= {400, 401, 431}, whoami
    assert target.send(get(WHOAMI, f"{HEADERS}{good}\r\n")) == 200
    cookies = [post(REFRESH, b"", f"{HEADERS}Cookie: {COOKIE}={token}\r\n") for token in ODD_TOKENS]
    assert set(target.send_all(cookies).values()) <= {400, 401, 431}


@ON_BOTH
def test_every_odd_value_in_every_field_of_a_body(target: Target) -> None:
    requests = []
    for path, fields in BODIES.items():
        bearer = "" if path == LOGOUT else f"Authorization: Bearer {target.holder.access}\r\n"
        filled = [fields | {name: odd} for name in fields for odd in ODD_JSON]
        bodies = [b"{" + b",".join(b'"%s":%s' % (n.encode(), v) for n, v in one.items()) + b"}" for one in filled]
        requests += [post(path, body, HEADERS + JSON + bearer) for body in [*bodies, *ODD_JSON, b"", b"\xff\xfe"]]
    statuses = target.send_all(requests)
    assert_refused_well(statuses)
    # Logout accepts any token, also a bad one.
    assert {status for request, status in statuses.items() if LOGOUT.encode() not in request} <= {400, 401, 413, 429}


# ── Broken HTTP ────────────────────────────────────────────────────────────────────────────────

LINE = "GET / HTTP/1.1"
LOGIN = "POST /admin/login/ HTTP/1.1"
BAD_LINES = [
    *("", "\0\1\2\xff", "GET", "GET /", "GET / HTTP/0.9", "GET / HTTP/9.9", "GET / HTTP/1.1 x", "GET / FTP/1.1"),
    *("PRI * HTTP/2.0", "G@T / HTTP/1.1", "get / HTTP/1.1", "A" * 3000 + " / HTTP/1.1", " / HTTP/1.1", "GET  HTTP/1.1"),
    *("GET admin HTTP/1.1", "GET \\admin HTTP/1.1", "GET /\0 HTTP/1.1", "GET /\xff HTTP/1.1", "PROXY TCP4 ::1 ::1 1 1"),
]
BAD_PATHS = [
    *("/%zz", "/%", "/%00", "/%ff%fe", "/%ed%a0%80", "/../../etc/passwd", "/admin%00/login/", "/a" * 1500),
    *(
        "/static/../config/settings.py",
        "/static/%2e%2e/%2e%2e/.env",
        "/static/%00",
        "/static/",
        "/.env",
        "/.git/config",
    ),
    *("//evil.example/%2f..", "//admin"),
]
BAD_HOSTS = [
    *("evil.example", "localhost.evil.example", "a/b@c", "\xe9", "local\0host", "[::1", "*", "localhost:x", "a" * 5000),
    *("localhost evil.example", "localhost,evil.example", "localhost\r\nHost: evil.example"),
]
BAD_HEADERS = ["no", "X : a", "X: a\r\n b", "X: a\0b", ": a", "X: a\rb", "X\0: a", "X: \x1b[31m", "(: a", "\xff: a"]
HUGE_HEADERS = ["X: " + "a" * 2**20, "X: " + "a" * 9000, "\r\n".join(["X: a"] * 5000)]
ODD_HEADERS = [
    *("X-Forwarded-For: \xff, %00", "Script-Name: /x", "SCRIPT_NAME: /x", "X_Forwarded_For: x", "Upgrade: websocket"),
    *("Accept: ;;;q=,,/", "Accept: text/html;q=abc", "Accept-Language: " + "a-" * 2000, "User-Agent: \xff"),
    *("Sec-Fetch-Site: \xff", "Origin: \xff", "Referer: http://[", "X-CSRFToken: \xff", 'If-None-Match: "'),
    *("If-Modified-Since: x", "Range: bytes=z-", "Authorization: Basic \xff", "Authorization: Bearer a.b.c"),
]
BAD_LENGTHS = [
    *("-1", "x", "", "+2", "0x2", "1_0", "\xb2", "1, 2", "1\r\nContent-Length: 2", "2\r\nTransfer-Encoding: chunked"),
]
BAD_CHUNKS = [
    *("zz\r\nabc\r\n", "-1\r\nabc\r\n", "f" * 20 + "\r\nabc\r\n", "5\r\nab", "1\r\nabcdef\r\n0\r\n\r\n", "0"),
    "1;" + "a" * 9000 + "\r\na\r\n0\r\n\r\n",
]


def broken_http() -> Iterator[tuple[int | None, str]]:
    """Pairs: the right status, and the request."""
    yield 200, f"{LINE}\r\n{HEADERS}\r\n"
    # No HTTP: an empty request, and the first bytes of TLS. The connection is closed without an answer.
    yield from ((None, text) for text in ("", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "a" * 60))
    yield from ((400, f"{line}\r\n{HEADERS}\r\n") for line in BAD_LINES)
    yield from ((404, f"GET {path} HTTP/1.1\r\n{HEADERS}\r\n") for path in BAD_PATHS)
    yield from ((404, f"{line} HTTP/1.1\r\n{HEADERS}\r\n") for line in ("CONNECT localhost:80", "OPTIONS *"))
    yield from ((414, f"GET /{'a' * length} HTTP/1.1\r\n{HEADERS}\r\n") for length in (5000, 100_000))
    # The host of an absolute address has no effect, because links are built from SITE_URL.
    yield from ((200, f"GET http://{host}/ HTTP/1.1\r\n{HEADERS}\r\n") for host in ("localhost", "evil.example"))
    yield from ((400, f"{LINE}\r\nHost: {host}\r\n\r\n") for host in BAD_HOSTS)
    yield from ((400, f"{LINE}\r\n{header}\r\n{HEADERS}\r\n") for header in BAD_HEADERS)
    yield from ((431, f"{LINE}\r\n{header}\r\n{HEADERS}\r\n") for header in HUGE_HEADERS)
    yield from ((200, f"{LINE}\r\n{header}\r\n{HEADERS}\r\n") for header in ODD_HEADERS)
    yield 417, f"{LOGIN}\r\nExpect: nonsense\r\nContent-Length: 1\r\n{HEADERS}\r\na"
    yield from ((400, f"{LOGIN}\r\nContent-Length: {length}\r\n{HEADERS}\r\nab") for length in BAD_LENGTHS)
    # Lengths that are too small or too great: the body that arrives is read, and has no CSRF token.
    yield from ((403, f"{LOGIN}\r\nContent-Length: {length}\r\n{FORM}{HEADERS}\r\nab") for length in ("1", "50"))
    yield 400, f"{LOGIN}\r\nTransfer-Encoding: chunked, chunked\r\n{HEADERS}\r\n"
    # RFC 9112 section 6.1 asks for 501 if a transfer coding is not implemented.
    yield 501, f"{LOGIN}\r\nTransfer-Encoding: cow\r\n{HEADERS}\r\nab"
    yield from ((411, f"{LOGIN}\r\nTransfer-Encoding: chunked\r\n{HEADERS}\r\n{chunks}") for chunks in BAD_CHUNKS)


def test_broken_http(target: Target) -> None:
    requests = {text.encode("latin-1"): right for right, text in broken_http()}
    assert len(requests) > 100
    statuses = target.send_all(requests)
    wrong = {
        request[:200]: (right, statuses[request]) for request, right in requests.items() if statuses[request] != right
    }
    assert not wrong, wrong


def test_broken_bytes_anywhere_in_a_request(target: Target) -> None:
    chance = random.Random(7)  # noqa: S311
    body = urlencode({"csrfmiddlewaretoken": target.token, "email": "a@", "name": ""}).encode()
    good = [
        get("/admin/accounts/user/?q=alice&o=1", target.as_admin),
        post("/accounts/register/", body, target.as_visitor + FORM),
    ]
    assert [target.send(request) for request in good] == [200, 200]
    statuses = target.send_all(_mutated(chance.choice(good), chance) for _ in range(400))
    wrong = {request: status for request, status in statuses.items() if status and status >= 500 and status != 501}
    assert not wrong, wrong


def _mutated(request: bytes, chance: random.Random) -> bytes:
    data = bytearray(request)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data))
        odd = chance.choice(
            [b"\0", b"\xff", b"\r\n", b"%", b":", b" ", b";", b"\x7f", b"%00", bytes([chance.randrange(256)])]
        )
        data[at : at + chance.randint(0, 3)] = odd
    return bytes(data)
