"""Fixtures for all tests: a real store that is emptied before each test, the cast, and a running site."""

import io
import logging
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import connection, connections
from django.test import Client, override_settings
from django.utils.crypto import get_random_string
from time_machine import TimeMachineFixture

from accounts.models import User
from config.log import JsonFormatter
from security import housekeeping, old_hashes
from security.checks import refuse_mistakes
from security.hashers import Argon2id
from security.pool import GuardedPool
from tests.running import ROOT, Site, Store, no_failures_counted
from tests.site.backstage import Backstage

BROWSER_HEADERS = {"Sec-Fetch-Site": "same-origin", "User-Agent": "Mozilla/5.0 (test)"}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Clock = Callable[[float], None]
# The passwords of the cast.
PASSWORDS = {
    "alice@example.com": "correct horse alice",
    "bob@example.com": "correct horse bob",
    "admin@example.com": "correct horse admin",
}


class Browser(Client):
    """A test client that is treated like a browser: CSRF is enforced, and it says where requests come from."""

    def __init__(self, headers: dict[str, str] | None = None, **options: Any) -> None:
        super().__init__(enforce_csrf_checks=True, headers=BROWSER_HEADERS | (headers or {}), **options)

    def submit(self, path: str, data: dict[str, Any] | None = None, **extra: Any) -> Any:
        """Posts a form with the CSRF token the browser has, or would have been given."""
        if settings.CSRF_COOKIE_NAME not in self.cookies:
            self.cookies[settings.CSRF_COOKIE_NAME] = get_random_string(32)
        token = self.cookies[settings.CSRF_COOKIE_NAME].value
        return self.post(path, {"csrfmiddlewaretoken": token, **(data or {})}, **extra)

    def log_in(self, email: str, password: str | None = None, **extra: Any) -> Any:
        """The admin's login form, with the right password unless another is given."""
        password = PASSWORDS.get(email, "") if password is None else password
        return self.submit("/admin/login/?next=/admin/", {"username": email, "password": password}, **extra)

    @property
    def session_id(self) -> str:
        """The session cookie's value, "" without one."""
        cookie = self.cookies.get(settings.SESSION_COOKIE_NAME)
        return cookie.value if cookie else ""


def told(answer: Any) -> dict[str, str]:
    """The headers of a response, to be compared. The durations in `Server-Timing` are left out because they vary."""
    return {name: re.sub(r"dur=[\d.]+", "", value) for name, value in answer.headers.items()}


@pytest.fixture(scope="session", autouse=True)
def store() -> Iterator[Store]:
    """The store the settings point at."""
    store = Store(settings.STORE_SOCKET)
    store.start()
    # The checks run once for this process. Later they would count among the costs of some request.
    with override_settings(ALLOWED_HOSTS=["localhost"]):  # Django's test environment adds a host no demo may have
        refuse_mistakes()
    yield store
    store.kill()
    shutil.rmtree(settings.VAR_DIR)


@pytest.fixture(scope="session")
def sweeper(store: Store) -> redis.Redis:
    """One connection for all tests: opening a connection takes longer than emptying a store."""
    return store.client()


@pytest.fixture(autouse=True)
def empty_store(store: Store, sweeper: redis.Redis) -> None:
    try:
        sweeper.flushall()
    except redis.RedisError:
        if not store.answers():
            store.start()
        store.client().flushall()


@pytest.fixture(autouse=True)
def no_old_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No old hashes were found just now. Otherwise the query of once a minute could disturb a test that counts."""
    monkeypatch.setattr("security.old_hashes.ASKED", old_hashes.Asked({}, time.monotonic()))


@pytest.fixture
def simple_jwt(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`simple_jwt(LEEWAY=0)` sets keys of `SIMPLE_JWT` for one test.

    Not pytest's `settings`: SimpleJWT would read its settings anew, and some of its modules would keep the old ones.
    """

    def change(**keys: Any) -> None:
        for name, value in keys.items():
            monkeypatch.setitem(settings.SIMPLE_JWT, name, value)

    return change


@pytest.fixture
def browser() -> Browser:
    return Browser()


@pytest.fixture
def mallory() -> Browser:
    """Another browser, at another address."""
    return Browser({"User-Agent": "mallory/1.0"}, REMOTE_ADDR="203.0.113.66")


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice@example.com", PASSWORDS["alice@example.com"], name="Alice")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob@example.com", PASSWORDS["bob@example.com"], name="Bob")


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_superuser("admin@example.com", PASSWORDS["admin@example.com"], name="Admin")


@pytest.fixture
def clock(time_machine: TimeMachineFixture) -> Clock:
    """`clock(seconds)` sets the time to so long after noon; it stands still otherwise."""

    def move(seconds: float) -> None:
        time_machine.move_to(NOON + timedelta(seconds=seconds), tick=False)

    move(0)
    return move


@contextmanager
def read_only(store: Store) -> Iterator[None]:
    """A demoted store: it answers, but refuses every write."""
    store.client().replicaof("127.0.0.1", "1")
    try:
        yield
    finally:
        store.client().replicaof("no", "one")


@contextmanager
def full(store: Store) -> Iterator[None]:
    """A store without free memory: it answers reads and deletes keys, but refuses all other writes."""
    store.client().config_set("maxmemory", 1)
    try:
        yield
    finally:
        store.client().config_set("maxmemory", 0)


@dataclass
class Cost:
    """The hashes, SQL statements and Redis commands of some code."""

    hashes: int = 0
    sql: list[str] = field(default_factory=list)
    redis: list[str] = field(default_factory=list)

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.hashes, len(self.sql), len(self.redis)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[Cost]]:
    """`with measured() as cost:` counts hashes, SQL statements (but for savepoints) and Redis commands."""

    @contextmanager
    def measure() -> Iterator[Cost]:
        cost = Cost()

        def hashed(*_: Any) -> None:
            cost.hashes += 1

        def execute(run: Callable[..., Any], sql: str, *args: Any) -> Any:
            if not sql.startswith(("SAVEPOINT", "RELEASE")):
                cost.sql.append(sql)
            return run(sql, *args)

        with monkeypatch.context() as patch, connection.execute_wrapper(execute):
            for name in ("encode", "verify"):
                patch.setattr(Argon2id, name, counting(getattr(Argon2id, name), hashed))
            command = counting(redis.Redis.execute_command, lambda name, *_: cost.redis.append(name))
            patch.setattr(redis.Redis, "execute_command", command)
            patch.setattr(GuardedPool, "ask", counting(GuardedPool.ask, lambda _, sent: cost.redis.append(sent[0])))
            yield cost

    return measure


def counting(method: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
    """The method, with a call of `note` before each call of it."""

    def counted(self: Any, *args: Any, **options: Any) -> Any:
        note(*args)
        return method(self, *args, **options)

    return counted


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, as it would stand on standard output."""
    handler = next(h for h in logging.getLogger().handlers if isinstance(h.formatter, JsonFormatter))
    assert isinstance(handler, logging.StreamHandler)
    lines = io.StringIO()
    before = handler.setStream(lines)
    yield lines
    handler.setStream(before)


@pytest.fixture
def file_database(transactional_db: None, django_db_blocker: Any, tmp_path: Path) -> Iterator[None]:
    """A database in a file, as the site has it: the one in memory cannot be shared by threads that write."""
    with django_db_blocker.unblock():
        before, settings_before, path = connections["default"], connections.settings["default"], tmp_path / "db.sqlite3"
        before.ensure_connection()
        with sqlite3.connect(path) as copy:
            before.connection.backup(copy)
        copy.close()
        # Another dict: `before` still reads its own. With a file's name in it, it would close the database in memory.
        connections.settings["default"] = settings_before | {"NAME": f"file:{path}?mode=rw"}
        del connections["default"]
        yield
        connections["default"].close()
        connections.settings["default"] = settings_before
        connections["default"] = before


@pytest.fixture
def at_once() -> Callable[..., list[Any]]:
    """Runs a function in so many threads, each with a number and database connections of its own."""

    def run(number: int, work: Callable[[int], Any]) -> list[Any]:
        def one(index: int) -> Any:
            try:
                return work(index)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(number) as pool:
            return list(pool.map(one, range(number)))

    return run


@pytest.fixture
def run_housekeeping() -> Iterator[Callable[[], None]]:
    """Runs one turn of the loop, whatever other tests have run. Mails that are due go to the mailbox."""

    def forget() -> None:
        for task in housekeeping.TASKS.values():
            task.last = task.noted = None

    def run() -> None:
        forget()
        housekeeping.run_due()

    forget()
    yield run
    forget()


@pytest.fixture
def mailbox(run_housekeeping: Callable[[], None], db: None) -> Callable[[str], list[Any]]:
    """`mailbox(address)`: what has arrived there, newest first, after housekeeping has run."""
    from accounts.models import DemoMail

    def read(address: str) -> list[Any]:
        run_housekeeping()
        return list(DemoMail.objects.filter(to=address))

    return read


def link_in(mail: Any) -> str:
    """The path of the first link to this site in a mail."""
    found = re.search(re.escape(settings.SITE_URL) + r"(/\S+)", mail.body)
    assert found, mail.body
    return found[1]


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The whole site in processes of its own. Tests that break the site start their own instead."""
    with Site() as site:
        yield site


@pytest.fixture(scope="session")
def backstage(site: Site) -> Iterator[Backstage]:
    """Django on that site's database and store: what no visitor can do."""
    with Backstage(site) as backstage:
        yield backstage


@pytest.fixture(autouse=True)
def nobody_throttled(request: pytest.FixtureRequest) -> None:
    """On the site, if the test uses it."""
    if "site" in request.fixturenames and isinstance(site := request.getfixturevalue("site"), Site):
        no_failures_counted(site)


# The order of folders and files. Those that are not named here come last. A long file that begins last would keep one
# worker busy while the others have nothing left to do. A browser, and a site whose store can end, serve one folder.
TURNS = ("test_clocks.py", "lab/test_proofs.py", "adopters/", "site/test_run.py", "browser/", "site/outages/", "site/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> int:
        path = item.path.relative_to(ROOT / "tests").as_posix()
        return next((number for number, start in enumerate(TURNS) if path.startswith(start)), len(TURNS))

    items.sort(key=turn)


def pytest_report_header() -> str:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    return f"chromium: {chromium or 'none on the PATH, browser tests are skipped'} (CI={os.environ.get('CI', '')})"
