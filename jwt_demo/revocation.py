"""Whether an access token that has not expired was revoked: three checks, and what each costs.

    check       looked up           a revoked token still works      without its store
    expiry      nothing             until it expires: up to 15 min     works
    denylist    Redis, one MGET     not at all                         503; takes no writes: the database is asked
    version     one SQL statement   not at all; a device that was      503
                                    logged out: until it expires

The denylist is in Redis and can be lost with it. It can always be written again from the database, which has the
families that ended and the revocations of the last 15 minutes. Beside the entries there is a lease, which means that
the list is complete. Housekeeping renews it after it has written what is new. Without the lease, no token passes before
the list is complete again. While Redis takes no writes, the database is asked instead.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from django.db.models import Exists
from django.utils import timezone
from django_redis import get_redis_connection
from redis import Redis

from jwt_demo.conf import access_lifetime, conf
from jwt_demo.models import TokenFamily
from jwt_demo.tokens import AccessToken
from security.models import SecurityEvent
from security.outages import DATABASE_OUTAGES, OUTAGES, refuses
from security.pool import fetch
from security.users import current_users, user_key

LEASE = "denylist:lease"
# Does not expire: while it exists, Redis has lost nothing, even if the lease has run out.
UNBROKEN = "denylist:unbroken"
# Never exists: a conditional write to it shows whether Redis takes writes.
NEVER_SET = "denylist:never_set"
# Added to each time, because the clocks of two machines differ and a transaction may commit after others have read. An
# entry too many does no harm.
SKEW = timedelta(seconds=60)
# The lowest `token_version` must only rise: of two revocations, the earlier may be carried out last.
RAISE = """
if tonumber(redis.call('GET', KEYS[1]) or '0') <= tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
"""


class Check(Protocol):
    """One way to find out whether an access token was revoked."""

    def allows(self, token: AccessToken) -> bool:
        """Whether the token was not revoked. Raises the error of the store when the store is away."""


class Expiry:
    """Looks nothing up and needs no store. A revoked token works until it expires, up to `ACCESS_TOKEN_LIFETIME`."""

    def allows(self, token: AccessToken) -> bool:
        return True


class Denylist:
    """Asks Redis by one MGET for this token, its family, and the lowest `token_version` of its user.

    No times are compared. So a revocation in the same second as the issue counts, and a login right after it works.
    Without Redis, a view answers 503. While Redis takes no writes (a replica, or full), the lease runs out, and then
    each check asks the database instead, by one SQL statement.
    """

    def allows(self, token: AccessToken) -> bool:
        start = prefix_of(user_key(token.user_pk))
        names = [LEASE, f"{start}jti:{token['jti']}", f"{start}sid:{token['sid']}", f"{start}ver:"]
        marker, jti, sid, lowest = fetch(_redis(), "MGET", *names)
        if marker is None:
            try:
                _complete_denylist()
            except OUTAGES as error:
                if not refuses(error):
                    raise
                return _stands(token)
            marker, jti, sid, lowest = fetch(_redis(), "MGET", *names)
        return not jti and not sid and token["ver"] >= int(lowest or 0)


class Version:
    """Asks the database by one SQL statement whether the user is active and has the token's `token_version`."""

    def allows(self, token: AccessToken) -> bool:
        return current_users(token.user_pk, token["ver"]).exists()


def _stands(token: AccessToken) -> bool:
    """What the denylist would answer, from the rows of the database that it is made of."""
    pk, event = token.user_pk, SecurityEvent
    family = TokenFamily.objects.filter(pk=token["sid"], ended__isnull=False).exclude(reason="expired")
    alone = event.objects.filter(name=event.Name.TOKEN_REVOKED, user_key=user_key(pk), detail__jti=token["jti"])
    return current_users(pk, token["ver"]).filter(~Exists(family), ~Exists(alone)).exists()


CHECKS: dict[str, Check] = {"expiry": Expiry(), "denylist": Denylist(), "version": Version()}


def is_asked_by_default() -> bool:
    """Whether access tokens are looked up by default. A family whose policy is "expiry" is then not on the denylist.

    Otherwise "expiry" is the policy of every family. All are put on the denylist, for a view that asks it.
    """
    return bool(conf.JWT_REVOCATION != "expiry")


def deny_token(key: str, jti: str, redis: Redis | None = None) -> None:
    """Puts this access token on the denylist: views that ask the list refuse it."""
    _or_default(redis).set(_name(key, "jti", jti), 1, ex=_lasts())


def deny_family(key: str, family: object, redis: Redis | None = None) -> None:
    """Likewise for every access token of this family."""
    _or_default(redis).set(_name(key, "sid", family), 1, ex=_lasts())


def deny_before(key: str, token_version: int, redis: Redis | None = None) -> None:
    """Likewise for every access token of this user with a lower `token_version`."""
    _or_default(redis).eval(RAISE, 1, _name(key, "ver"), str(token_version), str(_lasts()))


def deny_families(families: Iterable[tuple[str, object]]) -> None:
    """Likewise for many families, given as pairs of user key and family. One round trip; none for no families."""
    pipe = _redis().pipeline(transaction=False)
    for key, family in families:
        deny_family(key, family, pipe)
    if len(pipe):
        pipe.execute()


def sync_denylist(since: datetime, renew: bool = False) -> None:
    """Writes to Redis what the database says was revoked since then, and sets the lease.

    With `renew`, the lease is set only if it still exists: a list that was lost meanwhile is not complete.
    """
    since -= SKEW
    pipe = _redis().pipeline()
    # A family that only expired has no live access token.
    ended = TokenFamily.objects.filter(ended__gte=since).exclude(reason="expired")
    if is_asked_by_default():
        ended = ended.exclude(policy__revocation="expiry")
    for pk, family in ended.values_list("user_id", "pk"):
        deny_family(user_key(pk), family, pipe)
    names = [SecurityEvent.Name.ACCESS_REVOKED, SecurityEvent.Name.TOKEN_REVOKED]
    for event in SecurityEvent.objects.filter(name__in=names, at__gte=since):
        if "token_version" in event.detail:
            deny_before(event.user_key, event.detail["token_version"], pipe)
        elif "jti" in event.detail:
            deny_token(event.user_key, event.detail["jti"], pipe)
    if not renew:
        pipe.set(UNBROKEN, 1)
    pipe.set(LEASE, 1, ex=conf.JWT_DENYLIST_LEASE, xx=renew)
    pipe.execute()


def _complete_denylist() -> None:
    # Raises while Redis takes no writes. Otherwise each request would then read all revocations from the database.
    _redis().set(NEVER_SET, 1, xx=True)
    try:
        sync_denylist(timezone.now() - timedelta(seconds=access_lifetime()))
    except DATABASE_OUTAGES:
        # While the database is away, nothing can be revoked. So the entries are complete, unless Redis has lost them.
        if not _redis().exists(UNBROKEN):
            raise
        _redis().set(LEASE, 1, ex=conf.JWT_DENYLIST_LEASE)


def is_complete() -> bool:
    """Whether Redis still holds the list."""
    return bool(_redis().exists(LEASE))


def _lasts() -> int:
    # A machine whose clock is ahead may sign an access token a moment after the family ended.
    return int(access_lifetime() + SKEW.total_seconds())


def evicts() -> str:
    """The policy by which a full Redis would forget entries of the list; "" where it refuses to write instead."""
    memory = _redis().info("memory")
    policy = str(memory["maxmemory_policy"])
    return policy if memory["maxmemory"] and policy != "noeviction" else ""


def _name(key: str, kind: str, value: object = "") -> str:
    # The braces keep one user's entries on one node of a Redis Cluster. Such a project needs a lease on each node.
    return f"{prefix_of(key)}{kind}:{value}"


def prefix_of(key: str) -> str:
    """How all entries about one user begin. With a digest, because the key may contain any character, even a brace."""
    return f"deny:{{{hashlib.sha256(key.encode()).hexdigest()[:32]}}}:"


def _redis() -> Redis:
    return get_redis_connection(conf.JWT_DENYLIST_CACHE_ALIAS)


def _or_default(redis: Redis | None) -> Redis:
    return _redis() if redis is None else redis  # an empty pipeline is false
