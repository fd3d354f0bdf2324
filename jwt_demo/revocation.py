"""Whether an access token that is signed and not expired still counts: three checks, and what each costs.

    check       looked up           a revoked token still works      without its store
    expiry      nothing             until it expires: up to 15 min     works
    denylist    Redis, one MGET     not at all                         503; takes no writes: the database is asked
    version     one SQL statement   not at all; a device that was      503
                                    logged out: until it expires

The denylist is in Redis and can be lost with it, so it can always be written again from the database: families
that ended, and revocations of the last 15 minutes. A marker stands beside the entries, as a
lease that housekeeping renews after it has written what is new. Without the lease no token passes before the
list is complete again. While Redis takes no writes, the database is asked instead.
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
# Stands as long as Redis has lost nothing, lease or no lease.
UNBROKEN = "denylist:unbroken"
# Never set: a write that is tried on it shows whether the store takes writes.
NEVER_SET = "denylist:never_set"
# Clocks of two machines differ, and a transaction may commit after others have read; an entry too many
# costs nothing.
SKEW = timedelta(seconds=60)
# The lowest version only rises: of two revocations, the earlier may be carried out last.
RAISE = """
if tonumber(redis.call('GET', KEYS[1]) or '0') <= tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
"""


class Check(Protocol):
    """One way to find out whether a token still counts."""

    def allows(self, token: AccessToken) -> bool:
        """Whether the token still counts. Raises the store's error when it is away."""


class Expiry:
    """Looks nothing up and needs no store. A revoked token works until it expires, up to `ACCESS_TOKEN_LIFETIME`."""

    def allows(self, token: AccessToken) -> bool:
        return True


class Denylist:
    """One MGET: this token, its family, its user's lowest version. No times are compared, so a revocation
    in the second of the issue counts, and a login right after it works. Redis away: 503. Redis takes no
    writes (a replica, full): one SQL statement more, from when the lease of the list has run out."""

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
    """One SQL statement: the user is active and at the token's version. Nothing to lose, nothing to rebuild."""

    def allows(self, token: AccessToken) -> bool:
        return current_users(token.user_pk, token["ver"]).exists()


def _stands(token: AccessToken) -> bool:
    """The answer of the list, from the rows it is made of."""
    pk, event = token.user_pk, SecurityEvent
    family = TokenFamily.objects.filter(pk=token["sid"], ended__isnull=False).exclude(reason="expired")
    alone = event.objects.filter(name=event.Name.TOKEN_REVOKED, user_key=user_key(pk), detail__jti=token["jti"])
    return current_users(pk, token["ver"]).filter(~Exists(family), ~Exists(alone)).exists()


CHECKS: dict[str, Check] = {"expiry": Expiry(), "denylist": Denylist(), "version": Version()}


def is_asked_by_default() -> bool:
    """Whether a token is looked up. Then the policy of one login may say that its tokens are only to expire.

    Otherwise that is the policy of every login, and a view that asks the denylist asks about those.
    """
    return bool(conf.JWT_REVOCATION != "expiry")


def deny_token(key: str, jti: str, redis: Redis | None = None) -> None:
    """No view that asks the denylist lets this access token in any more."""
    _or_default(redis).set(_name(key, "jti", jti), 1, ex=_lasts())


def deny_family(key: str, family: object, redis: Redis | None = None) -> None:
    """Likewise for every access token of this family."""
    _or_default(redis).set(_name(key, "sid", family), 1, ex=_lasts())


def deny_before(key: str, token_version: int, redis: Redis | None = None) -> None:
    """Likewise for every access token of this user from before the `token_version`."""
    _or_default(redis).eval(RAISE, 1, _name(key, "ver"), str(token_version), str(_lasts()))


def deny_families(families: Iterable[tuple[str, object]]) -> None:
    """Likewise for many families, pairs of user and family, in one round trip; none asks Redis nothing."""
    pipe = _redis().pipeline(transaction=False)
    for key, family in families:
        deny_family(key, family, pipe)
    if len(pipe):
        pipe.execute()


def sync_denylist(since: datetime, renew: bool = False) -> None:
    """Writes to Redis what was revoked since then, as the database knows it, and sets the marker of a complete list.

    With `renew`, it renews that marker only if it still stands: a list that was lost meanwhile does not become
    complete by this.
    """
    since -= SKEW
    pipe = _redis().pipeline()
    # A family that expired got its last access token at least the lifetime of one before.
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
    # First, or each request to a store that takes no writes would read all that the database knows.
    _redis().set(NEVER_SET, 1, xx=True)
    try:
        sync_denylist(timezone.now() - timedelta(seconds=access_lifetime()))
    except DATABASE_OUTAGES:
        # Without the database nothing can be revoked: the entries in Redis still hold, unless it has lost them.
        if not _redis().exists(UNBROKEN):
            raise
        _redis().set(LEASE, 1, ex=conf.JWT_DENYLIST_LEASE)


def is_complete() -> bool:
    """Whether Redis still holds the list."""
    return bool(_redis().exists(LEASE))


def _lasts() -> int:
    # An access token may be signed a moment after its family ended, by a clock that is ahead.
    return int(access_lifetime() + SKEW.total_seconds())


def evicts() -> str:
    """The policy by which a full Redis would forget entries of the list; "" where it refuses to write instead."""
    memory = _redis().info("memory")
    policy = str(memory["maxmemory_policy"])
    return policy if memory["maxmemory"] and policy != "noeviction" else ""


def _name(key: str, kind: str, value: object = "") -> str:
    # The braces keep one user's keys together, for a project that uses a cluster and gives it a marker on each node.
    return f"{prefix_of(key)}{kind}:{value}"


def prefix_of(key: str) -> str:
    """How all entries about one user begin. It holds a digest, because a key may hold any character, a brace too."""
    return f"deny:{{{hashlib.sha256(key.encode()).hexdigest()[:32]}}}:"


def _redis() -> Redis:
    return get_redis_connection(conf.JWT_DENYLIST_CACHE_ALIAS)


def _or_default(redis: Redis | None) -> Redis:
    return _redis() if redis is None else redis  # an empty pipeline is false
