"""How the database finds what each statement of housekeeping asks for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

ASKED = ("SELECT", "UPDATE", "DELETE")
# Tasks that only the demo has.
LEFT_OUT = {"lab"}


def whole_tables_read() -> dict[str, list[str]]:
    """The statements, by task, that read a whole table although they ask for few rows; an empty list for none."""
    from security.housekeeping import TASKS

    found: dict[str, list[str]] = {}
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                # PostgreSQL reads a small table whole, whatever indexes it has.
                cursor.execute("SET LOCAL enable_seqscan = off")
        for name in TASKS.keys() - LEFT_OUT:
            work_for_all()
            found[name] = []
            with explained(found[name]) as statements:
                TASKS[name].run()
            assert statements or name == "keys", name
        transaction.set_rollback(True)
    return found


@contextmanager
def explained(found: list[str]) -> Iterator[list[str]]:
    """Records each statement in the block, and adds to `found` those that use no index."""
    statements: list[str] = []
    word, sign = ("EXPLAIN", "Seq Scan") if connection.vendor == "postgresql" else ("EXPLAIN QUERY PLAN", "SCAN ")

    def execute(run: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(ASKED):
            statements.append(sql)
            with connection.cursor() as cursor:
                cursor.execute(f"{word} {sql}", params)
                found.extend(sql for line in cursor.fetchall() if sign in str(line[-1]))
        return run(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield statements


def work_for_all() -> None:
    """Makes rows for each task to find: expired rows, rows that ended long ago, and rows that are due."""
    from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

    from accounts.models import OutgoingMail, User
    from jwt_demo import lifecycle
    from jwt_demo.models import TokenFamily
    from security.client import Client
    from security.models import PendingRevocation
    from security.users import user_key
    from sessions_demo.models import DeviceSession

    user, now = User.objects.earliest("pk"), timezone.now()
    past, moments = now - timedelta(days=100), ("started", "last_seen", "idle_end", "absolute_end")
    for index, ended in enumerate((None, past)):
        fields = dict.fromkeys(moments, past) | {"user": user, "remember": False, "token_version": 0, "ended": ended}
        DeviceSession.objects.create(digest=f"{now.timestamp()}{index}", **fields)
        family = lifecycle.start(user, Client()).family
        TokenFamily.objects.filter(pk=family.pk).update(expires=past, ended=ended)
        outstanding = OutstandingToken.objects.get(jti=family.jti)
        OutstandingToken.objects.filter(pk=outstanding.pk).update(expires_at=past)
        BlacklistedToken.objects.get_or_create(token=outstanding)
    PendingRevocation.objects.create(user_key=user_key(user.pk), token_version=1, reason="test", due=past)
    OutgoingMail.objects.create(kind="password_reset", to=user.email, due=past)
