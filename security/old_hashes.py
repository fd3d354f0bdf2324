"""PBKDF2 hashes, which users of an earlier Django project may have, bare or wrapped in Argon2id.

Gives `make_up_for`, so that the time of an answer does not show which users have one; `bare` and `wrap`, for the
command. Other old hashes (scrypt, Argon2 with other costs) are replaced at the next login too, but the time shows them.
"""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.hashers import get_hashers, make_password
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Left, StrIndex, Substr

from security.hashers import Argon2id, Argon2idOverPBKDF2, Argon2idOverPBKDF2SHA1, normal_form
from security.hashing import compute
from security.outages import DATABASE_OUTAGES
from security.users import active_users, store_hash, stored_users

# The keys are the algorithms of the old hashes.
WRAPPERS = {wrapper.inner.algorithm: wrapper for wrapper in (Argon2idOverPBKDF2(), Argon2idOverPBKDF2SHA1())}
BARE = Q(*[("password__startswith", f"{name}$") for name in WRAPPERS], _connector=Q.OR)
WRAPPED = Q(*[("password__startswith", f"{wrapper.algorithm}$") for wrapper in WRAPPERS.values()], _connector=Q.OR)
# Seconds between two queries. Each one reads the complete table of users.
ASK_EVERY = 60
# Iterations. Django uses about a million. A hash that says many more is corrupt: every refused login would have to take
# as long as a check of it.
MOST = 10_000_000
BATCH = 500


@dataclass
class Asked:
    """The most iterations of any hash in use, by algorithm, and when the database was asked (monotonic clock)."""

    work: dict[str, int]
    at: float


ASKED: Asked | None = None


def make_up_for(password: str, encoded: str, most_work: dict[str, int]) -> None:
    """Pads a failed check of `password` against `encoded` to the work of the longest check.

    So a refused login takes the same work for an unknown user and for one with a hash by Argon2id, by PBKDF2 or
    wrapped. It is one Argon2id hash, or two for a password that is not in normal form, and, while there are PBKDF2
    hashes, as many iterations as the largest one has. `most_work` is the result of `work`. Call it in the `turn` of the
    check: a second wait would show which case it was.
    """
    name, _, rest = encoded.partition("$")
    hashes = 1 if normal_form(password) == password else 2
    # The check of a wrapped hash has computed one Argon2id hash. For an unusable hash Django itself computes one.
    computed = hashes if name == Argon2id.algorithm else int(name not in WRAPPERS)
    for _ in range(hashes - computed):
        compute(make_password, password)
    iterations = rest.partition("$")[0]
    own = {name.removeprefix("argon2_"): int(iterations) if iterations.isdecimal() else 0}
    for algorithm, most in most_work.items():
        if (missing := most - own.get(algorithm, 0)) > 0:
            compute(WRAPPERS[algorithm].inner.encode, password, "salt", missing)


def work() -> dict[str, int]:
    """The most iterations in use, by algorithm; {} if no user who can log in has a PBKDF2 hash."""
    global ASKED
    if ASKED is None or time.monotonic() - ASKED.at >= ASK_EVERY:
        try:
            found = _most_iterations()
        except DATABASE_OUTAGES:
            # If the table is too large to be read in time, refused logins must still be answered.
            found = ASKED.work if ASKED else {}
        ASKED = Asked(found, time.monotonic())
    return ASKED.work


def _most_iterations() -> dict[str, int]:
    first = StrIndex("password", Value("$"))
    second = StrIndex(Substr("password", first + 1), Value("$"))
    # Algorithm and number of iterations, without the salt: the result is a few rows, however many users there are.
    heads = active_users().filter(BARE | WRAPPED).annotate(head=Left("password", first + second))
    most: dict[str, int] = {}
    for head in heads.values_list("head", flat=True).distinct():
        name, _, rest = head.partition("$")
        iterations = rest.partition("$")[0]
        if iterations.isdecimal() and int(iterations) <= MOST:
            algorithm = name.removeprefix("argon2_")
            most[algorithm] = max(most.get(algorithm, 0), int(iterations))
    return most


def bare() -> QuerySet[Any]:
    """The users with a PBKDF2 hash that is not wrapped."""
    return stored_users().filter(BARE)


def can_be_read() -> bool:
    """Whether `PASSWORD_HASHERS` has the hashers for wrapped hashes. Without them no user with one could log in."""
    return {wrapper.algorithm for wrapper in WRAPPERS.values()} <= {hasher.algorithm for hasher in get_hashers()}


def wrap() -> Counter[str]:
    """Wraps every bare hash. Returns how many were `wrapped`, `changed` meanwhile, or `left`: unreadable or too long.

    It can be interrupted and run again at any time. No session or token ends, because the passwords are the same.
    """
    done: Counter[str] = Counter(wrapped=0, changed=0, left=0)
    rest = bare().order_by("pk").values_list("pk", "password")
    rows = list(rest[:BATCH])
    while rows:
        for pk, encoded in rows:
            done[_wrap(pk, encoded)] += 1
        rows = list(rest.filter(pk__gt=rows[-1][0])[:BATCH])
    return done


def _wrap(pk: Any, encoded: str) -> str:
    try:
        wrapped = WRAPPERS[encoded.partition("$")[0]].wrap(encoded)
    except ValueError:
        return "left"
    # Replaces only the hash that was read: the user may have logged in, or set a new password, meanwhile.
    return "wrapped" if store_hash(pk, encoded, wrapped) else "changed"
