"""The SQL statements and Redis commands of each operation, counted by the real servers.

BEGIN and COMMIT are not counted, and neither are the commands of a script inside Redis. A stock Django project is
counted in the same way: cache sessions on an unchanged django-redis, stock backend, stock middleware.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from security.models import PendingRevocation
from security.revocation import carry_out_pending
from sessions_demo import lifecycle
from sessions_demo.models import DeviceSession
from tests.conftest import BROWSER_HEADERS, Clock
from tests.running import Store
from tests.sessions_demo.conftest import (
    DEVICES,
    DEVICES_PAGE,
    LOGOUT,
    PROFILE,
    PROFILE_PAGE,
    REAUTHENTICATE,
    RIGHT,
    SECOND,
    WHOAMI,
    Visitor,
    logged_in,
)

Count = tuple[int, int]
Measure = Callable[[Callable[[], Any]], Count]
MANY = 100_000
# For each operation: the number of SQL statements and of Redis commands.
OURS = {
    "whoami": (0, 1),
    "profile": (1, 1),
    "login": (6, 4),
    "devices": (1, 2),
    "reauthenticate": (5, 6),
    "end one": (5, 2),
    "end all but this one": (5, 2),
    "logout": (3, 3),
}
STOCK = {"whoami": (1, 1), "profile": (1, 1), "login": (2, 4)}
CONNECTING = ("HELLO", "CLIENT", "SELECT", "AUTH", "PING")


@pytest.fixture
def measure(store: Store) -> Measure:
    """`measure(work)` returns the SQL statements of `work`, and its Redis commands as the server received them."""

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
        sql = [
            query["sql"]
            for query in queries
            if not query["sql"].startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"))
        ]
        return len(sql), len(commands)

    return run


def fill(user: User, rows: int = MANY) -> None:
    """Inserts so many other sessions, in one statement."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s)"
            " INSERT INTO sessions_demo_devicesession"
            " (id, user_id, digest, former, address, user_agent, remember, token_version,"
            "  started, last_seen, idle_end, absolute_end, reason)"
            " SELECT printf('%%032x', i), %s, printf('%%064x', i), '', '192.0.2.1', '',"
            "  0, 0, %s, %s, %s, %s, '' FROM n",
            [rows, user.pk, now, now, now + timezone.timedelta(hours=1), now + timezone.timedelta(days=1)],
        )


def ours(measure: Measure, email: str) -> dict[str, Count]:
    visitor = Visitor({"User-Agent": "counted/1.0"})
    visitor.get("/session/api/")
    counts = {"login": measure(lambda: visitor.sign_in(email))}
    counts["whoami"] = measure(lambda: visitor.get(WHOAMI))
    counts["profile"] = measure(lambda: visitor.get(PROFILE))
    second, third = logged_in(email, SECOND), logged_in(email, "third/1.0")
    device = second.row.pk
    counts["devices"] = measure(lambda: visitor.get(DEVICES))
    counts["end one"] = measure(lambda: visitor.call("DELETE", f"{DEVICES}/{device}"))
    counts["end all but this one"] = measure(lambda: visitor.call("DELETE", DEVICES))
    assert (second.whoami(), third.whoami(), visitor.whoami()) == (401, 401, 200)
    counts["reauthenticate"] = measure(lambda: visitor.call("POST", REAUTHENTICATE, {"password": RIGHT}))
    counts["logout"] = measure(lambda: visitor.call("POST", LOGOUT))
    assert visitor.whoami() == 401
    return counts


@pytest.fixture
def stock(settings: Settings) -> Iterator[None]:
    """Stock Django, except for the user model."""
    location = site_settings.CACHES["sessions"]["LOCATION"]
    settings.CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location}}
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.SESSION_CACHE_ALIAS = "default"
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    settings.ROOT_URLCONF = "tests.sessions_demo.stock"
    settings.LOGIN_URL = "/login/"
    settings.MIDDLEWARE = [
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    name = "sessions_demo.registry"
    user_logged_in.disconnect(dispatch_uid=name)
    user_logged_out.disconnect(dispatch_uid=name)
    yield
    user_logged_in.connect(lifecycle.register, dispatch_uid=name)
    user_logged_out.connect(lifecycle.unregister, dispatch_uid=name)
    caches["default"].close()


def test_each_operation_costs_what_is_promised(alice: User, measure: Measure, clock: Clock) -> None:
    counts = ours(measure, alice.email)
    promised = {"whoami": (0, 1), "profile": (1, 1), "login": (6, 4)}
    for operation, (sql, redis) in promised.items():
        assert counts[operation][0] <= sql, operation
        assert counts[operation][1] <= redis, operation
    # docs/costs.md has exactly these.
    assert counts == OURS


def test_a_stock_django_costs_this_much(alice: User, stock: None, measure: Measure) -> None:
    browser = Client(headers=BROWSER_HEADERS)
    form = {"username": alice.email, "password": RIGHT}
    assert browser.get("/whoami").status_code == 302
    counts = {"login": measure(lambda: browser.post("/login/", form))}
    counts["whoami"] = measure(lambda: browser.get("/whoami"))
    counts["profile"] = measure(lambda: browser.get("/profile"))
    assert browser.get("/profile").json()["email"] == alice.email
    assert counts == STOCK


def test_a_hundred_thousand_sessions_of_others_change_no_count(
    alice: User, bob: User, measure: Measure, clock: Clock
) -> None:
    fill(bob)
    assert ours(measure, alice.email) == OURS


def test_ending_everything_grows_with_her_devices_and_in_rows_not_in_statements(
    alice: User, bob: User, measure: Measure, clock: Clock
) -> None:
    counts = []
    for devices, others in ((1, 0), (5, 0), (5, MANY)):
        if others:
            fill(bob, others)
        visitors = [logged_in(agent=f"device/{number}") for number in range(devices)]
        PendingRevocation.objects.create(user_key=str(alice.pk), token_version=1, reason="test")
        counts.append(measure(carry_out_pending))
        assert [visitor.whoami() for visitor in visitors] == [401] * devices
    # SQL: the pending rows, the user's live sessions, their end, a second query for live ones, the token families, the
    # row. Redis: one deletion for all sessions, one entry of the denylist.
    assert counts == [(6, 2)] * 3


def test_the_pages_cost_no_more_with_many_sessions(alice: User, bob: User, measure: Measure, clock: Clock) -> None:
    visitor = logged_in()
    for _ in range(2):
        assert measure(lambda: visitor.get(DEVICES_PAGE)) == (2, 2)
        assert measure(lambda: visitor.get(PROFILE_PAGE)) == (1, 1)
        if DeviceSession.objects.count() == 1:
            fill(bob)


def test_the_index_on_the_user_is_what_finds_her_sessions(alice: User, db: None) -> None:
    plan = DeviceSession.objects.live().filter(user_id=alice.pk).order_by("-started").explain()
    assert "USING INDEX session_by_user" in plan
