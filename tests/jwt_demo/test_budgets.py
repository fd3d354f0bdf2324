"""How many statements and commands each operation sends to the database and to Redis. No time is measured.

BEGIN and COMMIT are counted separately. What a script does inside Redis is not counted. Stock SimpleJWT is measured in
the same way: its own views with rotation and blacklisting, its own backend and middleware.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.db.models.signals import post_save
from django.test import Client as Anyone
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from rest_framework_simplejwt import state, tokens
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.models import User
from jwt_demo import cookies, flow
from jwt_demo.models import TokenFamily
from security.models import PendingRevocation
from security.revocation import carry_out_pending
from tests.access import set_version
from tests.conftest import PASSWORDS, Clock
from tests.jwt_demo.conftest import (
    COOKIE,
    DEVICES,
    EVERYWHERE,
    LOGOUT,
    PROFILE,
    REAUTHENTICATE,
    RIGHT,
    SECOND,
    WHOAMI,
    Holder,
    logged_in,
    thief,
)
from tests.jwt_demo.inside import committed
from tests.jwt_demo.test_blacklist import dump
from tests.running import Store

MANY = 100_000
CONNECTING = ("HELLO", "CLIENT", "SELECT", "AUTH", "PING")
MANNERS = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


class Count(NamedTuple):
    """What one operation sent: SQL statements, Redis commands, transactions."""

    sql: int
    redis: int
    transactions: int = 0


Measure = Callable[[Callable[[], Any]], Count]
OURS = {
    "whoami, expiry": Count(0, 0, 0),
    "whoami, denylist": Count(0, 1, 0),
    "whoami, version": Count(1, 0, 0),
    "profile": Count(1, 1, 0),
    "login": Count(7, 2, 1),
    "short login": Count(4, 2, 1),
    "refresh": Count(4, 0, 1),
    "the same again": Count(2, 0, 1),
    "devices": Count(1, 1, 0),
    "reauthenticate": Count(11, 3, 1),
    "end one": Count(6, 2, 1),
    "end all but this one": Count(6, 2, 1),
    "logout": Count(5, 1, 1),
    "short logout": Count(4, 2, 1),
    "everywhere": Count(12, 2, 3),
    "theft": Count(14, 1, 3),
}
# The part of a revocation that is carried out later, in both flows.
OURS_REVOCATION = Count(7, 1, 2)
STOCK = {
    "whoami": Count(1, 0, 0),
    "profile": Count(1, 0, 0),
    "login": Count(2, 0, 0),
    "refresh": Count(9, 0, 2),
}


@pytest.fixture
def measure(store: Store) -> Measure:
    """`measure(work)` counts SQL statements and transactions, and Redis commands as the server saw them."""

    def run(work: Callable[[], Any]) -> Count:
        work_done = "the work is done"
        with store.client().monitor() as monitor, CaptureQueriesContext(connection) as queries:
            work()
            store.client().echo(work_done)
            commands = []
            for line in monitor.listen():
                if work_done in line["command"]:
                    break
                name = line["command"].split(" ")[0].upper()
                if line["client_type"] != "lua" and name not in CONNECTING:
                    commands.append(name)
        sql = [query["sql"] for query in queries]
        begun = sum(statement.startswith("BEGIN") for statement in sql)
        assert begun == sum(statement.startswith("COMMIT") for statement in sql)
        return Count(sum(not statement.startswith(MANNERS) for statement in sql), len(commands), begun)

    return run


def fill(user: User, rows: int = MANY) -> None:
    """Adds `rows` other families, each with an outstanding and a blacklisted token."""
    now, numbers = timezone.now(), "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s)"
    later = now + timedelta(days=1)
    with connection.cursor() as cursor:
        cursor.execute(
            f"{numbers} INSERT INTO jwt_demo_tokenfamily"  # noqa: S608
            " (id, user_id, token_version, transport, policy, remember, address, user_agent, generation, void_below,"
            "  jti, kid, rotated_by, issued, expires, started, authenticated, absolute_end, reason)"
            " SELECT printf('%%032x', i), %s, 0, 'cookie', '{}', 0, '192.0.2.1', '', 0, 0, printf('%%032x', i),"
            "  '', '', %s, %s, %s, %s, %s, '' FROM n",
            [rows, user.pk, now, later, now, now, later],
        )
        cursor.execute(
            f"{numbers} INSERT INTO token_blacklist_outstandingtoken"  # noqa: S608
            " (user_id, jti, token, created_at, expires_at) SELECT %s, printf('%%032x', i), '', %s, %s FROM n",
            [rows, user.pk, now, later],
        )
        cursor.execute(
            "INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)"
            " SELECT id, %s FROM token_blacklist_outstandingtoken WHERE user_id = %s",
            [now, user.pk],
        )


def empty() -> None:
    """Deletes them by three statements. A hundred thousand cascades in Python would take longer than the test."""
    with connection.cursor() as cursor:
        for table in ("token_blacklist_blacklistedtoken", "token_blacklist_outstandingtoken", "jwt_demo_tokenfamily"):
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608


def ours(measure: Measure, settings: Settings, email: str) -> dict[str, Count]:
    holder = Holder("counted/1.0")
    holder.get("/jwt/")
    counts = {"login": measure(lambda: holder.sign_in(email))}
    for check in ("expiry", "denylist", "version"):
        settings.JWT_REVOCATION = check
        counts[f"whoami, {check}"] = measure(lambda: holder.call("GET", WHOAMI))
    settings.JWT_REVOCATION = "denylist"
    counts["profile"] = measure(lambda: holder.call("GET", PROFILE))
    before = holder.refresh
    counts["refresh"] = measure(lambda: holder.rotate())
    counts["the same again"] = measure(lambda: holder.rotate(before))
    counts |= ours_of_devices(measure, holder, email)
    counts["reauthenticate"] = measure(lambda: holder.call("POST", REAUTHENTICATE, {"password": PASSWORDS[email]}))
    counts["logout"] = measure(lambda: holder.call("POST", LOGOUT))
    assert holder.whoami() == holder.rotate().status_code == 401
    return counts | ours_of_the_rest(measure, email)


def ours_of_devices(measure: Measure, holder: Holder, email: str) -> dict[str, Count]:
    second, third = logged_in(email, SECOND), logged_in(email, "third/1.0")
    device = second.family.pk
    counts = {"devices": measure(lambda: holder.call("GET", DEVICES))}
    counts["end one"] = measure(lambda: holder.call("DELETE", f"{DEVICES}/{device}"))
    counts["end all but this one"] = measure(lambda: holder.call("DELETE", DEVICES))
    assert (second.whoami(), third.whoami(), holder.whoami()) == (401, 401, 200)
    return counts


def ours_of_the_rest(measure: Measure, email: str) -> dict[str, Count]:
    short = Holder("counted/1.0")
    counts = {"short login": measure(lambda: short.sign_in(email, refresh=False))}
    counts["short logout"] = measure(lambda: short.call("POST", LOGOUT))
    holder = logged_in(email, "counted/1.0")
    counts["everywhere"] = measure(lambda: holder.call("POST", EVERYWHERE))
    assert short.whoami() == holder.whoami() == 401
    holder = logged_in(email, "counted/1.0")
    stolen = holder.refresh
    assert holder.rotate().status_code == 200
    counts["theft"] = measure(lambda: thief(stolen).rotate())
    assert holder.whoami() == 401
    return counts


@committed
def test_each_operation_costs_what_is_promised(
    alice: User, measure: Measure, clock: Clock, whole: None, settings: Settings
) -> None:
    counts = ours(measure, settings, alice.email)
    promised = {"login": (7, 3), "refresh": (4, 1), "whoami, expiry": (0, 0), "whoami, denylist": (0, 1)}
    for operation, (sql, redis) in (promised | {"whoami, version": (1, 0)}).items():
        assert counts[operation].sql <= sql, operation
        assert counts[operation].redis <= redis, operation
    assert counts["refresh"].transactions == 1
    # docs/costs.md has exactly these numbers.
    assert counts == OURS


@committed
def test_a_hundred_thousand_families_of_others_change_no_count(
    alice: User, bob: User, measure: Measure, clock: Clock, whole: None, settings: Settings
) -> None:
    fill(bob)
    try:
        assert ours(measure, settings, alice.email) == OURS
    finally:
        empty()


@committed
def test_ending_everything_grows_with_her_devices_and_in_rows_not_in_statements(
    alice: User, bob: User, measure: Measure, clock: Clock, whole: None
) -> None:
    counts = []
    for number, (devices, others) in enumerate(((1, 0), (5, 0), (5, MANY)), 1):
        if others:
            fill(bob, others)
        holders = [logged_in(agent=f"device/{number}") for number in range(devices)]
        set_version(alice, number)
        PendingRevocation.objects.create(user_key=str(alice.pk), token_version=number, reason="test")
        counts.append(measure(carry_out_pending))
        assert [holder.whoami() for holder in holders] == [401] * devices
    empty()
    assert counts == [OURS_REVOCATION] * 3


def test_the_indexes_are_what_finds_a_family_and_the_families_of_a_user(alice: User) -> None:
    by_user = TokenFamily.objects.live().filter(user_id=alice.pk).order_by("-started").explain()
    assert "USING INDEX family_by_user" in by_user
    by_id = TokenFamily.objects.select_related("user").for_rotation().filter(pk="0" * 32).explain()
    assert "SCAN" not in by_id


# ── Stock SimpleJWT ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def stock(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Anyone]:
    """Stock SimpleJWT with rotation and blacklisting, and a client. It read its settings when it was imported."""
    settings.ROOT_URLCONF = "tests.jwt_demo.stock"
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    settings.MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
    settings.REST_FRAMEWORK = {}
    for name in ("ROTATE_REFRESH_TOKENS", "BLACKLIST_AFTER_ROTATION"):
        monkeypatch.setattr(tokens.api_settings, name, True)
    monkeypatch.setattr(tokens.api_settings, "USER_ID_CLAIM", "user_id")
    monkeypatch.setattr(state, "token_backend", TokenBackend("HS256", secrets.token_urlsafe(48)))
    post_save.disconnect(flow.end_blacklisted, sender=BlacklistedToken)
    yield Anyone(raise_request_exception=False)
    post_save.connect(flow.end_blacklisted, sender=BlacklistedToken)


def send(client: Anyone, path: str, **body: str) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json")


@committed
def test_stock_simplejwt_costs_this_much(alice: User, stock: Anyone, measure: Measure, store: Store) -> None:
    given: dict[str, Any] = {}

    def log_in() -> None:
        given.update(send(stock, "/login", email=alice.email, password=RIGHT).json())

    def get(path: str) -> Any:
        return stock.get(path, headers={"Authorization": f"Bearer {given['access']}"})

    log_in()
    counts = {"login": measure(log_in)}
    counts["whoami"] = measure(lambda: get("/whoami"))
    counts["profile"] = measure(lambda: get("/profile"))
    assert get("/profile").json()["email"] == alice.email
    before = given["refresh"]
    counts["refresh"] = measure(lambda: given.update(send(stock, "/refresh", refresh=before).json()))
    assert given["refresh"] != before
    assert send(stock, "/refresh", refresh=before).status_code == 401
    assert send(stock, "/refresh", refresh=given["refresh"]).status_code == 200, "nothing else ends by a reuse"
    assert before in dump(store), "whoever reads the table is logged in"
    assert counts == STOCK


def test_stock_simplejwt_fails_for_a_user_who_was_deleted(alice: User, stock: Anyone) -> None:
    refresh = send(stock, "/login", email=alice.email, password=RIGHT).json()["refresh"]
    User.objects.all().delete()
    assert send(stock, "/refresh", refresh=refresh).status_code == 500


def test_ours_refuses_a_user_who_was_deleted(alice: User) -> None:
    holder = logged_in()
    User.objects.all().delete()
    assert holder.rotate().status_code == 401


@contextmanager
def all_at(number: int, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> Iterator[None]:
    """The function does its work, and then waits until `number` calls have done theirs."""
    function, barrier = getattr(owner, name), Barrier(number, timeout=20)

    def waiting(*given: Any) -> Any:
        result = function(*given)
        barrier.wait()
        return result

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, waiting)
        yield


@pytest.mark.usefixtures("file_database")
def test_eight_refreshes_at_once_fork_the_stock_chain(
    stock: Anyone, at_once: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All eight have read the blacklist before the first one writes to it."""
    alice = User.objects.create_user("alice@example.com", RIGHT)
    refresh = send(stock, "/login", email=alice.email, password=RIGHT).json()["refresh"]
    with all_at(8, monkeypatch, tokens.RefreshToken, "check_blacklist"):
        answers = at_once(8, lambda _: send(Anyone(), "/refresh", refresh=refresh).json())
    successors = {answer["refresh"] for answer in answers}
    assert [send(stock, "/refresh", refresh=text).status_code for text in successors] == [200] * 8
    assert OutstandingToken.objects.filter(blacklistedtoken=None).count() == 8


@pytest.mark.usefixtures("file_database")
def test_eight_refreshes_at_once_do_not_fork_ours(
    at_once: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    User.objects.create_user("alice@example.com", RIGHT)
    holder = logged_in()

    def refreshed(_: int) -> tuple[int, str]:
        another = Holder()
        another.cookies[COOKIE] = holder.refresh
        return another.rotate().status_code, another.refresh

    with all_at(8, monkeypatch, cookies, "good"):
        answers = at_once(8, refreshed)
    (answer,) = set(answers)
    assert answer[0] == 200
    assert (holder.family.generation, OutstandingToken.objects.filter(blacklistedtoken=None).count()) == (1, 1)
    assert holder.rotate(answer[1]).status_code == 200
