"""Limits on failed logins, and on mails.

Needs the Redis cache that `THROTTLE_CACHE_ALIAS` names. Gives `login_limits` with `begin`, and `mail_limits` with
`attempt`.

An attempt is one check of a password. It is open until it is settled, as a failure or not. An open attempt takes the
place of a failure: of a hundred guesses sent at once no more are hashed than the limit allows. But no attempt is
refused because others are open, since their passwords may be right. If failures and open attempts together have reached
a limit, a new attempt waits until some are settled. Exactly this holds:

- Failures and open attempts together never exceed a limit. So in any window no more wrong passwords are hashed than the
  limit allows, however many come at once.
- The full `Retry-After` is given only when failures alone have reached a limit. A right password is not counted as a
  failure in its first `LEASE` seconds, nor after it is settled, unless the store is away when it is settled.
- An attempt that has begun is not refused any more. An attempt that waits is refused if failures reach the limit
  meanwhile, as a new attempt would be.
- Refused attempts are not counted: a client that waits for `Retry-After` gets in.

If the process of an attempt dies, the attempt is a failure after `LEASE` seconds: it may have been a guess.
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

# Seconds. More than a hash takes on a busy machine, plus the half minute by which the clocks of two machines may
# differ. A right password that seems to take longer counts as a failure until it is settled.
LEASE = 45
# Seconds an attempt waits for others to be settled.
PATIENCE = 5
# Seconds between two tries of a waiting attempt. Each takes a random time, so that they do not all try at once.
LOOK_AGAIN = (0.025, 0.05)

# Each limit has two sorted sets, failures and open attempts, sorted by when each began. Redis runs a script as one
# command: no other attempt comes between the check and the count. It answers with milliseconds to wait, 0 for an
# attempt that was stored, or BUSY.
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
    """The limits on one check of a password.

    The first stops guesses at one account from one address. The second stops one address from trying a password on
    every account. The third stops guesses at one account from everywhere at once. The third does not apply to clients
    the user has logged in from: otherwise anyone could lock the user out by failing on purpose.

    A client whose address cannot be read does not have the second limit, and in the first its user agent replaces the
    address: under one address for all such clients, strangers would lock out every user. So an attacker without a
    readable address can try one password on any number of accounts, and can avoid the first limit with a new user
    agent. Each account still has the third limit, or, under a user agent that its user has logged in with, the first.
    """
    account, place = _digest(identifier), client.network or f"agent:{client.user_agent_hash[:32]}"
    limits = [Limit(f"throttle:login:{account}:{place}", *conf.THROTTLE_ACCOUNT_AND_ADDRESS)]
    if client.network:
        limits.append(Limit(f"throttle:login::{client.network}", *conf.THROTTLE_ADDRESS))
    if not client_is_known:
        limits.append(Limit(f"throttle:login:{account}:", *conf.THROTTLE_ACCOUNT_FROM_UNKNOWN_CLIENTS))
    return limits


def mail_limits(kind: str, email: str, client: Client) -> list[Limit]:
    """The limits on mail: this site must not be used to flood a mailbox.

    Each `kind` of mail has its own. Otherwise a stranger who registers a user's address again and again would keep the
    user from a password reset. A client whose address cannot be read has only the mailbox's limit, so it can have mail
    sent to more mailboxes.
    """
    limits = [Limit(f"throttle:mail:{kind}:{_digest(email)}:", *conf.THROTTLE_MAIL_TO_ADDRESSEE)]
    if client.network:
        limits.append(Limit(f"throttle:mail:{kind}::{client.network}", *conf.THROTTLE_MAIL_FROM_ADDRESS))
    return limits


@dataclass(frozen=True)
class Attempt:
    """One open attempt. `began` is in milliseconds since 1970."""

    limits: list[Limit]
    member: str
    began: int

    def settle(self, failed: bool) -> None:
        """Counts the attempt as a failure at the time it began, or removes it. Raises redis-py's errors."""
        windows = [limit.seconds * 1000 for limit in self.limits]
        _run(SETTLE, self.limits, self.began, self.member, int(failed), *windows)


def begin(limits: list[Limit]) -> Attempt:
    """Begins one attempt under every limit, or under none and raises `Throttled`. The caller must settle it.

    Waits up to `PATIENCE` seconds for others to be settled, so hold no transaction and no lock. Raises `Busy` if too
    many wait already, and redis-py's errors if the store is away. If an outage opened the throttle, an attacker could
    guess without a limit.
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
    """Counts a request that needs no password, such as one for a mail, and never waits.

    Raises `Throttled` and redis-py's errors.
    """
    if not _noted(FAILED, limits, secrets.token_hex(8)):
        raise Throttled(1)


def _noted(place: int, limits: list[Limit], member: str) -> int:
    """Stores an attempt and returns its time in ms, or 0 if open attempts fill a limit. Raises `Throttled`."""
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
