"""What must be true of the configuration before a token is issued."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.checks import Error, register

from jwt_demo import revocation
from jwt_demo.conf import conf
from jwt_demo.models import Policy
from jwt_demo.revocation import CHECKS
from jwt_demo.tokens import ED25519, Key
from security.checks import HOW_TO_MAKE, SECRET_BYTES, has_middleware, in_redis, is_guessable
from security.outages import OUTAGES

RINGS = ("JWT_ACCESS_KEYS", "JWT_REFRESH_KEYS")


@register("jwt")
def configuration(app_configs: Any, **kwargs: Any) -> list[Error]:
    """All of the checks below."""
    return [*_keys(), *_shared(), *_cookie(), *_lifetimes(), *_revocation(), *_eviction(), *_claims(), *_gate()]


def _keys() -> Iterator[Error]:
    for name in RINGS:
        if not getattr(conf, name) or not all(map(_is_good, getattr(conf, name))):
            yield Error(
                f"{name} is missing, or one of its keys is shorter than {SECRET_BYTES} bytes, a placeholder or no "
                "Ed25519 key: an attacker who guesses it can sign a token for every user.",
                hint=HOW_TO_MAKE,
                id="jwt.E001",
            )


def _is_good(secret: str) -> bool:
    try:
        return not is_guessable(secret.removeprefix(ED25519)) and bool(Key.of(secret))
    except ValueError:
        return False


def _shared() -> Iterator[Error]:
    keys = [settings.SECRET_KEY, *(key for name in RINGS for key in getattr(conf, name))]
    # A seed is the same secret with and without its prefix.
    if len({key.removeprefix(ED25519) for key in keys}) < len(keys):
        yield Error(
            "SECRET_KEY, JWT_ACCESS_KEYS and JWT_REFRESH_KEYS share a key: one kind of token would do for the other.",
            id="jwt.E002",
        )


def _cookie() -> Iterator[Error]:
    if not conf.JWT_REFRESH_COOKIE_NAME.startswith("__Host-"):
        yield Error(
            "JWT_REFRESH_COOKIE_NAME must begin with __Host-: otherwise a sibling subdomain can set this cookie.",
            id="jwt.E003",
        )


def _lifetimes() -> Iterator[Error]:
    try:
        for remember in (False, True):
            Policy.default(remember)
    except ValueError as error:
        yield Error(f"The lifetimes JWT_… do not fit together: {error}.", id="jwt.E004")


def _eviction() -> Iterator[Error]:
    alias = conf.JWT_DENYLIST_CACHE_ALIAS
    if not in_redis(alias):
        sentence = f'CACHES["{alias}"] must be a django_redis.cache.RedisCache: what was revoked is kept there.'
        yield Error(sentence, hint="JWT_DENYLIST_CACHE_ALIAS names another.", id="jwt.E007")
        return
    policy = ""
    with suppress(*OUTAGES):  # a command must not need the store to say what else is wrong
        policy = revocation.evicts()
    if policy:
        yield Error(
            f'The store of CACHES["{alias}"] has maxmemory-policy {policy}: when it is full it forgets who was logged '
            "out. It must be noeviction.",
            hint="It is the server that REDIS_URL names." if hasattr(settings, "REDIS_URL") else None,
            id="jwt.E006",
        )


def _revocation() -> Iterator[Error]:
    if conf.JWT_REVOCATION not in CHECKS:
        yield Error(f"JWT_REVOCATION must be one of {', '.join(CHECKS)}.", id="jwt.E005")


def _claims() -> Iterator[Error]:
    for name, claim in (("TOKEN_TYPE_CLAIM", "token_type"), ("JTI_CLAIM", "jti")):
        if getattr(settings, "SIMPLE_JWT", {}).get(name, claim) != claim:
            yield Error(f'SIMPLE_JWT["{name}"] must be "{claim}": tokens are refused that lack it.', id="jwt.E008")


def _gate() -> Iterator[Error]:
    if not has_middleware("security.origin.OriginGate"):
        yield Error(
            "MIDDLEWARE must name security.origin.OriginGate: another site could otherwise log a browser in or out.",
            id="jwt.E010",
        )
