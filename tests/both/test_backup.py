"""A backup by Django's own commands can be loaded into an empty database beside the same Redis, and nothing is lost."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts import mail
from accounts.models import DemoMail, OutgoingMail, User
from jwt_demo import blacklist
from jwt_demo.models import TokenFamily
from lab.claims.sandbox import DOMAIN, PREFIX
from notes.models import Note
from security import devices
from security.hashers import Argon2id
from security.models import HousekeepingRun, PendingRevocation
from sessions_demo.models import DeviceSession
from tests.access import set_version, version_of
from tests.conftest import PASSWORDS
from tests.jwt_demo import conftest as jwt
from tests.jwt_demo.conftest import Holder
from tests.sessions_demo import conftest as session
from tests.sessions_demo.conftest import Visitor

DUMPS = [(), ("--natural-foreign",), ("--natural-primary",), ("--natural-foreign", "--natural-primary")]
# Erin is deleted before the backup, so that one id between the others is missing.
LATER = {f"{name}@example.com": f"correct horse {name}" for name in ("erin", "carol", "dave")}
GONE = "gone/1.0"


@dataclass
class World:
    """Clients that are logged in, and in `out` those whose logins have ended."""

    session: Visitor
    tokens: Holder
    carol: Visitor
    out: list[Visitor | Holder] = field(default_factory=list)


@pytest.fixture
def empty(file_database: None, tmp_path: Path) -> Path:
    """An empty database for the restored backup."""
    connection.close()
    return Path(shutil.copy(tmp_path / "db.sqlite3", tmp_path / "empty.sqlite3"))


@pytest.fixture
def world(empty: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """At least one row of every model, with live and ended logins, and logins of a banned and of a deleted user."""
    monkeypatch.setattr(Argon2id, "memory_cost", 8)
    monkeypatch.setattr(Argon2id, "time_cost", 1)
    for email, password in LATER.items():
        monkeypatch.setitem(PASSWORDS, email, password)
    people = {email: User.objects.create_user(email, password) for email, password in PASSWORDS.items()}
    people["admin@example.com"].role = User.Role.ADMIN
    people["admin@example.com"].is_superuser = True
    people["admin@example.com"].save()
    enter_groups(people)
    world = World(session.logged_in(), jwt.logged_in(), session.logged_in("carol@example.com"))
    assert world.tokens.rotate().status_code == 200
    for name in ("alice", "bob", "dave", "erin"):
        world.out += [flow.logged_in(f"{name}@example.com", GONE) for flow in (session, jwt)]
    end_logins(people)
    fill_other_tables(people)
    return world


def enter_groups(people: dict[str, User]) -> None:
    editors, readers = (Group.objects.create(name=name) for name in ("editors", "readers"))
    editors.permissions.add(*Permission.objects.filter(codename__startswith="view_")[:3])
    for name in ("alice", "dave"):
        people[f"{name}@example.com"].groups.add(editors, readers)
        people[f"{name}@example.com"].user_permissions.add(*Permission.objects.all()[:2])


def end_logins(people: dict[str, User]) -> None:
    """Alice ends two of her logins, SimpleJWT and an administrator end Bob's, Dave is banned and Erin is deleted."""
    for flow, model in zip(devices.FLOWS, (DeviceSession, TokenFamily), strict=True):
        row = model.objects.get(user=people["alice@example.com"], user_agent=GONE)
        assert flow.end(people["alice@example.com"], row.pk, "ended by its owner")
    bobs = TokenFamily.objects.get(user=people["bob@example.com"])
    BlacklistedToken.objects.create(token=OutstandingToken.objects.get(jti=bobs.jti))
    devices.FLOWS[0].end_others(people["bob@example.com"], None, "ended by an administrator")
    people["dave@example.com"].is_active = False
    people["dave@example.com"].save()
    people["erin@example.com"].delete()


def fill_other_tables(people: dict[str, User]) -> None:
    alice, carol = people["alice@example.com"], people["carol@example.com"]
    # The state after an outage: `token_version` was raised, but the flows have not ended anything yet.
    set_version(carol, 1)
    PendingRevocation.objects.create(user_key=str(carol.pk), token_version=1, reason="password changed")
    for to in (alice.email, f"{PREFIX}1{DOMAIN}"):
        mail.queue("password_reset", to)
    OutgoingMail.objects.filter(to__endswith=DOMAIN).update(due=alice.created)
    DemoMail.objects.create(to=alice.email, subject="A letter", body="Hello")
    HousekeepingRun.finished("mail", "1 handed over")
    Note.objects.create(owner=alice, text="Buy milk")
    LogEntry.objects.create(user=alice, action_flag=ADDITION, object_repr="something")
    # These tokens are blacklisted, but their family is live: only its own row ends a family.
    blacklist.add_latest(TokenFamily.objects.filter(user=alice, ended=None).values_list("pk", flat=True))


def rows() -> dict[str, list[Any]]:
    """All rows. The ids of many-to-many rows are left out, because nothing refers to them."""
    found = {}
    for model in apps.get_models(include_auto_created=True):
        names = [one.attname for one in model._meta.concrete_fields]
        if model._meta.auto_created:
            names.remove("id")
        values = model._base_manager.values_list(*names)
        found[model._meta.label] = sorted(repr([to_the_millisecond(value) for value in row]) for row in values)
    return found


def to_the_millisecond(value: Any) -> Any:
    """Django's JSON contains times only to the millisecond."""
    return value.replace(microsecond=value.microsecond // 1000 * 1000) if isinstance(value, datetime) else value


def restore(options: tuple[str, ...], empty: Path, folder: Path, order: int = 1) -> None:
    """Makes a backup, replaces the database with the empty one, and loads the backup. -1 loads the last row first."""
    backup = folder / "backup.json"
    call_command("dumpdata", *options, output=str(backup), verbosity=0)
    backup.write_text(json.dumps(json.loads(backup.read_text())[::order]))
    connection.close()
    for suffix in ("-wal", "-shm"):
        (folder / f"db.sqlite3{suffix}").unlink(missing_ok=True)
    empty.replace(folder / "db.sqlite3")
    assert not User.objects.exists()
    call_command("loaddata", str(backup), verbosity=0)


@pytest.mark.parametrize("options", DUMPS, ids=lambda options: " ".join(options) or "plain")
def test_a_restored_backup_holds_the_same_and_revokes_nothing(
    world: World, empty: Path, tmp_path: Path, options: tuple[str, ...], run_housekeeping: Callable[[], None]
) -> None:
    before = rows()
    assert [name for name, found in before.items() if not found] == ["sessions.Session"], "an empty table shows nothing"
    restore(options, empty, tmp_path)
    assert rows() == before
    assert (world.session.whoami(), world.tokens.whoami()) == (200, 200)
    assert world.tokens.rotate().status_code == 200
    assert session.logged_in(agent="after/1.0").whoami() == 200
    assert {login.whoami() for login in world.out} == {401}
    # The pending revocation is still pending, and is carried out.
    run_housekeeping()
    assert (world.carol.whoami(), world.session.whoami(), world.tokens.whoami()) == (401, 200, 200)


def test_rows_may_be_loaded_in_any_order(world: World, empty: Path, tmp_path: Path) -> None:
    """For example one file for each app, loaded one after another."""
    before = rows()
    restore((), empty, tmp_path, -1)
    assert rows() == before


def test_a_backup_names_each_user_by_id(world: World, tmp_path: Path) -> None:
    """With a natural key Dave could be loaded under the id that Carol's tokens contain."""
    call_command("dumpdata", "--natural-primary", "--natural-foreign", output=str(tmp_path / "backup.json"))
    backup = json.loads((tmp_path / "backup.json").read_text())
    users = {row["fields"]["email"]: row["pk"] for row in backup if row["model"] == "accounts.user"}
    assert users == dict(User.objects.values_list("email", "pk"))
    owners = {row["fields"]["user"] for row in backup if row["model"] == "jwt_demo.tokenfamily"}
    assert owners == set(TokenFamily.objects.values_list("user", flat=True))
    assert owners - set(users.values()), "the families of a deleted user are among them"


def test_after_a_restore_a_change_by_hand_revokes_as_ever(world: World, empty: Path, tmp_path: Path) -> None:
    restore((), empty, tmp_path)
    alice = User.objects.get(email="alice@example.com")
    alice.groups.remove(Group.objects.get(name="readers"))
    assert (world.session.whoami(), world.tokens.whoami()) == (401, 401)
    back = jwt.logged_in()
    token = OutstandingToken.objects.get(jti=back.family.jti)
    BlacklistedToken.objects.create(token=token)
    assert (back.whoami(), back.rotate().status_code) == (401, 401)


def test_a_user_made_after_a_restore_gets_an_id_of_her_own(world: World, empty: Path, tmp_path: Path) -> None:
    restore(DUMPS[-1], empty, tmp_path)
    taken = set(User.objects.values_list("pk", flat=True))
    assert User.objects.create_user("frank@example.com", "correct horse frank").pk not in taken


def test_a_user_whom_loaddata_stored_is_one_like_any_other_afterwards(alice: User) -> None:
    """The mark on an instance that `loaddata` has stored is removed by its next `save()`."""
    User.save_base(alice, raw=True)
    alice.groups.add(Group.objects.create(name="loaded"))
    assert version_of(User.objects.get()) == 0
    alice.save()
    alice.groups.add(Group.objects.create(name="by hand"))
    assert version_of(User.objects.get()) == 1
