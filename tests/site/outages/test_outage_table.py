"""What is answered while a store is away, and that nobody is logged out by an outage that is over.

The table in docs/outages.md is what this run finds; a table that says something else fails.
"""

import contextlib
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import ROOT, Site, Store, until
from tests.site.backstage import Backstage
from tests.site.holder import Holder
from tests.site.member import Answer, Member, together
from tests.site.outages.away import Away, hung, killed, store_elsewhere

PASSWORD = "demo-only-alice"


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """Not the one of the other outages: to two sites on one store a user's number means two users."""
    with store_elsewhere() as store:
        yield store


@pytest.fixture(scope="module")
def silence() -> Iterator[int]:
    """The port of a mail server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def site(store: Store, silence: int) -> Iterator[Site]:
    with Site(REDIS_URL=f"unix://{store.path}", EMAIL_URL=f"smtp://127.0.0.1:{silence}") as site:
        yield site


@pytest.fixture(scope="module")
def backstage(site: Site) -> Iterator[Backstage]:
    with Backstage(site) as backstage:
        yield backstage


# ── The outages ───────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def read_only(store: Store, site: Site) -> Iterator[None]:
    store.client().replicaof("127.0.0.1", 1)
    yield
    store.client().replicaof("no", "one")


@contextlib.contextmanager
def full(store: Store, site: Site) -> Iterator[None]:
    store.client().config_set("maxmemory", 1)
    yield
    store.client().config_set("maxmemory", 0)


@contextlib.contextmanager
def emptied(store: Store, site: Site) -> Iterator[None]:
    store.client().flushall()
    yield


@contextlib.contextmanager
def restarted(store: Store, site: Site) -> Iterator[None]:
    store.kill()
    store.start()
    yield


def database(site: Site) -> Path:
    return site.folder / "var" / "db.sqlite3"


@contextlib.contextmanager
def locked(store: Store, site: Site) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(database(site), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextlib.contextmanager
def gone(store: Store, site: Site) -> Iterator[None]:
    path = database(site)
    path.rename(path.with_suffix(".away"))
    yield
    path.with_suffix(".away").rename(path)


@contextlib.contextmanager
def mail_hung(store: Store, site: Site) -> Iterator[None]:
    # It hangs all the time; what is new is a mail that is due.
    queue = "from accounts import mail; mail.queue('password_changed', 'alice@example.com')"
    site.manage("shell", "--verbosity", "0", "-c", queue)
    yield


OUTAGES: dict[str, Away] = {
    "Redis killed": killed,
    "Redis hung": hung,
    "Redis read-only": read_only,
    "Redis full": full,
    "Redis back, empty": emptied,
    "Redis back, with its data": restarted,
    "database locked": locked,
    "database gone": gone,
    "mail server hung": mail_hung,
}


# ── The operations ────────────────────────────────────────────────────────────────────────────


class People:
    """Alice, logged in by both flows as often as there is something to try, and out of both twice."""

    def __init__(self, site: Site, email: str) -> None:
        self.site, self.email = site, email
        self.member, self.leaver, self.gone = (self._member() for _ in range(3))
        self.holder, self.refresher, self.quitter, self.revoked = (self._holder() for _ in range(4))
        assert self.gone.send("POST", "/session/auth/logout").status == 200
        assert self.revoked.send("POST", "/jwt/auth/logout").status == 200

    def _member(self) -> Member:
        member = Member(self.site)
        assert member.log_in(self.email, PASSWORD).status == 200
        return member

    def _holder(self) -> Holder:
        holder = Holder(self.site)
        assert holder.log_in(self.email, PASSWORD).status == 200
        return holder

    @property
    def operations(self) -> dict[str, Callable[[], Answer]]:
        return {
            "home page, nobody logged in": lambda: Member(self.site).send("GET", "/"),
            "session: whoami": lambda: self.member.send("GET", "/session/api/whoami"),
            "session: profile": lambda: self.member.send("GET", "/session/api/profile"),
            "session: login": lambda: Member(self.site).log_in(self.email, PASSWORD),
            "session: logout": lambda: self.leaver.send("POST", "/session/auth/logout"),
            "session: one that was logged out": lambda: self.gone.send("GET", "/session/api/whoami"),
            "token: whoami (denylist)": lambda: self.holder.send("GET", "/jwt/api/whoami"),
            "token: profile (denylist and row)": lambda: self.holder.send("GET", "/jwt/api/profile"),
            "token: refresh": lambda: self.refresher.rotate(),
            "token: login": lambda: Holder(self.site).log_in(self.email, PASSWORD),
            "token: logout": lambda: self.quitter.send("POST", "/jwt/auth/logout"),
            "token: one that was logged out": lambda: self.revoked.send("GET", "/jwt/api/whoami"),
        }


def during(outage: Away, site: Site, store: Store, people: People) -> dict[str, int]:
    """What each operation is answered meanwhile; no answer takes longer than a member's patience."""
    with outage(store, site):
        answers = dict(zip(people.operations, together(*people.operations.values()), strict=True))
    until(site.is_ready)
    for name, answer in answers.items():
        if answer.status == 503:
            assert int(answer.headers["Retry-After"]) > 0, (outage, name)
            # Neither given nor taken away.
            assert (answer.session, answer.cookie("__Host-refresh")) == (None, None), (outage, name)
    return {name: answer.status for name, answer in answers.items()}


def assert_over(name: str, people: People, found: dict[str, int]) -> None:
    """Whoever was in is in, whoever was out is out, and a logout that was told to have worked did."""
    lost = name == "Redis back, empty"
    assert people.member.whoami() == (401 if lost else 200)
    assert people.holder.whoami() == 200
    assert people.refresher.rotate().status == 200
    assert (people.gone.whoami(), people.revoked.whoami()) == (401, 401)
    assert people.leaver.whoami() == (401 if lost or found["session: logout"] == 200 else 200)
    if found["token: logout"] == 200:
        assert people.quitter.whoami() == 401


def test_the_table_in_the_docs_is_what_happens(site: Site, store: Store, backstage: Backstage) -> None:
    columns: dict[str, dict[str, int]] = {}
    for (name, outage), email in zip(
        OUTAGES.items(), backstage.ask("people", "outage", len(OUTAGES), "alice@example.com"), strict=True
    ):
        people = People(site, email)
        columns[name] = during(outage, site, store, people)
        assert_over(name, people, columns[name])
    table = as_table(columns)
    assert table in (ROOT / "docs/outages.md").read_text(), "\n" + table


def as_table(columns: dict[str, dict[str, Any]]) -> str:
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    rows = next(iter(columns.values()))
    lines += [f"| {row} | {' | '.join(str(found[row]) for found in columns.values())} |" for row in rows]
    return "\n".join(lines)
