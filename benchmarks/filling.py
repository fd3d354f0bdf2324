"""`python -m benchmarks.filling 1000 100000`: adds rows and sessions number 1000 to 99999 to a Django contestant.

`DJANGO_SETTINGS_MODULE` and its variables name the contestant: this project or stock Django. It must be prepared, must
not run, and must have SQLite and at least one user. The added users have the password of the first user.

Each number stands for one login with a session and one login with a token, of one of at most 100000 users. It adds a
row to each table that grows with logins, and a session to the store. Of a hundred logins, one has expired and one ended
more than a month ago; housekeeping has not seen either. Of the other token logins, every second one has logged out.
"""

import hashlib
import json
import multiprocessing
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from itertools import islice
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.contrib import auth
from django.core.cache import caches
from django.db import connection
from django_redis import get_redis_connection

# Added rows have primary keys from `BASE`. The contestant's own later rows have keys above `BEYOND`.
BASE, BEYOND = 10_000_000, 1_000_000_000
USERS = 100_000
# Modulo 100, the numbers of the logins that have expired and that ended long ago. Neither has a session in the store.
RUN_OUT, ENDED = 0, 1
# Seconds until an added session ends if it is not used.
LIFETIME = 2 * 60 * 60
# Sessions that one command writes to the store.
BATCH = 1000
# Each line of the second argument is a key, a tab and a value. A line without a value gets the third argument.
WRITE = """
for key, value in string.gmatch(ARGV[2], '([^\\t]+)\\t([^\\n]*)\\n') do
    redis.call('SET', key, value ~= '' and value or ARGV[3], 'EX', ARGV[1])
end
"""
# For the connection that adds the rows. Checking the foreign keys would double the time, and the users are added first.
PRAGMAS = (
    "foreign_keys = OFF",
    "journal_mode = OFF",
    "synchronous = OFF",
    "cache_size = -1000000",
    "temp_store = MEMORY",
)
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

# Each number with the keys and times of its logins. The keys are not in order, as those of real logins are not.
NUMBERS = """
CREATE TEMP TABLE numbers AS
WITH RECURSIVE counted(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM counted WHERE n + 1 < :last),
keyed AS (
    SELECT n, n % 100 AS kind, printf('%08x%024x', n * 2654435761 % 4294967296, n) AS uuid FROM counted
)
SELECT
    n, kind, uuid, :base + n % :users AS user_id,
    '10.' || n / 65536 % 256 || '.' || n / 256 % 256 || '.' || n % 256 AS address,
    CASE WHEN :families THEN substr(uuid, 1, 8) || '-' || substr(uuid, 9, 4) || '-' || substr(uuid, 13, 4) || '-'
        || substr(uuid, 17, 4) || '-' || substr(uuid, 21) || '.0.' ELSE '' END || uuid AS jti,
    :now - CASE kind WHEN 0 THEN 9000 WHEN 1 THEN 2764800 ELSE n % 3600 END AS began,
    :now - CASE kind WHEN 0 THEN 691200 WHEN 1 THEN 3456000 ELSE n % 518400 END AS issued,
    kind = 1 OR (n % 2 = 0 AND kind <> 0) AS logged_out
FROM keyed
"""
OURS = """
INSERT INTO accounts_user
    (id, email, email_as_given, name, password, role, is_superuser, is_active, created, last_login)
SELECT :base + n, 'filled' || n || '@example.com', 'filled' || n || '@example.com', 'Filled ' || n,
    first.password, first.role, first.is_superuser, first.is_active,
    datetime(:now, 'unixepoch'), datetime(:now, 'unixepoch')
FROM numbers, (SELECT * FROM accounts_user ORDER BY id LIMIT 1) AS first WHERE n < :users;
INSERT INTO security_useraccess (user_key, token_version, guarded)
SELECT user_id, 0, json_set(:guarded, '$.email', substr(SHA256('filled' || n || '@example.com'), 1, 16))
FROM numbers WHERE n < :users;
INSERT INTO security_knownclient (user_key, user_agent_hash, first_seen)
SELECT user_id, uuid || uuid, datetime(issued, 'unixepoch') FROM numbers;
INSERT INTO security_securityevent (at, name, user_key, email, address, user_agent, detail)
SELECT datetime(issued, 'unixepoch'), 'authn_login_success', user_id,
    'filled' || n % :users || '@example.com', address, :agent, '{"new_client": false, "flow": "session"}'
FROM numbers;
INSERT INTO sessions_demo_devicesession
    (id, user_id, digest, former, address, user_agent, remember, token_version,
    started, last_seen, idle_end, absolute_end, ended, reason)
SELECT uuid, user_id, SHA256(printf('filled%026d', n)), '', address, :agent, 0, 0,
    datetime(began, 'unixepoch'), datetime(began, 'unixepoch'),
    datetime(began + 7200, 'unixepoch'), datetime(began + 86400, 'unixepoch'),
    CASE kind WHEN 1 THEN datetime(began + 3600, 'unixepoch') END, CASE kind WHEN 1 THEN 'logged out' ELSE '' END
FROM numbers;
INSERT INTO jwt_demo_tokenfamily
    (id, user_id, token_version, transport, policy, remember, address, user_agent, generation, void_below,
    jti, kid, rotated_by, issued, expires, started, authenticated, absolute_end, ended, reason)
SELECT uuid, user_id, 0, 'cookie', :policy, 0, address, :agent, 0, 0,
    jti, :kid, :client, datetime(issued, 'unixepoch'), datetime(issued + 604800, 'unixepoch'),
    datetime(issued, 'unixepoch'), datetime(issued, 'unixepoch'), datetime(issued + 2592000, 'unixepoch'),
    CASE WHEN logged_out THEN datetime(issued + 3600, 'unixepoch') END,
    CASE WHEN logged_out THEN 'logged out' ELSE '' END
FROM numbers;
"""
STOCK = """
INSERT INTO auth_user
    (id, username, email, first_name, last_name, password, is_superuser, is_staff, is_active, date_joined)
SELECT :base + n, 'filled' || n || '@example.com', 'filled' || n || '@example.com', 'Filled ' || n, '',
    first.password, first.is_superuser, first.is_staff, first.is_active, datetime(:now, 'unixepoch')
FROM numbers, (SELECT * FROM auth_user ORDER BY id LIMIT 1) AS first WHERE n < :users;
"""
TOKENS = """
INSERT INTO token_blacklist_outstandingtoken (id, user_id, jti, token, created_at, expires_at)
SELECT :base + n, user_id, jti, :token || uuid || uuid,
    datetime(issued, 'unixepoch'), datetime(issued + 604800, 'unixepoch')
FROM numbers;
INSERT INTO token_blacklist_blacklistedtoken (id, token_id, blacklisted_at)
SELECT :base + n, :base + n, datetime(issued + 3600, 'unixepoch') FROM numbers WHERE logged_out;
"""


def main(words: list[str]) -> None:
    """Adds the rows, and in a second process the sessions. Takes the first number and the one after the last."""
    django.setup()
    first, last = map(int, words)
    lines, same = sessions(first, last)
    connection.close()
    writer = multiprocessing.get_context("fork").Process(target=fill_store, args=(lines, same))
    writer.start()
    fill_database(first, last)
    writer.join()
    if writer.exitcode:
        sys.exit("The sessions could not be added.")


def fill_database(first: int, last: int) -> None:
    """Adds the rows in one transaction. Raises `IntegrityError` for numbers that were added before."""
    ours = apps.is_installed("sessions_demo")
    values = {"first": first, "last": last, "base": BASE, "users": USERS, "agent": USER_AGENT, "families": ours}
    values |= {"now": int(time.time()), "client": hashlib.sha256(USER_AGENT.encode()).hexdigest()}
    values |= _values_of_ours() if ours else _values_of_stock()
    with _bulk() as database:
        database.execute(NUMBERS, values)
        for statement in [*(OURS if ours else STOCK).split(";\n"), *TOKENS.split(";\n")]:
            if statement.strip():
                database.execute(statement, values)
        # Without this, the next login would take the key of a number that is still to be added.
        database.execute("UPDATE sqlite_sequence SET seq = max(seq, ?)", [BEYOND])


def _values_of_ours() -> dict[str, Any]:
    from jwt_demo.models import Policy
    from jwt_demo.tokens import RefreshToken
    from security.users import fingerprints_of

    return {
        "guarded": json.dumps(fingerprints_of(first_user())),
        "policy": json.dumps(asdict(Policy.default())),
        "kid": RefreshToken().token_backend.ring.active.kid,
        "token": "sha256:",
    }


def _values_of_stock() -> dict[str, Any]:
    from rest_framework_simplejwt.tokens import RefreshToken

    token = RefreshToken()
    token["user_id"] = str(BASE)
    # Each row adds 64 characters: the token is invalid, but as long as a valid one.
    return {"token": str(token)[:-64]}


def first_user() -> Any:
    """The user whose password and role the added users have."""
    return auth.get_user_model()._default_manager.order_by("pk")[:1].get()


@contextmanager
def _bulk() -> Iterator[sqlite3.Connection]:
    """A transaction without a journal, which does not wait for the disk. A failure inside destroys the database."""
    connection.close()
    connection.ensure_connection()
    database: sqlite3.Connection = connection.connection
    for pragma in PRAGMAS:
        database.execute(f"PRAGMA {pragma}")
    database.execute("BEGIN EXCLUSIVE")
    # An index that is made at the end is sorted once. Updating it for each row would be most of the work.
    indexes = database.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in indexes:
        database.execute(f'DROP INDEX "{name}"')
    yield database
    for _, statement in indexes:
        database.execute(statement)
    database.execute("COMMIT")
    database.execute("PRAGMA journal_mode = WAL")
    connection.close()


def sessions(first: int, last: int) -> tuple[Iterator[str], bytes]:
    """The live sessions as lines for `WRITE`, and the value of the lines that have none."""
    live = (number for number in range(first, last) if number % 100 not in (RUN_OUT, ENDED))
    return _sessions_of_ours(live) if apps.is_installed("sessions_demo") else _sessions_of_stock(live)


def fill_store(lines: Iterator[str], same: bytes) -> None:
    """Writes the sessions to the store, in batches."""
    write = get_redis_connection(settings.SESSION_CACHE_ALIAS).register_script(WRITE)
    while batch := "".join(islice(lines, BATCH)):
        write([], [LIFETIME, batch, same])


def session_key(number: int) -> str:
    """The session id of this number, which its cookie would contain."""
    return f"filled{number:026d}"


def _sessions_of_ours(numbers: Iterator[int]) -> tuple[Iterator[str], bytes]:
    """Keys and records, as `sessions_demo.lifecycle` makes them at a login."""
    from sessions_demo.record import short_hex, short_uuid
    from sessions_demo.store import PREFIX

    backend: Any = caches[settings.SESSION_CACHE_ALIAS]
    hash_of = _session_hashes()
    short_hash = cache(lambda user: short_hex(hash_of(user)))
    prefix, record = backend.make_key(PREFIX), _record_of_ours(str(first_user().pk), hash_of(BASE), _device(0))

    def line(number: int) -> str:
        user = BASE + number % USERS
        value = record % {"user": user, "hash": short_hash(user), "device": short_uuid(_device(number))}
        return f"{prefix}{hashlib.sha256(session_key(number).encode()).hexdigest()}\t{value}\n"

    return map(line, numbers), b""


def _record_of_ours(user: str, session_hash: str, device: str) -> str:
    """The record of such a login, with placeholders for what differs between logins."""
    from security.users import role_of
    from sessions_demo import record

    now = int(time.time())
    login = {
        auth.SESSION_KEY: user,
        auth.BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
        auth.HASH_SESSION_KEY: session_hash,
        record.ROLE: role_of(first_user()),
        record.TOKEN_VERSION: 0,
        record.DEVICE: device,
        record.REMEMBER: False,
        record.SEEN: now,
        record.REAUTHENTICATED: now,
        record.ABSOLUTE_END: now + 24 * 3600,
        record.IDLE_END: now + LIFETIME,
    }
    backend: Any = caches[settings.SESSION_CACHE_ALIAS]
    kept: str = backend.client.encode(record.short(login)).decode()
    own = {"user": user, "hash": record.short_hex(session_hash), "device": record.short_uuid(device)}
    for name, value in own.items():
        kept = kept.replace(f'"{value}"', f'"%({name})s"')
    return kept


def _session_hashes() -> Callable[[int], str]:
    from security.users import Access, session_hash

    row: Any = auth.get_user_model()()
    row._access = Access()

    @cache
    def hash_of(user: int) -> str:
        row.pk = user
        return session_hash(row)

    return hash_of


def _device(number: int) -> str:
    """The primary key of the session's row, as `NUMBERS` computes it."""
    rest = f"{number:024x}"
    return f"{number * 2654435761 % 4294967296:08x}-{rest[:4]}-{rest[4:8]}-{rest[8:12]}-{rest[12:]}"


def _sessions_of_stock(numbers: Iterator[int]) -> tuple[Iterator[str], bytes]:
    """Keys, and the one record of all of them: a login of the first user, as Django's `login` makes it."""
    from django.contrib.sessions.backends.cache import KEY_PREFIX

    backend: Any = caches[settings.SESSION_CACHE_ALIAS]
    user = first_user()
    record = {
        auth.SESSION_KEY: str(user.pk),
        auth.BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
        auth.HASH_SESSION_KEY: user.get_session_auth_hash(),
        "role": "member",
    }
    prefix = backend.make_key(KEY_PREFIX)
    return (f"{prefix}{session_key(number)}\t\n" for number in numbers), backend.client.encode(record)


if __name__ == "__main__":
    main(sys.argv[1:])
