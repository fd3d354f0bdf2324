"""How many failures are allowed, and from where.

Needs the Redis cache that `THROTTLE_CACHE_ALIAS` names. Gives `login_limits` with `begin`, and `mail_limits` with
`attempt`.

An attempt to prove a password is under way until it is settled. While one is, it takes the place of a
failure, so that of a hundred guesses sent at once no more are hashed than the limit allows; but nothing is
refused on its account, because it may turn out right. An attempt that finds the places taken by others under way waits
until some are settled. Exactly this holds:

- Failures and attempts under way together never exceed a limit. So in any window no more wrong passwords are
  hashed than the limit says, however many come at once.
- The full `Retry-After` is given only when failures alone have reached a limit. Right passwords never add to
  them while they are under way, nor afterwards if the store answers when they are settled.
- An attempt that has begun is not refused any more. One that waits is refused if failures reach the limit
  meanwhile, as an attempt that begins a moment later would be.
- Refused attempts are not counted: a client that waits for `Retry-After` gets in.

An attempt whose process died is a failure once `LEASE` is over: it may have been a guess.
"""

import hashlib
import random
import secrets
import time
from dataclasses import dataclass
from math import ceil
from typing import Any

from django.core.exceptions import PermissionDenied
from django.utils import timezone
from django_redis import get_redis_connection

from security.client import Client
from security.conf import conf
from security.users import normal_identifier
from security.waits import WAITS

# Seconds. Above the time a hash takes on a busy machine, and the half minute by which clocks of two machines may
# differ: a right password that seems to take longer counts as a failure until it is settled.
LEASE = 45
# Seconds an attempt waits for others to be settled.
PATIENCE = 5
# Seconds between two looks; each waiting attempt takes its own, so that they do not all look at once.
LOOK_AGAIN = (0.025, 0.05)

# Two sorted sets for each limit, failures and attempts under way, by when each began. One script is one
# command: no other attempt comes between looking and counting. It answers with milliseconds to wait, 0 for an
# attempt that was noted, or BUSY.
BUSY = -1
BEGIN = """
local now, member, lease, noted = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local wait, busy = 0, false
for i = 1, #KEYS, 2 do
    local failed, open = KEYS[i], KEYS[i + 1]
    local most, window = tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5])
    local died = redis.call('ZRANGEBYSCORE', open, '-inf', now - lease, 'WITHSCORES')
    for j = 1, #died, 2 do
        redis.call('ZADD', failed, died[j + 1], died[j])
        redis.call('PEXPIRE', failed, window)
    end
    redis.call('ZREMRANGEBYSCORE', open, '-inf', now - lease)
    redis.call('ZREMRANGEBYSCORE', failed, '-inf', now - window)
    local failures = redis.call('ZCARD', failed)
    if failures >= most then
        wait = math.max(wait, redis.call('ZRANGE', failed, 0, 0, 'WITHSCORES')[2] + window - now)
    elseif failures + redis.call('ZCARD', open) >= most then
        busy = true
    end
end
if wait > 0 then return wait end
if busy then return -1 end
for i = 1, #KEYS, 2 do
    redis.call('ZADD', KEYS[i + noted], now, member)
    redis.call('PEXPIRE', KEYS[i + noted], ARGV[i + 5])
end
return 0
"""
SETTLE = """
local began, member, failed = ARGV[1], ARGV[2], ARGV[3] == '1'
for i = 1, #KEYS, 2 do
    redis.call('ZREM', KEYS[i], member)
    redis.call('ZREM', KEYS[i + 1], member)
    if failed then
        redis.call('ZADD', KEYS[i], began, member)
        redis.call('PEXPIRE', KEYS[i], ARGV[(i + 1) / 2 + 3])
    end
end
"""
FAILED, OPEN = 0, 1


class Throttled(PermissionDenied):
    """Too many failures. `retry_after` is in whole seconds, at least 1.

    Django asks no later backend after a `PermissionDenied`.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"throttled for {retry_after} s")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Limit:
    """At most `most` failures under `key` in any `seconds`."""

    key: str
    most: int
    seconds: int


def login_limits(identifier: str, client: Client, client_is_known: bool) -> list[Limit]:
    """The limits on one attempt to prove a password.

    The first stops guessing one account from one place, the second trying one password on every
    account, the third a guess from everywhere at once. The third leaves out clients the user has
    logged in from: otherwise anyone could lock an owner out by failing on purpose.

    A client whose address cannot be read has none of the second kind, and in the first its user agent stands
    for its place: under one address for all such clients, strangers would lock out every user. An attacker
    without a readable address gains that one password may be tried on any number of accounts, and that a new
    user agent is a new place. Each account still has the third limit; under a user agent its owner has logged
    in with, the first.
    """
    account, place = _digest(identifier), client.network or f"agent:{client.user_agent_hash[:32]}"
    limits = [Limit(f"throttle:login:{account}:{place}", *conf.THROTTLE_ACCOUNT_AND_ADDRESS)]
    if client.network:
        limits.append(Limit(f"throttle:login::{client.network}", *conf.THROTTLE_ADDRESS))
    if not client_is_known:
        limits.append(Limit(f"throttle:login:{account}:", *conf.THROTTLE_ACCOUNT_FROM_UNKNOWN_CLIENTS))
    return limits


def mail_limits(kind: str, email: str, client: Client) -> list[Limit]:
    """The limits on having a mail sent: a mailbox must not be flooded through this site.

    Each `kind` has its own: otherwise a stranger who registers an owner's address often keeps the owner from a reset.
    A client whose address cannot be read is held by the mailbox's limit alone: it can have mail sent to more mailboxes.
    """
    limits = [Limit(f"throttle:mail:{kind}:{_digest(email)}:", *conf.THROTTLE_MAIL_TO_ADDRESSEE)]
    if client.network:
        limits.append(Limit(f"throttle:mail:{kind}::{client.network}", *conf.THROTTLE_MAIL_FROM_ADDRESS))
    return limits


@dataclass(frozen=True)
class Attempt:
    """One attempt under way. `began` is in milliseconds since 1970."""

    limits: list[Limit]
    member: str
    began: int

    def settle(self, failed: bool) -> None:
        """Makes it a failure of the time it began, or takes it back. Raises redis-py's errors."""
        windows = [limit.seconds * 1000 for limit in self.limits]
        _run(SETTLE, self.limits, self.began, self.member, int(failed), *windows)


def begin(limits: list[Limit]) -> Attempt:
    """Begins one attempt under every limit, or under none and raises `Throttled`. The caller must settle it.

    Waits up to `PATIENCE` seconds for others to be settled, so hold no transaction and no lock. Raises `Busy` when too
    many wait already, and redis-py's errors when the store is away: with an open throttle an attacker could guess
    without a limit.
    """
    member = secrets.token_hex(8)
    if not (began := _noted(OPEN, limits, member)):
        with WAITS.one_more():
            began = _noted_in_time(limits, member)
    return Attempt(limits, member, began)


def _noted_in_time(limits: list[Limit], member: str) -> int:
    end = time.monotonic() + PATIENCE
    while not (began := _noted(OPEN, limits, member)):
        if time.monotonic() > end:
            raise Throttled(1)
        time.sleep(random.uniform(*LOOK_AGAIN))  # noqa: S311
    return began


def attempt(limits: list[Limit]) -> None:
    """Counts what needs no proof, such as asking for a mail. Raises as `begin` does, and never waits."""
    if not _noted(FAILED, limits, secrets.token_hex(8)):
        raise Throttled(1)


def _noted(place: int, limits: list[Limit], member: str) -> int:
    """When an attempt was noted, in milliseconds; 0 if others under way take all the room. Raises `Throttled`."""
    now = int(timezone.now().timestamp() * 1000)
    numbers = [number for limit in limits for number in (limit.most, limit.seconds * 1000)]
    wait = int(_run(BEGIN, limits, now, member, LEASE * 1000, place, *numbers))
    if wait > 0:
        raise Throttled(ceil(wait / 1000))
    return 0 if wait == BUSY else now


def _run(script: str, limits: list[Limit], *arguments: int | str) -> Any:
    keys = [key for limit in limits for key in (limit.key, f"{limit.key}:open")]
    return get_redis_connection(conf.THROTTLE_CACHE_ALIAS).eval(script, len(keys), *keys, *arguments)


def _digest(identifier: str) -> str:
    return hashlib.sha256(normal_identifier(identifier).encode(errors="replace")).hexdigest()[:32]
