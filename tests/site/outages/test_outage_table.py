"""The answers while a store is away, and that no user is logged out once the outage is over.

The tests fail if the table in docs/outages.md differs from the answers of this run.
"""

import contextlib
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.conftest import full, read_only
from tests.running import ROOT, Site, Store, until
from tests.site.backstage import Backstage
from tests.site.holder import Holder
from tests.site.member import Answer, Member, together
from tests.site.outages.away import (
    Away,
    hung,
    hung_postgresql,
    killed,
    long_ago,
    read_only_postgresql,
    store_elsewhere,
    well_again,
)
from tests.site.postgres import Postgres

PASSWORD = "demo-only-alice"


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """A separate store: two sites on one store would give the same id to two different users."""
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
def demoted(store: Store, site: Site) -> Iterator[None]:
    with read_only(store):
        yield


@contextlib.contextmanager
def without_memory(store: Store, site: Site) -> Iterator[None]:
    with full(store):
        yield


@contextlib.contextmanager
def out_of_clients(store: Store, site: Site) -> Iterator[None]:
    admin = store.client()
    admin.config_set("maxclients", 1)
    admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    yield
    admin.config_set("maxclients", 1000)


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
    # The mail server hangs all the time. The outage begins when a mail is due.
    queue = "from accounts import mail; mail.queue('password_changed', 'alice@example.com')"
    site.manage("shell", "--verbosity", "0", "-c", queue)
    yield


@contextlib.contextmanager
def stopped_postgresql(postgres: Postgres, site: Site) -> Iterator[None]:
    postgres.stop()
    yield
    postgres.start()


OUTAGES: dict[str, Away] = {
    "Redis killed": killed,
    "Redis hung": hung,
    "Redis read-only": demoted,
    "Redis full": without_memory,
    "Redis out of clients": out_of_clients,
    "Redis back, empty": emptied,
    "Redis back, with its data": restarted,
    "database locked": locked,
    "database gone": gone,
    "mail server hung": mail_hung,
}


POSTGRESQL: dict[str, Callable[[Postgres, Site], AbstractContextManager[None]]] = {
    "PostgreSQL stopped": stopped_postgresql,
    "PostgreSQL hung": hung_postgresql,
    "PostgreSQL read-only": read_only_postgresql,
}
# Seconds from the beginning of an outage. Leases run out in between.
MOMENTS = (1, 20)
# Seconds since the sessions were last used: the time of use, which is noted once a minute, is due to be noted.
SINCE = 120


# ── The operations ────────────────────────────────────────────────────────────────────────────


class People:
    """Alice has a login for each operation, and one in each flow that she logged out of. Bob is banned when the outage
    has begun."""

    def __init__(self, site: Site, alice: str, bob: str) -> None:
        self.site, self.email, self.bob = site, alice, bob
        self.member, self.leaver, self.gone, self.banned = (self._member(who) for who in (alice, alice, alice, bob))
        self.holder, self.refresher, self.quitter, self.revoked = (self._holder(alice) for _ in range(4))
        self.banned_holder = self._holder(bob)
        assert self.gone.send("POST", "/session/auth/logout").status == 200
        assert self.revoked.send("POST", "/jwt/auth/logout").status == 200

    def _member(self, email: str) -> Member:
        member = Member(self.site)
        assert member.log_in(email, PASSWORD).status == 200
        return member

    def _holder(self, email: str) -> Holder:
        holder = Holder(self.site)
        assert holder.log_in(email, PASSWORD).status == 200
        return holder

    @property
    def operations(self) -> dict[str, Callable[[], Answer]]:
        return {
            "home page, without a login": lambda: Member(self.site).send("GET", "/"),
            "session: whoami": lambda: self.member.send("GET", "/session/api/whoami"),
            "session: profile": lambda: self.member.send("GET", "/session/api/profile"),
            "session: login": lambda: Member(self.site).log_in(self.email, PASSWORD),
            "session: logout": lambda: self.leaver.send("POST", "/session/auth/logout"),
            "session: one that was logged out": lambda: self.gone.send("GET", "/session/api/whoami"),
            "session: of a user banned meanwhile": lambda: self.banned.send("GET", "/session/api/whoami"),
            "token: whoami (denylist)": lambda: self.holder.send("GET", "/jwt/api/whoami"),
            "token: profile (denylist and row)": lambda: self.holder.send("GET", "/jwt/api/profile"),
            "token: refresh": lambda: self.refresher.keep(self.refresher.rotate()),
            "token: login": lambda: Holder(self.site).log_in(self.email, PASSWORD),
            "token: logout": lambda: self.quitter.send("POST", "/jwt/auth/logout"),
            "token: one that was logged out": lambda: self.revoked.send("GET", "/jwt/api/whoami"),
            "token: of a user banned meanwhile": lambda: self.banned_holder.send("GET", "/jwt/api/whoami"),
        }

    def ask(self, without_ban: bool) -> dict[str, str]:
        """Does all operations at once; returns each answer's status. No answer takes longer than PATIENCE."""
        work = {name: do for name, do in self.operations.items() if not (without_ban and "banned" in name)}
        answers = dict(zip(work, together(*work.values()), strict=True))
        for name, answer in answers.items():
            if answer.status == 503:
                assert int(answer.headers["Retry-After"]) > 0, name
                # A 503 neither sets nor clears a credential's cookie.
                assert (answer.session, answer.cookie("__Host-refresh")) == (None, None), name
        return {name: str(answers[name].status) if name in answers else "–" for name in self.operations}

    def assert_over(self, lost: bool, found: dict[str, str]) -> None:
        """After the outage users are logged in or out as before, and a logout that was answered with 200 has worked."""
        assert self.member.whoami() == (401 if lost else 200)
        assert self.holder.whoami() == 200
        assert self.refresher.rotate().status == 200
        assert (self.gone.whoami(), self.revoked.whoami()) == (401, 401)
        assert self.leaver.whoami() == (401 if lost or found["session: logout"] == "200" else 200)
        if found["token: logout"] == "200":
            assert self.quitter.whoami() == 401
        if found["token: of a user banned meanwhile"] != "–":
            until(lambda: (self.banned.whoami(), self.banned_holder.whoami()) == (401, 401), 5)


def during(outage: AbstractContextManager[None], name: str, site: Site, backstage: Backstage) -> dict[str, list[str]]:
    """The answers to each operation at MOMENTS, for users whose sessions were last used SINCE seconds ago."""
    prefix = f"{name.lower().replace(' ', '-')}-"
    emails = backstage.ask("people", prefix, 2 * len(MOMENTS), "alice@example.com")
    casts = [People(site, *emails[2 * number : 2 * number + 2]) for number in range(len(MOMENTS))]
    long_ago(site, SINCE)
    found, without_ban = [], name.startswith(("database", "PostgreSQL"))
    with outage:
        begun = time.monotonic()
        for people in casts:
            if not without_ban:
                backstage.ask("ban", people.bob)
        for moment, people in zip(MOMENTS, casts, strict=True):
            time.sleep(max(0, begun + moment - time.monotonic()))
            found.append(people.ask(without_ban))
    well_again(site)
    for people, answers in zip(casts, found, strict=True):
        people.assert_over(name == "Redis back, empty", answers)
    return {row: [answers[row] for answers in found] for row in found[0]}


def test_a_mail_server_that_hangs_holds_up_no_revocation(site: Site, store: Store, backstage: Backstage) -> None:
    [email] = backstage.ask("people", "unsent", 1, "alice@example.com")
    holder = Holder(site)
    assert holder.log_in(email, PASSWORD).status == 200
    for _ in range(3):  # housekeeping waits for the mail server with each
        backstage.ask("queue_mail", email)
    time.sleep(3)  # housekeeping is now sending the first mail
    store.kill()
    backstage.ask("ban", email)
    assert backstage.ask("pending") == ["deactivated"]
    store.start()
    until(lambda: not backstage.ask("pending"), 6)
    assert holder.whoami() == 401
    well_again(site)


@pytest.mark.exhaustive
def test_the_table_of_outages_in_the_docs_is_what_happens(site: Site, store: Store, backstage: Backstage) -> None:
    columns = {name: during(outage(store, site), name, site, backstage) for name, outage in OUTAGES.items()}
    assert_documented(columns)


@pytest.mark.postgres
@pytest.mark.exhaustive
def test_the_table_of_postgresql_in_the_docs_is_what_happens(postgres: Postgres) -> None:
    with Site(DATABASE_URL=postgres.create("outage_table")) as site, Backstage(site) as backstage:
        columns = {name: during(outage(postgres, site), name, site, backstage) for name, outage in POSTGRESQL.items()}
    assert_documented(columns)


def assert_documented(columns: dict[str, dict[str, list[str]]]) -> None:
    table = as_table(columns)
    assert table in (ROOT / "docs/outages.md").read_text(), "\n" + table


def as_table(columns: dict[str, dict[str, list[str]]]) -> str:
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    rows = next(iter(columns.values()))
    lines += [f"| {row} | {' | '.join(as_cell(found[row]) for found in columns.values())} |" for row in rows]
    return "\n".join(lines)


def as_cell(answers: list[str]) -> str:
    return answers[0] if len(set(answers)) == 1 else ", then ".join(answers)
