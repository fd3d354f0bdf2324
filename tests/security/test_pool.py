"""Only one caller waits for a store that hangs, and each caller of `fetch` gets the answer to its own command."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django_redis import get_redis_connection
from redis import Redis, UsernamePasswordCredentialProvider
from redis.connection import UnixDomainSocketConnection
from redis.exceptions import ConnectionError, RedisError, TimeoutError

from config.stores import STORE_WAIT
from security.breaker import PAUSE
from security.pool import GuardedConnection, GuardedPool, StoreSilent, fetch
from tests.running import Store, until

AT_ONCE = STORE_WAIT / 4


@contextlib.contextmanager
def stopped(store: Store) -> Iterator[None]:
    assert store.process
    store.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        store.process.send_signal(signal.SIGCONT)
        until(lambda: answers("default") and answers("sessions"))


def answers(alias: str) -> bool:
    try:
        return bool(get_redis_connection(alias).ping())
    except RedisError:
        return False


def seconds_of(alias: str, error: type[Exception]) -> float:
    started = time.monotonic()
    with pytest.raises(error):
        get_redis_connection(alias).ping()
    return time.monotonic() - started


def test_a_silent_store_is_waited_for_once_whatever_is_kept_in_it(store: Store) -> None:
    assert answers("default")
    with stopped(store):
        assert seconds_of("default", TimeoutError) >= STORE_WAIT
        for alias in ("default", "sessions", "denylist") * 3:
            assert seconds_of(alias, StoreSilent) < AT_ONCE


def test_a_new_connection_to_a_silent_store_is_waited_for_once_too(store: Store) -> None:
    for alias in ("default", "sessions"):
        get_redis_connection(alias).connection_pool.disconnect()
    with stopped(store):
        assert seconds_of("default", TimeoutError) >= STORE_WAIT
        assert seconds_of("sessions", StoreSilent) < AT_ONCE


def test_a_store_that_answers_again_is_asked_again_within_a_second_or_so(store: Store) -> None:
    with stopped(store):
        seconds_of("default", TimeoutError)
    until(lambda: answers("default"), 3 * (PAUSE + STORE_WAIT))


def test_a_try_that_finds_a_silent_store_dead_keeps_no_later_caller_out(store: Store) -> None:
    with contextlib.ExitStack() as stack:
        stack.callback(store.restart)
        assert store.process
        assert answers("default")
        store.process.send_signal(signal.SIGSTOP)
        seconds_of("default", TimeoutError)
        store.kill()
        time.sleep(PAUSE)
        assert not answers("default")
        store.start()
        assert answers("default")


def test_a_store_that_is_dead_and_not_silent_is_asked_each_time(store: Store) -> None:
    store.kill()
    for _ in range(3):
        with pytest.raises(RedisError) as raised:
            get_redis_connection("default").ping()
        assert not isinstance(raised.value, TimeoutError)
    store.start()
    assert answers("default")


def test_a_name_that_moves_to_another_server_is_followed_at_the_first_write(store: Store) -> None:
    """The old server stays up and refuses writes, as a demoted server does. Connections to it stay open."""
    moved, other = store.path.with_suffix(".moved"), Store(store.path.parent / "other" / "valkey.sock")
    caches["sessions"].set("before", 1)
    other.start()
    store.client().replicaof("127.0.0.1", "1")
    store.path.rename(moved)
    other.path.rename(store.path)
    try:
        caches["sessions"].set("after", 2)
        get_redis_connection("default").eval("return redis.call('SET', KEYS[1], 3)", 1, "script")
        pipe = get_redis_connection("denylist").pipeline()
        pipe.set("transaction", 4)
        pipe.execute()
        assert (caches["sessions"].get("before"), caches["sessions"].get("after")) == (None, 2)
        assert (store.client(1).get("script"), store.client(1).get("transaction")) == (b"3", b"4")
    finally:
        store.path.rename(other.path)
        moved.rename(store.path)
        store.client().replicaof("no", "one")
        other.kill()


# ── fetch ─────────────────────────────────────────────────────────────────────────────────────


# This answer arrives after redis-py has looked for an unread answer on the connection.
LATE = "for _ = 1, 1e7 do end return 'of Alice'"


def test_an_answer_that_was_not_read_reaches_no_other_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a user could get the session of another user."""
    redis = get_redis_connection("sessions")
    redis.set("his", "of Bob")
    with monkeypatch.context() as patch:
        patch.setattr(GuardedConnection, "read_response", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(redis, "EVAL", LATE, 0)
    assert [fetch(redis, "GET", "his"), redis.get("his")] == [b"of Bob"] * 2


def interrupted(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_an_answer_that_came_too_late_reaches_no_other_caller(store: Store) -> None:
    redis = get_redis_connection("sessions")
    redis.mset({"hers": "of Alice", "his": "of Bob"})
    assert fetch(redis, "GET", "hers") == b"of Alice"
    with stopped(store), pytest.raises(TimeoutError):
        fetch(redis, "GET", "hers")
    assert fetch(redis, "GET", "his") == b"of Bob"


def test_a_process_that_was_forked_opens_a_connection_of_its_own() -> None:
    redis = get_redis_connection("sessions")
    before = fetch(redis, "CLIENT", "ID")
    inlet, outlet = os.pipe()
    if (child := os.fork()) == 0:
        with contextlib.suppress(BaseException):
            os.write(outlet, str(fetch(redis, "CLIENT", "ID")).encode())
        os._exit(0)
    os.close(outlet)
    found = os.read(inlet, 100).decode()
    os.close(inlet)
    os.waitpid(child, 0)
    assert found.isdigit()
    assert found != str(before)
    assert fetch(redis, "CLIENT", "ID") == before


def test_both_ways_share_their_connections() -> None:
    redis = get_redis_connection("sessions")
    redis.connection_pool.disconnect()
    found = [fetch(redis, "CLIENT", "ID"), redis.client_id(), fetch(redis, "CLIENT", "ID"), redis.client_id()]
    assert len(set(found)) == 1


def test_redis_py_reconnects_a_connection_and_renews_its_password_as_it_would(store: Store) -> None:
    redis = get_redis_connection("sessions")
    before, connection = fetch(redis, "CLIENT", "ID"), redis.connection_pool.take()
    connection.mark_for_reconnect()
    assert redis.connection_pool.ask(connection, ("CLIENT", "ID")) == before
    assert fetch(redis, "CLIENT", "ID") != before
    provider = UsernamePasswordCredentialProvider("default", "any: there is no password")
    pool = GuardedPool(UnixDomainSocketConnection, path=str(store.path), credential_provider=provider)
    assert fetch(Redis(connection_pool=pool), "ECHO", "in") == b"in"
    assert pool.resting == []


def test_a_store_that_was_restarted_is_asked_again_at_once(store: Store) -> None:
    redis = get_redis_connection("sessions")
    assert fetch(redis, "ECHO", "there") == b"there"
    store.restart()
    assert fetch(redis, "ECHO", "back") == b"back"


def test_a_silent_store_is_waited_for_once_by_the_short_way_too(store: Store) -> None:
    redis = get_redis_connection("sessions")
    pool = redis.connection_pool
    for connection in [pool.take(), pool.take()]:
        pool.ask(connection, ("PING",))
    with stopped(store):
        with pytest.raises(TimeoutError):
            fetch(redis, "PING")
        with pytest.raises(StoreSilent):
            fetch(redis, "PING")
        assert seconds_of("default", StoreSilent) < AT_ONCE


def test_a_try_by_the_short_way_that_finds_a_silent_store_dead_keeps_no_later_caller_out(store: Store) -> None:
    redis = get_redis_connection("sessions")
    pool = redis.connection_pool
    for connection in [pool.take(), pool.take()]:
        pool.ask(connection, ("PING",))
    with contextlib.ExitStack() as stack:
        stack.callback(store.restart)
        assert store.process
        store.process.send_signal(signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            fetch(redis, "PING")
        store.kill()
        time.sleep(PAUSE)
        with pytest.raises(ConnectionError):
            fetch(redis, "PING")
        store.start()
        assert fetch(redis, "ECHO", "back") == b"back"
