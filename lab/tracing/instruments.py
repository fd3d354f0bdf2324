"""Watches the apps from outside: their password hasher, their connections to Redis and their JWT algorithms.

`PASSWORD_HASHERS` and `CACHES` name the first two, and `watch_algorithms` registers the third with PyJWT. While
nothing is recorded, each of them only looks at a context variable and at the clock.
"""

import time
from collections.abc import Iterable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from jwt.algorithms import Algorithm, ECAlgorithm, HMACAlgorithm, OKPAlgorithm
from redis.connection import AbstractConnection, Connection

from lab.tracing.trace import CURRENT_RECORDING, note
from security.hashers import Argon2id
from security.pool import GuardedPool

# Commands that a new connection sends by itself. They are not part of an operation.
CONNECTION_SETUP = {"HELLO", "CLIENT", "SELECT", "AUTH", "PING"}
# Commands whose first key is their third argument: before it are the script and the number of keys.
SCRIPT_COMMANDS = {"EVAL", "EVALSHA"}
# One name for making a hash and for checking one. For an unknown user Django makes a hash where it would check one,
# so two names would tell a client who is registered.
HASH_NAME = "Argon2id"


class TimedArgon2id(Argon2id):
    """The site's hasher. It notes how long each hash took, without the wait for a thread."""

    def encode_here(self, password: str, salt: str) -> str:
        started = time.perf_counter()
        try:
            return super().encode_here(password, salt)
        finally:
            note("hash", HASH_NAME, started)

    def verify_here(self, password: str, encoded: str) -> bool:
        started = time.perf_counter()
        try:
            return super().verify_here(password, encoded)
        finally:
            note("hash", HASH_NAME, started)


class TracedConnection:
    """A connection to Redis that notes each command: its name and its key, no value."""

    def send_command(self, *args: Any, **options: Any) -> None:
        self.packed = [args]
        super().send_command(*args, **options)  # type: ignore[misc]

    def pack_commands(self, commands: Iterable[Any]) -> Any:
        self.packed = list(commands)
        return super().pack_commands(self.packed)  # type: ignore[misc]

    def send_packed_command(self, *args: Any, **options: Any) -> None:
        # Taken out before the call: `super()` may have to connect, and a new connection sends commands of its own.
        commands, started = self.__dict__.pop("packed", []), time.perf_counter()
        super().send_packed_command(*args, **options)  # type: ignore[misc]
        # A new list: a command in the old one that was never answered belongs to a request that is over.
        self.waiting = [
            (_describe_command(args), started) for args in commands if CURRENT_RECORDING.get() and _is_counted(args)
        ]

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        finally:
            waiting: list[tuple[str, float]] = self.__dict__.get("waiting", [])
            if waiting:
                note("redis", *waiting.pop(0))


def _is_counted(args: Any) -> bool:
    return _printable(args[0]).upper().split()[0] not in CONNECTION_SETUP


def _describe_command(args: Any) -> str:
    name = _printable(args[0]).upper()
    at = 3 if name in SCRIPT_COMMANDS else 1
    return f"{name} {_printable(args[at])}" if len(args) > at else name


def _printable(key: Any) -> str:
    text = key.decode(errors="replace") if isinstance(key, bytes) else str(key)
    return "".join(character for character in text if character.isprintable())[:120]


class TracedPool(GuardedPool):
    """The site's pool, with traced connections of any class (TCP, TLS, a Unix socket)."""

    def __init__(self, connection_class: type[AbstractConnection] = Connection, **options: Any) -> None:
        traced = type(f"Traced{connection_class.__name__}", (TracedConnection, connection_class), {})
        super().__init__(connection_class=traced, **options)


class TimedHS256(HMACAlgorithm):
    """HMAC with SHA-256, with each signature noted."""

    def __init__(self) -> None:
        super().__init__(HMACAlgorithm.SHA256)
        # `HMACAlgorithm.verify` calls `sign`. On `self`, one verification would be noted as two steps.
        self.plain = HMACAlgorithm(HMACAlgorithm.SHA256)

    def sign(self, msg: bytes, key: Any) -> bytes:
        started = time.perf_counter()
        try:
            return self.plain.sign(msg, key)
        finally:
            note("jwt", "sign HS256", started)

    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool:
        started = time.perf_counter()
        try:
            return self.plain.verify(msg, key, sig)
        finally:
            note("jwt", "verify HS256", started)


class TimedPair(Algorithm):
    """A mixin for an algorithm with a private and a public key. It notes each signature under its `name`."""

    name: str

    def sign(self, msg: Any, key: Any) -> bytes:
        started = time.perf_counter()
        try:
            return super().sign(msg, key)  # type: ignore[safe-super]
        finally:
            note("jwt", f"sign {self.name}", started)

    def verify(self, msg: Any, key: Any, sig: Any) -> bool:
        started = time.perf_counter()
        try:
            return super().verify(msg, key, sig)  # type: ignore[safe-super]
        finally:
            note("jwt", f"verify {self.name}", started)


class TimedEdDSA(TimedPair, OKPAlgorithm):
    """Ed25519."""

    name = "EdDSA"


class TimedES256(TimedPair, ECAlgorithm):
    """ECDSA with P-256."""

    name = "ES256"


def watch_algorithms() -> None:
    """Replaces PyJWT's own algorithms by the timed ones, in this process."""
    timed: dict[str, Algorithm] = {"HS256": TimedHS256(), "EdDSA": TimedEdDSA()}
    timed["ES256"] = TimedES256(TimedES256.SHA256, SECP256R1)
    for name, algorithm in timed.items():
        jwt.unregister_algorithm(name)
        jwt.register_algorithm(name, algorithm)
