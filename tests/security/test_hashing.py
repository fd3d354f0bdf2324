"""How many hashes are computed at once, which requests wait, and for how long."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.test import RequestFactory, override_settings

from accounts.models import User
from security import hashing, old_hashes, waits
from security.backends import InvalidCredentials, verify
from security.hashers import Argon2id
from security.hashing import Pool
from security.waits import WAITS, Busy
from tests.conftest import PASSWORDS, Browser
from tests.running import ROOT, Store, until
from tests.sampling import sampled

EMAIL = "admin@example.com"


@pytest.fixture(autouse=True)
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    """A pool of two threads, however many processors the machine has."""
    pool = Pool()
    pool.size = 2
    monkeypatch.setattr(hashing, "POOL", pool)
    return pool


@pytest.fixture
def held(pool: Pool) -> Iterator[threading.Event]:
    """An event. Both threads are busy until it is set."""
    end = threading.Event()
    with ThreadPoolExecutor(2) as requests:
        for _ in range(2):
            requests.submit(hashing.compute, end.wait, 20)
        until(lambda: pool._taken == 2)
        yield end
        end.set()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "PATIENCE", 0.1)


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch, hasher: type, method: str) -> Iterator[list[int]]:
    """For each hash that was computed: how many were computed at that moment, itself included."""
    lock, running, seen, original = threading.Lock(), set[int](), list[int](), getattr(hasher, method)

    def hashed(*args: Any) -> Any:
        with lock:
            running.add(threading.get_ident())
            seen.append(len(running))
        try:
            time.sleep(0.02)  # long enough for others to begin, if they could
            return original(*args)
        finally:
            with lock:
                running.remove(threading.get_ident())

    with monkeypatch.context() as patch:
        patch.setattr(hasher, method, hashed)
        yield seen


@pytest.mark.usefixtures("file_database")
def test_right_passwords_sent_at_once_are_hashed_two_at_once(
    at_once: Callable[..., list[Any]], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    User.objects.create_superuser(EMAIL, PASSWORDS[EMAIL])
    with counted(monkeypatch, Argon2id, "verify_here") as seen:
        assert at_once(24, lambda _: Browser().log_in(EMAIL).status_code) == [302] * 24
    assert (len(seen), max(seen)) == (24, 2)
    assert store.client(1).keys() == []


@pytest.mark.parametrize("work", sampled(["login", "new password"], {"login"}))
@override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.PBKDF2PasswordHasher"])
def test_a_projects_own_hasher_is_bounded_too(
    alice: User, at_once: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    from security.passwords import choose
    from security.users import check_password

    monkeypatch.setattr(PBKDF2PasswordHasher, "iterations", 1000)
    alice.set_password("a long password")
    ways = {
        "login": lambda _: check_password(alice, "a long password"),
        "new password": lambda _: choose(User(email="x@example.com"), "another long password"),
    }
    with counted(monkeypatch, PBKDF2PasswordHasher, "encode") as seen:
        at_once(8, ways[work])
    assert (len(seen), max(seen)) == (8, 2)


@pytest.mark.parametrize("who", ["right", "wrong", "unknown", "inactive"])
def test_whoever_waits_in_vain_gets_the_same_503_and_no_failure_is_counted(
    admin: User, browser: Browser, store: Store, held: threading.Event, impatient: None, who: str
) -> None:
    browser.raise_request_exception = False
    User.objects.filter(pk=admin.pk).update(is_active=who != "inactive")
    email = "nobody@example.com" if who == "unknown" else admin.email
    answer = browser.log_in(email, "wrong" if who == "wrong" else PASSWORDS[admin.email])
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert store.client(1).keys() == []


@pytest.mark.parametrize("hasher", ["argon2", "pbkdf2_sha256", "argon2_pbkdf2_sha256", "scrypt", None])
def test_a_refused_login_waits_once_whatever_hash_its_user_has(
    alice: User, bob: User, pool: Pool, monkeypatch: pytest.MonkeyPatch, hasher: str | None
) -> None:
    """On a busy server a second wait would show which kind of hash the user has, or that there is no such user."""
    monkeypatch.setattr(PBKDF2PasswordHasher, "iterations", 1000)
    monkeypatch.setattr(old_hashes, "ASKED", None)
    User.objects.filter(pk=bob.pk).update(password=make_password("bob's", hasher="pbkdf2_sha256"))
    if hasher:
        User.objects.filter(pk=alice.pk).update(password=make_password("alice's", hasher=hasher))
    waits_of, take = [], pool._take
    monkeypatch.setattr(pool, "_take", lambda: waits_of.append(take()))
    with pytest.raises(InvalidCredentials):
        verify(RequestFactory().get("/"), alice.email if hasher else "nobody@example.com", "wrong")
    assert len(waits_of) == 1


def test_a_json_login_that_waited_in_vain_is_a_503(admin: User, held: threading.Event, impatient: None) -> None:
    token = "c" * 32
    headers = {"X-CSRFToken": token, "Cookie": f"{settings.CSRF_COOKIE_NAME}={token}"}
    body = {"email": admin.email, "password": PASSWORDS[admin.email]}
    for path in ("/session/auth/login", "/jwt/auth/login"):
        answer = Browser().post(path, body, "application/json", headers=headers)
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")


def test_a_full_queue_is_refused_at_once(held: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "MOST", 1)
    with ThreadPoolExecutor(1) as requests:
        waiting = requests.submit(hashing.compute, str, 1)
        until(lambda: WAITS.number == 1)
        with pytest.raises(Busy):
            hashing.compute(str, 2)
        held.set()
        assert waiting.result(20) == "1"
    assert WAITS.number == 0


def test_at_least_24_may_wait() -> None:
    assert waits.MOST >= 24


def test_they_are_hashed_in_the_order_they_came(pool: Pool) -> None:
    pool.size = 1
    end, order = threading.Event(), list[int]()
    with ThreadPoolExecutor(9) as requests:
        requests.submit(hashing.compute, end.wait, 20)
        until(lambda: pool._taken == 1)
        for number in range(8):
            requests.submit(hashing.compute, order.append, number)
            until(lambda number=number: len(pool._queue) == number + 1)  # type: ignore[misc]
        end.set()
    assert order == list(range(8))


def test_no_turn_is_lost_by_who_gives_up_or_fails(held: threading.Event, pool: Pool, impatient: None) -> None:
    with pytest.raises(Busy):
        hashing.compute(str, 1)
    assert not pool._queue
    held.set()
    until(lambda: pool._taken == 0)
    with pytest.raises(ZeroDivisionError):
        hashing.compute(divmod, 1, 0)
    assert (pool._taken, WAITS.number) == (0, 0)


def test_what_hashes_inside_a_hash_or_a_turn_does_not_wait_for_itself(pool: Pool, impatient: None) -> None:
    pool.size = 1
    with hashing.turn(), hashing.turn():
        assert hashing.compute(lambda: hashing.compute(make_password, "nested")).startswith("argon2")
    assert pool._taken == 0


def test_the_callers_context_is_seen(pool: Pool) -> None:
    variable: ContextVar[str] = ContextVar("variable")
    variable.set("the caller's")
    assert hashing.compute(variable.get) == "the caller's"


def test_a_forked_process_has_threads_of_its_own(pool: Pool, held: threading.Event) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, str(hashing.compute(os.getpid)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        assert answer.read() == str(child)
    os.waitpid(child, 0)


def test_hashing_stands_back_and_nothing_else_does(pool: Pool) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    assert hashing.compute(os.getpriority, os.PRIO_PROCESS, 0) == min(19, before + hashing.NICE)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


@pytest.mark.parametrize(("said", "size"), [("1", 6), ("2", 3), ("4", 1), ("60", 1)])
def test_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch, said: str, size: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(6))
    monkeypatch.setenv("WEB_CONCURRENCY", said)
    assert Pool().size == size


def test_a_container_has_the_cores_that_it_may_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "cpu.max"
    monkeypatch.setattr(hashing, "LIMIT", limit)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setenv("WEB_CONCURRENCY", "1")
    seen = [Pool().size]
    for text in ("max 100000", "200000 100000", "50000 100000", "1600000 100000"):
        limit.write_text(text)
        seen.append(Pool().size)
    assert seen == [8, 8, 2, 1, 8]


@pytest.mark.parametrize("said", ["", "x", "0"])
def test_a_server_that_does_not_say_its_processes_is_asked_by_their_number(said: str) -> None:
    """Counts three processes of one parent, as gunicorn has them, and no other program of that parent."""
    code = """
import os, subprocess
from security.hashing import _processes
other, (reading, writing) = subprocess.Popen(["sleep", "60"]), os.pipe()
for number in range(3):
    if not os.fork():
        os.close(writing)
        os.read(reading, 1)  # until all are there
        os.write(1, b"%d\\n" % _processes())
        os.read(0, 1)  # until all have counted
        os._exit(0)
os.close(writing)
os.wait(), os.wait(), os.wait()
other.kill()
"""
    environment = os.environ | {"WEB_CONCURRENCY": said}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert [process.stdout.readline() for _ in range(3)] == ["3\n"] * 3
        process.stdin.close()
