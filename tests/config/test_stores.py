from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.sqlite3.base import DatabaseWrapper
from redis.connection import parse_url

from config import stores


def test_sqlite_is_in_wal_mode_and_takes_its_lock_at_once() -> None:
    parsed = stores.database("sqlite:////srv/site/db.sqlite3")
    assert parsed["NAME"] == "file:/srv/site/db.sqlite3?mode=rw"
    assert parsed["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in parsed["OPTIONS"]["init_command"]
    assert stores.sqlite_path(parsed) == Path("/srv/site/db.sqlite3")


@pytest.mark.parametrize("name", ["plain", "with blank", "100%25", "a#b", "\u00fc"])
def test_a_folder_with_an_odd_name_is_still_that_folder(db: None, tmp_path: Path, name: str) -> None:
    from urllib.parse import quote

    file = tmp_path / name / "db.sqlite3"
    file.parent.mkdir()
    parsed = stores.database(f"sqlite:///{quote(str(file))}")
    assert stores.sqlite_path(parsed) == file
    file.touch()
    connection = DatabaseWrapper({"TIME_ZONE": None, "CONN_MAX_AGE": 0, "AUTOCOMMIT": True, **parsed})
    connection.inc_thread_sharing()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a)")
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone() == ("wal",)
    connection.close()
    assert file.stat().st_size > 0


def test_a_database_that_is_not_there_is_not_begun_anew(db: None, tmp_path: Path) -> None:
    from django.db import OperationalError

    parsed = stores.database(f"sqlite:///{tmp_path}/db.sqlite3")
    connection = DatabaseWrapper({"TIME_ZONE": None, "CONN_MAX_AGE": 0, "AUTOCOMMIT": True, **parsed})
    with pytest.raises(OperationalError):
        connection.ensure_connection()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_postgresql_is_asked_for_a_living_connection(scheme: str) -> None:
    parsed = stores.database(f"{scheme}://user:p%40ss@db.example.org:5433/name?sslmode=require")
    assert parsed["ENGINE"] == "security.postgresql"
    assert (parsed["HOST"], parsed["PORT"], parsed["NAME"]) == ("db.example.org", 5433, "name")
    assert (parsed["USER"], parsed["PASSWORD"]) == ("user", "p@ss")
    waits = {"connect_timeout": stores.DATABASE_WAIT, "statement_wait": stores.STATEMENT_WAIT}
    assert parsed["OPTIONS"] == waits | {"sslmode": "require"}
    assert stores.STATEMENT_WAIT < stores.DATABASE_WAIT
    assert parsed["CONN_HEALTH_CHECKS"] is True
    assert stores.sqlite_path(parsed) is None


@pytest.mark.parametrize(
    "url", ["", "nonsense", "foo://x", "mysql://user@host/name", "postgres://a:b/c", "postgres://[/c"]
)
def test_what_is_no_address_of_a_database_is_named(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL "):
        stores.database(url)


@pytest.mark.parametrize("url", ["", "localhost:6379", "http://localhost", "memcached://x", "Redis://localhost"])
def test_what_is_no_address_of_a_store_is_named(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^REDIS_URL "):
        stores.caches(url)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("redis://:secret@redis.example.org:6380", {"host": "redis.example.org", "port": 6380, "password": "secret"}),
        ("rediss://redis.example.org?ssl_cert_reqs=none", {"host": "redis.example.org", "ssl_cert_reqs": "none"}),
        ("unix:///run/valkey.sock", {"path": "/run/valkey.sock"}),
        ("unix:///run/valkey.sock?password=x", {"path": "/run/valkey.sock", "password": "x"}),
    ],
)
def test_each_thing_has_a_database_of_its_own(url: str, found: dict[str, Any]) -> None:
    caches = stores.caches(url)
    for alias, number in (("default", stores.THROTTLE), ("sessions", stores.SESSIONS)):
        parsed = parse_url(caches[alias]["LOCATION"])
        assert parsed["db"] == number
        assert {name: parsed[name] for name in found} == found
    assert stores.THROTTLE != stores.SESSIONS


def test_no_cache_unpickles_or_waits_for_long() -> None:
    for cache in stores.caches("redis://localhost").values():
        options = cache["OPTIONS"]
        assert options["SERIALIZER"] == "django_redis.serializers.json.JSONSerializer"
        assert options["SOCKET_TIMEOUT"] == options["SOCKET_CONNECT_TIMEOUT"] == stores.STORE_WAIT <= 1
        assert options["CONNECTION_POOL_KWARGS"]["retry"].get_retries() == 1
