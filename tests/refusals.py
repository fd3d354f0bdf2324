"""How long a refused login takes, by the kind of account: `python -m tests.refusals`.

Prints the median processor time of each kind as a ratio to that of an unknown user. The kinds take turns, so that what
else the machine does falls on all of them. With old hashes in use, after they are wrapped, and after they are gone.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import django

TURNS = int(sys.argv[1]) if len(sys.argv) > 1 else 30


def measured(kinds: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """The median processor time of each kind, in seconds."""
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(TURNS):
        for kind, refuse in kinds.items():
            started = time.process_time()
            refuse()
            times[kind].append(time.process_time() - started)
    return {kind: statistics.median(taken) for kind, taken in times.items()}


def report(step: str) -> None:
    """Measures every user and an unknown one, and prints the results."""
    from accounts.models import User
    from security import old_hashes
    from security.backends import _password_fits

    old_hashes.ASKED = None
    users = {user.name: user for user in User.objects.order_by("pk")} | {"unknown": None}
    medians = measured({name: lambda user=user: _password_fits(user, "wrong") for name, user in users.items()})
    print(f"{step} ({TURNS} turns): unknown {medians['unknown'] * 1000:.0f} ms")
    for name, median in medians.items():
        print(f"  {name:20} {median / medians['unknown']:.3f}")


def main() -> None:
    from django.contrib.auth.hashers import make_password
    from django.db.models import QuerySet

    from accounts.models import User
    from security import old_hashes
    from security.users import store_hash

    for name, hasher in {"argon2id": "default", "pbkdf2": "pbkdf2_sha256", "wrapped": "pbkdf2_sha256"}.items():
        user = User.objects.create_user(f"{name}@example.com", name=name)
        store_hash(user.pk, user.password, make_password("right", hasher=hasher))
    wrapped = User.objects.get(name="wrapped")
    old_hashes._wrap(wrapped.pk, wrapped.password)
    report("old hashes in use")
    old_hashes.wrap()
    report("all of them wrapped")
    QuerySet(User).exclude(name="argon2id").update(password="!")
    report("none left")


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    from django.test.runner import DiscoverRunner

    databases = DiscoverRunner(verbosity=0).setup_databases()
    main()
