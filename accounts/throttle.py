"""How many failures are allowed, and from where.

Needs a Redis cache named `default`. Gives `login_limits`, `mail_limits` and `attempt`.

An attempt is counted before the password is looked at and taken back when it was right, so that a
hundred guesses sent at once are a hundred failures and not one. Refused attempts are not counted:
whoever waits as told gets in.
"""

import hashlib
import secrets
from dataclasses import dataclass
from math import ceil

from django.conf import settings
from django.utils import timezone
from django_redis import get_redis_connection

from accounts.client import Client
from accounts.email import normalise

# One script is one command: no other attempt comes between looking and counting.
COUNT = """
local wait = 0
for i, key in ipairs(KEYS) do
    local most, window = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
    redis.call('ZREMRANGEBYSCORE', key, '-inf', ARGV[1] - window)
    if redis.call('ZCARD', key) >= most then
        local oldest = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
        wait = math.max(wait, oldest + window - ARGV[1])
    end
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
    redis.call('ZADD', key, ARGV[1], ARGV[2])
    redis.call('PEXPIRE', key, ARGV[2 * i + 2])
end
return 0
"""
FORGIVE = "for _, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[1]) end"


class Throttled(Exception):
    """Too many failures. `retry_after` is in whole seconds, at least 1."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"throttled for {retry_after} s")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Limit:
    """At most `most` failures under `key` in any `seconds`."""

    key: str
    most: int
    seconds: int


def login_limits(email: str, client: Client, client_is_known: bool) -> list[Limit]:
    """The limits on one attempt to prove a password.

    The first stops guessing one account from one place, the second trying one password on every
    account, the third a guess from everywhere at once. The third leaves out clients the user has
    logged in from: otherwise anyone could lock an owner out by failing on purpose.
    """
    account = _digest(email)
    limits = [
        Limit(f"throttle:login:{account}:{client.network}", *settings.THROTTLE_ACCOUNT_AND_ADDRESS),
        Limit(f"throttle:login::{client.network}", *settings.THROTTLE_ADDRESS),
    ]
    if not client_is_known:
        limits.append(Limit(f"throttle:login:{account}:", *settings.THROTTLE_ACCOUNT_FROM_UNKNOWN_CLIENTS))
    return limits


def mail_limits(kind: str, email: str, client: Client) -> list[Limit]:
    """The limits on having a mail sent: a mailbox must not be flooded through us.

    Each `kind` has its own: or whoever registers an owner's address often enough keeps her from resetting her password.
    """
    return [
        Limit(f"throttle:mail:{kind}:{_digest(email)}:", *settings.THROTTLE_MAIL_TO_ADDRESSEE),
        Limit(f"throttle:mail:{kind}::{client.network}", *settings.THROTTLE_MAIL_FROM_ADDRESS),
    ]


@dataclass(frozen=True)
class Attempt:
    """One counted attempt."""

    keys: list[str]
    member: str

    def forgive(self) -> None:
        """Takes the attempt back: it was no failure."""
        get_redis_connection("default").eval(FORGIVE, len(self.keys), *self.keys, self.member)


def attempt(limits: list[Limit]) -> Attempt:
    """Counts one attempt under every limit, or under none and raises `Throttled`.

    Raises redis-py's errors when the store is away: a throttle that is open then is an invitation.
    """
    keys, member = [limit.key for limit in limits], secrets.token_hex(8)
    windows = [number for limit in limits for number in (limit.most, limit.seconds * 1000)]
    now = int(timezone.now().timestamp() * 1000)
    wait = get_redis_connection("default").eval(COUNT, len(keys), *keys, now, member, *windows)
    if wait:
        raise Throttled(ceil(int(wait) / 1000))
    return Attempt(keys, member)


def _digest(email: str) -> str:
    return hashlib.sha256(normalise(email).encode()).hexdigest()[:32]
