"""The whole site on PostgreSQL by `DATABASE_URL` alone; migrations forward and back on both databases."""

import json
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config.health import STORES
from tests.running import Site, until
from tests.site.arena import Arena
from tests.site.backstage import Backstage
from tests.site.conftest import Sites
from tests.site.postgres import ON_POSTGRESQL, Postgres
from tests.site.visitor import Visitor

PASSWORD = "correct horse carol"
USERS = "/admin/accounts/user/"


def on_postgresql(test: Callable[..., None]) -> Callable[..., None]:
    return pytest.mark.postgres(pytest.mark.exhaustive(test))


def rows(site: Site, query: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(site.environment["DATABASE_URL"]) as connection:
        return connection.execute(query, values).fetchall()


@on_postgresql
def test_it_really_runs_on_postgresql(pg_site: Site) -> None:
    assert not list((pg_site.folder / "var").glob("*.sqlite3*"))
    demo = "SELECT email, role, is_superuser FROM accounts_user WHERE email IN (%s, %s, %s) ORDER BY email"
    assert rows(pg_site, demo, "admin@example.com", "alice@example.com", "bob@example.com") == [
        ("admin@example.com", "admin", True),
        ("alice@example.com", "member", False),
        ("bob@example.com", "member", False),
    ]
    ready = Visitor(pg_site).get("/readyz")
    assert (ready.status, json.loads(ready.text)["checks"]) == (200, {"database": "ok"} | dict.fromkeys(STORES, "ok"))


@on_postgresql
def test_an_administrator_uses_every_list(pg_site: Site, pg_arena: Arena) -> None:
    admin = Visitor(pg_site).log_in()
    assert "alice@example.com" in admin.get("/admin/accounts/user/?q=ALICE&role__exact=member&is_active__exact=1").text
    events = admin.get("/admin/security/securityevent/?q=admin@example.com&name=authn_login_success&o=-1")
    assert "admin@example.com" in events.text
    [email] = pg_arena.people("listed", 1)
    [(user,)] = rows(pg_site, "SELECT id FROM accounts_user WHERE email = %s", email)
    assert admin.submit(f"/admin/accounts/user/{user}/change/", email=email.upper(), role="member").status == 302
    assert rows(pg_site, "SELECT is_active FROM accounts_user WHERE email = %s", email) == [(False,)]


@on_postgresql
def test_two_superusers_cannot_ban_each_other_by_their_pages_at_once(pg_site: Site, pg_arena: Arena) -> None:
    emails = pg_arena.people("superuser", 2)
    ids = [rows(pg_site, "SELECT id FROM accounts_user WHERE email = %s", email)[0][0] for email in emails]
    visitors = [Visitor(pg_site), Visitor(pg_site)]
    forms = [{"email": email, "role": "admin", "is_superuser": "on"} for email in emails]
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(pg_site.environment["DATABASE_URL"], autocommit=True) as database:
        [(others,)] = rows(pg_site, "SELECT array_agg(id) FROM accounts_user WHERE is_superuser AND is_active")
        database.execute("UPDATE accounts_user SET is_superuser = false WHERE id = ANY(%s)", [others])
        database.execute("UPDATE accounts_user SET is_superuser = true, role = 'admin' WHERE id = ANY(%s)", [ids])
        for visitor, email in zip(visitors, emails, strict=True):
            visitor.log_in(email, "demo-only-alice")
        try:
            with ThreadPoolExecutor(2) as pool:
                with database.transaction():
                    database.execute("SELECT id FROM accounts_user WHERE id = ANY(%s) FOR UPDATE", [ids])
                    answers = [
                        pool.submit(visitor.submit, f"{USERS}{pk}/change/", **form)
                        for visitor, pk, form in zip(visitors, ids[::-1], forms[::-1], strict=True)
                    ]
                    until(lambda: rows(pg_site, waiting) == [(2,)], 8)
                assert sorted(answer.result().status for answer in answers) == [200, 302]
        finally:
            database.execute("UPDATE accounts_user SET is_superuser = id = ANY(%s)", [others])
    assert len(rows(pg_site, "SELECT 1 FROM accounts_user WHERE id = ANY(%s) AND is_active", ids)) == 1


@on_postgresql
def test_registering_ends_with_an_account(pg_site: Site) -> None:
    visitor = Visitor(pg_site)
    assert visitor.submit("/accounts/register/", email="Carol@Example.com", name="Carol").status == 302
    until(lambda: rows(pg_site, "SELECT 1 FROM accounts_demomail WHERE \"to\" = 'Carol@example.com'"))
    [(body,)] = rows(pg_site, "SELECT body FROM accounts_demomail WHERE \"to\" = 'Carol@example.com'")
    link = re.search(rf"{pg_site.url}(/accounts/register/\S+)", body)[1]
    assert visitor.submit(link, new_password1=PASSWORD, new_password2=PASSWORD).status == 302
    assert visitor.get(link).status == 410
    [(user,)] = rows(pg_site, "SELECT id FROM accounts_user WHERE email = 'carol@example.com'")
    assert rows(pg_site, "SELECT name FROM security_securityevent WHERE user_key = %s", str(user)) == [
        ("user_created",)
    ]
    until(lambda: rows(pg_site, "SELECT count(*) FROM accounts_outgoingmail") == [(0,)])


@on_postgresql
def test_a_client_is_new_once(pg_site: Site) -> None:
    admins = "SELECT CAST(id AS text) FROM accounts_user WHERE role = 'admin'"
    count = f"SELECT count(*) FROM security_knownclient WHERE user_key IN ({admins})"  # noqa: S608
    Visitor(pg_site).log_in()
    [(before,)] = rows(pg_site, count)
    Visitor(pg_site).log_in()
    assert rows(pg_site, count) == [(before,)]


@on_postgresql
def test_guessing_is_recorded_and_throttled(pg_site: Site, pg_arena: Arena) -> None:
    [email] = pg_arena.people("guessed", 1)
    visitor, guess = Visitor(pg_site), {"username": email, "password": "a guess"}
    statuses = [visitor.submit("/admin/login/", **guess).status for _ in range(11)]
    assert statuses == [200] * 10 + [429]
    failures = "SELECT count(*) FROM security_securityevent WHERE name = 'authn_login_fail' AND email = %s"
    assert rows(pg_site, failures, email) == [(10,)]


@on_postgresql
def test_no_task_of_housekeeping_reads_a_whole_table(pg_backstage: Backstage) -> None:
    found = pg_backstage.ask("whole_tables_read")
    assert found.keys() >= {"sessions", "tokens", "denylist", "revocations", "mail"}
    assert not any(found.values()), found


# In one process, because starting Django takes longer than each of the commands.
THERE_AND_BACK = """
from django.core.management import call_command
for command in (
    "makemigrations --check --dry-run",
    "migrate",
    "migrate accounts zero",
    "showmigrations accounts",
    "migrate",
    "showmigrations",
):
    print("=====")
    call_command(*command.split())
"""


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=ON_POSTGRESQL)])
def test_migrations_are_complete_and_can_be_taken_back(
    new_site: Sites, request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    if database == "sqlite":
        (tmp_path / "db.sqlite3").touch()
        url = f"sqlite:///{tmp_path}/db.sqlite3"
    else:
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.create("migrations")
    keys = {name: secrets.token_urlsafe(48) for name in ("SECRET_KEY", "JWT_ACCESS_KEYS", "JWT_REFRESH_KEYS")}
    site = new_site(DATABASE_URL=url, ALLOWED_HOSTS="localhost", DEMO="1", **keys)
    _, made, _, _, without, _, complete = site.manage("shell", "--verbosity", "0", "-c", THERE_AND_BACK).split("=====")
    assert "No changes detected" in made
    assert "[ ]" in without
    assert "[X]" not in without
    assert "[X]" in complete
    assert "[ ]" not in complete


SAVED = """
from django.contrib.auth.models import Group, Permission
from accounts.models import User
group, _ = Group.objects.get_or_create(name="saved")
group.permissions.set(Permission.objects.all()[:3])
user = User.objects.get(email="{0}")
user.groups.add(group)
user.user_permissions.set(Permission.objects.all()[3:5])
User.objects.get(email="{1}").delete()
"""
# Adds a row to each table whose ids come from a sequence.
MORE = """
from django.contrib.auth.models import Group
from security.client import Client
from accounts.models import User
from security.revocation import revoke_access
from jwt_demo import lifecycle
user = User.objects.create_user("after@example.com", "correct horse after")
user.groups.add(Group.objects.create(name="after"))
user.refresh_from_db()
lifecycle.start(user, Client(user_agent="after/1.0"))
revoke_access(user, "by a test")
print(user.groups.count())
"""


def rows_of(dump: str) -> object:
    """The rows of a dump. A dump has milliseconds only: ".000Z" and "Z" are the same time in it."""
    return json.loads(dump.replace(".000Z", "Z"))


@on_postgresql
@pytest.mark.parametrize(
    "options", [(), ("--natural-foreign",), ("--natural-primary",), ("--natural-foreign", "--natural-primary")], ids=str
)
def test_a_backup_is_restored_into_another_database(
    pg_site: Site, pg_arena: Arena, postgres: Postgres, new_site: Sites, tmp_path: Path, options: tuple[str, ...]
) -> None:
    saved, deleted = pg_arena.people(f"saved-{secrets.token_hex(3)}-", 2)
    for email in (saved, deleted):
        pg_arena.member(email)
        pg_arena.holders(email, 2)
    pg_site.manage("shell", "-v0", "-c", SAVED.format(saved, deleted))
    backup = tmp_path / "backup.json"
    pg_site.manage("dumpdata", *options, f"--output={backup}")
    # This site is never started. Its commands need only the same variables with another database.
    restored = new_site(**pg_site.environment | {"DATABASE_URL": postgres.create(f"restored-{secrets.token_hex(3)}")})
    restored.manage("migrate", "-v0")
    restored.manage("loaddata", str(backup))
    assert rows_of(restored.manage("dumpdata", *options)) == rows_of(backup.read_text())
    assert restored.manage("shell", "-v0", "-c", MORE).splitlines()[-1] == "1"
