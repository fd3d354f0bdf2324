"""Password hashes by PBKDF2, which users of an earlier Django project may have, bare or wrapped in Argon2id.

Gives `make_up_for`, which hides from a stranger which users have one; `bare` and `wrap`, for the command.
Other old hashes (scrypt, Argon2 with other costs) are replaced at the next login like these, and are not hidden.
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

# By the name of the hasher that made the old hash.
WRAPPERS = {wrapper.inner.algorithm: wrapper for wrapper in (Argon2idOverPBKDF2(), Argon2idOverPBKDF2SHA1())}
BARE = Q(*[("password__startswith", f"{name}$") for name in WRAPPERS], _connector=Q.OR)
WRAPPED = Q(*[("password__startswith", f"{wrapper.algorithm}$") for wrapper in WRAPPERS.values()], _connector=Q.OR)
# Seconds. The question reads the complete table of users.
ASK_EVERY = 60
# Iterations. Django has had a million or so; a hash that says many more is none, and would stop every refused login.
MOST = 10_000_000
BATCH = 500


@dataclass
class Asked:
    """The most iterations that a hash in use has, by algorithm, and when that was asked (a monotonic clock)."""

    work: dict[str, int]
    at: float


ASKED: Asked | None = None


def make_up_for(password: str, encoded: str, most_work: dict[str, int]) -> None:
    """Computes what a failed check of `password` against `encoded` lacks of the most work that a check can be.

    So a refused login is the same work for an unknown user and for one with a hash by Argon2id, by PBKDF2 or
    wrapped: one Argon2id hash, or two for a password that is not in normal form; and, while there are such hashes,
    as many iterations of PBKDF2 as the largest one has: `most_work` is what `work` gave. Call it in the `turn` of the
    check: a second wait would show which of the two it was.
    """
    name, _, rest = encoded.partition("$")
    hashes = 1 if normal_form(password) == password else 2
    # For a hash that nothing fits Django itself computes one of Argon2id.
    computed = hashes if name == Argon2id.algorithm else int(name not in WRAPPERS)
    for _ in range(hashes - computed):
        compute(make_password, password)
    iterations = rest.partition("$")[0]
    own = {name.removeprefix("argon2_"): int(iterations) if iterations.isdecimal() else 0}
    for algorithm, most in most_work.items():
        if (missing := most - own.get(algorithm, 0)) > 0:
            compute(WRAPPERS[algorithm].inner.encode, password, "salt", missing)


def work() -> dict[str, int]:
    """The most iterations in use, by algorithm; {} when no user who can log in has such a hash."""
    global ASKED
    if ASKED is None or time.monotonic() - ASKED.at >= ASK_EVERY:
        try:
            found = _most_iterations()
        except DATABASE_OUTAGES:
            # A table too large to be read in time must not make each refused login an error.
            found = ASKED.work if ASKED else {}
        ASKED = Asked(found, time.monotonic())
    return ASKED.work


def _most_iterations() -> dict[str, int]:
    first = StrIndex("password", Value("$"))
    second = StrIndex(Substr("password", first + 1), Value("$"))
    # Algorithm and number of iterations, without the salt: a handful of rows, however many users there are.
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
    """The users whose hash is not wrapped."""
    return stored_users().filter(BARE)


def can_be_read() -> bool:
    """Whether `PASSWORD_HASHERS` names what reads a wrapped hash: without it no user with one could log in."""
    return {wrapper.algorithm for wrapper in WRAPPERS.values()} <= {hasher.algorithm for hasher in get_hashers()}


def wrap() -> Counter[str]:
    """Wraps every bare hash; how many were wrapped, changed meanwhile, or left because they cannot be read.

    It can be ended and begun again at any time, and ends no session and no token: the passwords are the same.
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
    # Only over the hash that was read: the user may have logged in, or set a new password, meanwhile.
    return "wrapped" if store_hash(pk, encoded, wrapped) else "changed"
