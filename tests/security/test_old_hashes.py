"""Users with hashes of an earlier project can log in, and a stranger cannot find out which users have such hashes."""

import base64
import hashlib
import io
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import argon2
import pytest
from django.contrib.auth import hashers as django_hashers
from django.contrib.auth.hashers import identify_hasher, make_password
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.http import HttpRequest
from django.test import RequestFactory, override_settings

from accounts.models import User
from security import hashers, hashing, old_hashes
from security.backends import InvalidCredentials, verify
from security.models import SecurityEvent, UserAccess
from security.users import store_hash
from tests.access import version_of
from tests.conftest import PASSWORDS, Browser
from tests.sampling import sampled

RIGHT = PASSWORDS["alice@example.com"]
FEW, MOST = 1000, 3000
# "e" and an accent are two characters here, and one in normal form.
APART = "cafe\u0301 latte"


def pbkdf2(password: str, iterations: int = FEW, salt: str = "salt", algorithm: str = "pbkdf2_sha256") -> str:
    hasher = django_hashers.get_hasher(algorithm)
    assert isinstance(hasher, django_hashers.PBKDF2PasswordHasher)
    return hasher.encode(password, salt, iterations)


def wrapped(password: str, iterations: int = FEW) -> str:
    return hashers.Argon2idOverPBKDF2().wrap(pbkdf2(password, iterations))


def stock_argon2(password: str) -> str:
    hasher = django_hashers.Argon2PasswordHasher()
    hasher.memory_cost = 1024  # saves time: Django's own hasher takes 100 MiB
    return hasher.encode(password, "a salt of an earlier project")


OLD: dict[str, Callable[[str], str]] = {
    "pbkdf2_sha256": pbkdf2,
    "pbkdf2_sha1": lambda password: pbkdf2(password, algorithm="pbkdf2_sha1"),
    "pbkdf2_sha256 with a short salt": lambda password: pbkdf2(password, salt="x"),
    "wrapped": wrapped,
    "wrapped sha1": lambda password: hashers.Argon2idOverPBKDF2SHA1().wrap(OLD["pbkdf2_sha1"](password)),
    "scrypt": lambda password: make_password(password, hasher="scrypt"),
    "argon2 of stock Django": stock_argon2,
}


def stored(user: User) -> str:
    return User.objects.values_list("password", flat=True).get(pk=user.pk)


def give(user: User, encoded: str) -> None:
    """Stores this hash for the user, as an import of users would."""
    assert store_hash(user.pk, user.password, encoded)
    user.refresh_from_db()


@pytest.fixture
def request_() -> HttpRequest:
    return RequestFactory().post("/")


@pytest.fixture
def asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has not asked yet which hashes are in use."""
    monkeypatch.setattr(old_hashes, "ASKED", None)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The work that was done: the number of Argon2id hashes, and the iterations of PBKDF2."""
    done: Counter[str] = Counter()

    def counting(kind: str, function: Callable[..., Any], amount: Callable[..., int]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            done[kind] += amount(*args, **options)
            return function(*args, **options)

        return counted

    for module, name in (
        (argon2.low_level, "hash_secret"),
        (argon2.low_level, "verify_secret"),
        (argon2._password_hasher, "verify_secret"),
        (hashers, "hash_secret_raw"),
    ):
        monkeypatch.setattr(module, name, counting("argon2", getattr(module, name), lambda *_, **__: 1))
    iterations = counting("pbkdf2", django_hashers.pbkdf2, lambda password, salt, number, **_: number)
    monkeypatch.setattr(django_hashers, "pbkdf2", iterations)
    return done


def refused(request: HttpRequest, email: str, password: str, work: Counter[str]) -> dict[str, int]:
    """The work of a refused login."""
    work.clear()
    with pytest.raises(InvalidCredentials):
        verify(request, email, password)
    return dict(work)


# ── Old users can log in ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", OLD)
def test_a_user_with_an_old_hash_gets_in_and_has_argon2id_from_then_on(
    alice: User, request_: HttpRequest, kind: str
) -> None:
    give(alice, OLD[kind](RIGHT))
    with pytest.raises(InvalidCredentials):
        verify(request_, alice.email, RIGHT + "x")
    assert stored(alice) == alice.password
    assert verify(request_, alice.email, RIGHT) == alice
    hasher = identify_hasher(stored(alice))
    assert isinstance(hasher, hashers.Argon2id)
    assert not hasher.must_update(stored(alice))
    assert verify(request_, alice.email, RIGHT) == alice


@pytest.mark.parametrize("kind", OLD)
def test_to_replace_an_old_hash_ends_nothing(alice: User, kind: str) -> None:
    give(alice, OLD[kind](RIGHT))
    first, second = Browser(), Browser()
    for browser in (first, second):
        answer = browser.submit("/session/login/", {"email": alice.email, "password": RIGHT})
        assert answer.status_code == 302
    assert first.get("/session/api/whoami").status_code == 200
    alice.refresh_from_db()
    assert version_of(alice) == 0
    assert not SecurityEvent.objects.filter(name="authn_access_revoked").exists()


# ── Hashes that cannot be read ────────────────────────────────────────────────────────────────

UNREADABLE = [
    "pbkdf2_sha256$",
    "pbkdf2_sha256$1000",
    "pbkdf2_sha256$abc$salt$hash",
    "pbkdf2_sha256$99999999999999999999$salt$hash",
    "argon2_pbkdf2_sha256$",
    "argon2_pbkdf2_sha256$1000$salt$h",
    "argon2_pbkdf2_sha256$1000$m=1,t=x,p=1$salt$h",
    "argon2_pbkdf2_sha256$1000$m=0,t=0,p=0$salt$h",
    "argon2$argon2id$v=19$xx",
    "scrypt$x",
    "nothing",
]


@pytest.mark.parametrize("encoded", sampled(UNREADABLE, UNREADABLE[::4]))
def test_a_hash_that_cannot_be_read_fits_nothing_and_the_throttle_goes_on_counting(
    alice: User, bob: User, encoded: str
) -> None:
    User.objects.filter(pk=alice.pk).update(password=encoded)
    old_hashes.ASKED = None
    browser = Browser()
    for who in (alice.email, bob.email):
        for attempt in range(11):
            answer = browser.log_in(who, "a guess")
            assert answer.status_code == (200 if attempt < 10 else 429), (who, attempt)
    old_hashes.ASKED = None


# ── Their accounts cannot be told apart ──────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("asks")
@pytest.mark.parametrize("password", ["wrong", APART], ids=["in normal form", "not in normal form"])
def test_a_refused_login_is_the_same_work_for_every_kind_of_account(
    alice: User, bob: User, request_: HttpRequest, work: Counter[str], password: str
) -> None:
    make = User.objects.create_user
    give(alice, pbkdf2(RIGHT, FEW))
    give(make("most@example.com"), pbkdf2(RIGHT, MOST))
    give(make("wrapped@example.com"), wrapped(RIGHT, FEW))
    give(make("sha1@example.com"), OLD["pbkdf2_sha1"](RIGHT))
    make("without@example.com")
    give(gone := make("inactive@example.com"), pbkdf2(password, FEW))
    User.objects.filter(pk=gone.pk).update(is_active=False)
    found = {
        name: refused(request_, f"{name}@example.com", password, work)
        for name in ("nobody", "alice", "bob", "most", "wrapped", "sha1", "without", "inactive")
    }
    expected = {"argon2": 2 if password == APART else 1, "pbkdf2": MOST + FEW}
    assert found == dict.fromkeys(found, expected)


@pytest.mark.usefixtures("asks")
def test_without_old_hashes_nothing_is_added(alice: User, request_: HttpRequest, work: Counter[str]) -> None:
    for email in (alice.email, "nobody@example.com"):
        assert refused(request_, email, "wrong", work) == {"argon2": 1}
        assert refused(request_, email, APART, work) == {"argon2": 2}


@pytest.mark.usefixtures("asks")
def test_the_added_work_stops_by_itself_once_the_last_old_hash_is_replaced(
    alice: User, bob: User, request_: HttpRequest, work: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    give(alice, pbkdf2(RIGHT, FEW))
    give(bob, pbkdf2(RIGHT, MOST))
    User.objects.filter(pk=bob.pk).update(is_active=False)  # Bob cannot log in, so his hash is never checked.
    assert refused(request_, "nobody@example.com", "wrong", work)["pbkdf2"] == FEW
    verify(request_, alice.email, RIGHT)
    assert refused(request_, "nobody@example.com", "wrong", work)["pbkdf2"] == FEW
    later = time.monotonic() + old_hashes.ASK_EVERY
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert refused(request_, "nobody@example.com", "wrong", work) == {"argon2": 1}


@pytest.mark.usefixtures("asks")
def test_which_hashes_are_in_use_is_asked_once_a_minute_and_not_while_a_hash_has_its_turn(
    alice: User, request_: HttpRequest, measured: Callable[..., Any]
) -> None:
    statements, during = [], list[str]()

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        if hashing.POOL._has_turn():
            during.append(sql)
        return execute(sql, *rest)

    for password in (RIGHT, RIGHT, "wrong", "wrong"):
        with measured() as cost, suppress(InvalidCredentials), connection.execute_wrapper(note):
            verify(request_, alice.email, password)
        statements.append(len(cost.sql))
    assert (statements[0], statements[2]) == (statements[1] + 1, statements[3])
    give(alice, OLD["pbkdf2_sha256"](RIGHT))
    with connection.execute_wrapper(note):
        verify(request_, alice.email, RIGHT)
    assert stored(alice).startswith("argon2$"), "the hash was replaced"
    assert not during


# ── Old hashes are wrapped ────────────────────────────────────────────────────────────────────


def wrap(**options: Any) -> str:
    said = io.StringIO()
    call_command("wrap_password_hashes", stdout=said, stderr=said, **options)
    return said.getvalue()


def test_wrapping_leaves_no_hash_by_pbkdf2_alone_and_every_password_good(
    alice: User, bob: User, request_: HttpRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_hashes, "BATCH", 2)
    carol, dave = User.objects.create_user("carol@example.com"), User.objects.create_user("dave@example.com")
    for user, kind in ((alice, "pbkdf2_sha256"), (carol, "pbkdf2_sha1"), (dave, "pbkdf2_sha256 with a short salt")):
        give(user, OLD[kind](RIGHT))
    before = stored(bob)
    assert wrap(dry_run=True) == "3 hashes to wrap.\n"
    assert stored(alice).startswith("pbkdf2")
    assert wrap() == "3 hashes wrapped, 0 changed meanwhile.\n"
    assert stored(bob) == before
    for user in (alice, carol, dave):
        assert stored(user).startswith("argon2_pbkdf2_sha")
        assert len(stored(user)) <= 128
        with pytest.raises(InvalidCredentials):
            verify(request_, user.email, "wrong")
        assert verify(request_, user.email, RIGHT) == user
    assert not UserAccess.objects.exclude(token_version=0).exists()
    assert wrap() == "0 hashes wrapped, 0 changed meanwhile.\n"


def test_a_hash_like_djangos_fits_the_column_when_it_is_wrapped(alice: User) -> None:
    give(alice, make_password(RIGHT, hasher="pbkdf2_sha256"))
    wrap()
    assert stored(alice).startswith("argon2_pbkdf2_sha256$1000000$")
    assert len(stored(alice)) <= 128
    assert User.objects.get(pk=alice.pk).check_password(RIGHT)


@pytest.mark.parametrize(
    "encoded", ["pbkdf2_sha256$x", "pbkdf2_sha256$many$salt$hash", f"pbkdf2_sha256$1$salt{'x' * 60}$hash"]
)
def test_what_cannot_be_wrapped_is_left_and_counted(alice: User, bob: User, encoded: str) -> None:
    give(alice, encoded)
    give(bob, pbkdf2(RIGHT))
    assert wrap().startswith("1 hashes wrapped, 0 changed meanwhile.\n1 cannot be read")
    assert stored(alice) == encoded


def test_a_password_that_is_set_while_its_old_hash_is_wrapped_stays(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(alice, pbkdf2(RIGHT))
    wrap_one = hashers.Argon2idOverPBKDF2.wrap

    def overtaken(self: hashers.Argon2idOverPBKDF2, encoded: str) -> str:
        alice.set_password("set meanwhile")
        alice.save()
        return wrap_one(self, encoded)

    monkeypatch.setattr(hashers.Argon2idOverPBKDF2, "wrap", overtaken)
    assert wrap() == "0 hashes wrapped, 1 changed meanwhile.\n"
    assert User.objects.get(pk=alice.pk).check_password("set meanwhile")


def test_the_admin_shows_a_wrapped_hash_without_telling_it(admin: User, alice: User, browser: Browser) -> None:
    give(alice, wrapped(RIGHT))
    browser.force_login(admin)
    page = browser.get(f"/admin/accounts/user/{alice.pk}/change/").content.decode()
    assert "argon2_pbkdf2_sha256" in page
    assert stored(alice).rpartition("$")[2] not in page


# ── Before old hashes are wrapped ─────────────────────────────────────────────────────────────


def warnings() -> list[str]:
    return [
        str(found.id) for found in run_checks(tags=["database"], databases=["default"]) if found.id == "security.W901"
    ]


def test_w901_hashes_that_are_not_wrapped(alice: User) -> None:
    assert warnings() == []
    give(alice, pbkdf2(RIGHT))
    assert warnings() == ["security.W901"]
    assert not [found for found in run_checks() if found.id == "security.W901"]
    wrap()
    assert warnings() == []


@override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.PBKDF2PasswordHasher"])
def test_a_project_that_keeps_its_own_hashers_is_not_led_to_lock_its_users_out(alice: User) -> None:
    give(alice, pbkdf2(RIGHT))
    assert warnings() == []
    with pytest.raises(CommandError, match="PASSWORD_HASHERS must name"):
        wrap()
    assert stored(alice).startswith("pbkdf2_sha256$")


def test_w901_stops_no_start_without_a_table_or_a_database(db: None) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("no such table: accounts_user")

    with connection.execute_wrapper(away):
        assert warnings() == []


def test_wrapped_is_argon2id_over_the_result_of_pbkdf2() -> None:
    """Computed with the library itself, to prove that the stored form is what its name says."""
    name, iterations, costs, salt, hashed = wrapped("p", FEW).split("$")
    inner = django_hashers.pbkdf2("p", "salt", FEW, digest=hashlib.sha256)
    assert (name, iterations, salt) == ("argon2_pbkdf2_sha256", str(FEW), "salt")
    memory, passes, lanes = (int(cost[2:]) for cost in costs.split(","))
    raw = argon2.low_level.hash_secret_raw(
        base64.b64encode(inner),
        hashlib.sha256(b"salt").digest()[:16],
        time_cost=passes,
        memory_cost=memory,
        parallelism=lanes,
        hash_len=32,
        type=argon2.Type.ID,
    )
    assert base64.b64decode(hashed) == raw
