"""The keys that sign and verify tokens, and the reader of their file. `jwt_demo.key_writing` writes it.

Gives `ring`, the present keys of one kind of token, and `KeyFile`, which reads the file that `JWT_KEY_FILE` names. A
key passes through four states. The file says when each state begins, so all processes change to the next key at the
same moment by their clocks, without a restart.
"""

import base64
import hashlib
import hmac
import json
import logging
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from jwt_demo.conf import conf
from security.checks import SECRET_BYTES, is_guessable

logger = logging.getLogger("site.keys")

# The prefixes of a secret that is a private key. The 32 bytes that follow, in base64url, are the seed of RFC 8032 or
# the `d` of RFC 7518 section 6.2.2.
ED25519, ES256 = "ed25519:", "es256:"
# No ES256 for refresh tokens: its signatures differ each time, and a lost answer must be repeated byte for byte.
ALGORITHMS = {"access": ("HS256", "EdDSA", "ES256"), "refresh": ("HS256", "EdDSA")}
SETTINGS = {"access": "JWT_ACCESS_KEYS", "refresh": "JWT_REFRESH_KEYS"}
# The date of every state of a key in a setting, because a setting has no dates.
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
# Bytes. A file of keys has a few thousand.
LARGEST = 2**20


class UnusableKeys(ValueError):
    """Keys, or a file of keys, that cannot be used. The message quotes neither the file nor a secret."""


# What `read` raises.
UNREADABLE = (OSError, UnusableKeys)
# What Python raises for values of the wrong type in a file of keys.
OF_ANOTHER_FORM = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True)
class Key:
    """One key of a ring. The algorithm belongs to it, so that no header can choose another (RFC 8725 section 3.1)."""

    kid: str
    algorithm: str
    # Not in `repr`: otherwise a log or an error page could show the secret.
    signing: Any = field(repr=False)
    verifying: Any = field(repr=False)
    # The public key as RFC 7517 writes it; `None` for HS256, which has no public part.
    public: dict[str, str] | None = None

    @classmethod
    def of(cls, secret: str) -> Self:
        """The key that `secret` stands for: EdDSA and ES256 by their prefixes, otherwise HS256.

        Raises `ValueError` when a prefix is not followed by the 32 bytes of a private key.
        """
        if secret.startswith(ED25519):
            seed = Ed25519PrivateKey.from_private_bytes(_private_bytes(secret.removeprefix(ED25519)))
            return cls._of_pair("EdDSA", seed, OKPAlgorithm.to_jwk(seed.public_key(), as_dict=True))
        if secret.startswith(ES256):
            scalar = derive_private_key(int.from_bytes(_private_bytes(secret.removeprefix(ES256))), SECP256R1())
            return cls._of_pair("ES256", scalar, ECAlgorithm.to_jwk(scalar.public_key(), as_dict=True))
        # An HMAC with the secret as its key, not a digest of the secret: digests of common secrets can be looked up.
        kid = hmac.digest(secret.encode(), b"kid", hashlib.sha256).hex()[:8]
        return cls(kid, "HS256", secret.encode(), secret.encode())

    @classmethod
    def _of_pair(cls, algorithm: str, private: Any, jwk: dict[str, Any]) -> Self:
        kid = thumbprint(jwk)
        return cls(kid, algorithm, private, private.public_key(), jwk | {"use": "sig", "alg": algorithm, "kid": kid})


def thumbprint(jwk: Mapping[str, str]) -> str:
    """The thumbprint of a public key (RFC 7638), its `kid`. It follows from the key alone, so no two keys share one."""
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y") if name in jwk}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return base64url(hashlib.sha256(text.encode()).digest())


def base64url(raw: bytes) -> str:
    """These bytes in base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """The bytes of a text in base64url, or `ValueError`. Not strict: it takes several texts for the same bytes."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _private_bytes(text: str) -> bytes:
    with suppress(ValueError):  # Python's own message is about padding
        raw = from_base64url(text)
        if len(raw) == 32 and base64url(raw) == text:
            return raw
    raise ValueError("A private key is 32 bytes in base64url.")


def material(secret: str) -> str:
    """The secret without its prefix. Two secrets that differ only in the prefix are the same secret."""
    return secret.removeprefix(ED25519).removeprefix(ES256)


class State(StrEnum):
    """What a key does. The states follow each other in this order."""

    PENDING = "pending"  # it verifies and is published, so that every verifier has it before it signs
    ACTIVE = "active"  # it signs
    RETIRING = "retiring"  # it verifies what it signed
    RETIRED = "retired"  # what it signed is refused


@dataclass(frozen=True)
class DatedKey:
    """A key with the moments, in UTC, at which its states begin. `None`: not planned yet.

    Raises `UnusableKeys` for moments that are not in this order, and for a secret that is not a key.
    """

    secret: str = field(repr=False)
    pending: datetime
    active: datetime
    retiring: datetime | None = None
    retired: datetime | None = None
    key: Key = field(init=False)

    def __post_init__(self) -> None:
        moments = [self.pending, self.active, *filter(None, (self.retiring, self.retired))]
        if moments != sorted(moments) or (self.retired and not self.retiring):
            raise UnusableKeys("The states of a key are not in the right order.")
        try:
            object.__setattr__(self, "key", Key.of(self.secret))
        except OF_ANOTHER_FORM:
            # The error's own text may repeat a character of the secret.
            raise UnusableKeys(
                "A secret is not a key. It must be a text; after the prefix of a pair come the 32 bytes of its private "
                "key, in base64url."
            ) from None

    def state(self, now: datetime) -> State:
        """Its state at this moment."""
        begun = [state for state in State if (moment := getattr(self, state)) and moment <= now]
        return begun[-1] if begun else State.PENDING


class Ring(Mapping[str, Key]):
    """The keys of one kind of token, by kid. It holds those that verify now: all but the retired ones.

    Raises `UnusableKeys` for keys that cannot be a ring. The message names the kind of token and no key.
    """

    def __init__(self, kind: str, keys: Iterable[DatedKey]) -> None:
        # In the order in which they begin to sign.
        self.kind, self.dated = kind, tuple(sorted(keys, key=_begin))
        self._by_kid = {dated.key.kid: dated for dated in self.dated}
        for says in self._faults():
            raise UnusableKeys(f"The ring of {kind} keys {says}.")

    def _faults(self) -> Iterator[str]:
        if any(is_guessable(material(dated.secret)) for dated in self.dated):
            yield f"has a key that is a placeholder or shorter than {SECRET_BYTES} bytes"
        if any(dated.key.algorithm not in ALGORITHMS[self.kind] for dated in self.dated):
            yield f"has a key of another algorithm than {', '.join(ALGORITHMS[self.kind])}"
        if min(len(self._by_kid), len({material(dated.secret) for dated in self.dated})) < len(self.dated):
            yield "has a key twice"
        now = timezone.now()
        ends = {dated.retiring for dated in self.dated if dated.retiring and dated.retiring > now}
        if not all(self._active_at(moment) for moment in {now} | ends):
            yield "has a time without an active key"

    def _active_at(self, moment: datetime) -> DatedKey | None:
        able = [dated for dated in self.dated if not (dated.retiring and dated.retiring <= moment)]
        begun = [dated for dated in able if dated.active <= moment]
        # By a clock that is behind, a key that replaced all others at once has not begun yet. It signs nevertheless.
        return begun[-1] if begun else next(iter(able), None)

    @property
    def signing(self) -> DatedKey:
        """The key that signs now, with its moments. No token may outlive the key that signs it."""
        dated = self._active_at(timezone.now())
        assert dated  # `_faults` refuses a ring without one
        return dated

    @property
    def active(self) -> Key:
        """The key that signs now."""
        return self.signing.key

    def __getitem__(self, kid: str) -> Key:
        dated = self._by_kid[kid]
        if dated.retired and dated.retired <= timezone.now():
            raise KeyError(kid)
        return dated.key

    def __iter__(self) -> Iterator[str]:
        return (kid for kid in self._by_kid if kid in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _begin(dated: DatedKey) -> datetime:
    return dated.active


Rings = dict[str, Ring]


class KeyFile:
    """Reads a file of keys for this process. Looks at it again after `reread` or `JWT_KEYS_REREAD` seconds."""

    def __init__(self, path: str, reread: float | None = None) -> None:
        self._reread = reread
        # Not resolved: a link may point to another file later.
        self.path = Path(path)
        # Why the present file is not in use; "" when it is. It contains no path, because `/readyz` shows it.
        self.problem = ""
        self._rings: Rings | None = None
        self._seen: tuple[int, ...] | None = None
        self._next_look, self._looking = 0.0, Lock()

    def rings(self) -> Rings:
        """The rings, by kind.

        While the file cannot be read or is incomplete, the rings that were read before stay in use, and `problem` says
        why. Raises `ImproperlyConfigured` when none were read before.
        """
        # The monotonic clock: tests may stop the other one while files change. While one thread looks at the file, the
        # others use the rings that are known. They wait only for the very first look.
        if time.monotonic() >= self._next_look and self._looking.acquire(blocking=self._rings is None):
            try:
                if time.monotonic() >= self._next_look:
                    self._look()
                    self._next_look = time.monotonic() + self._interval()
            finally:
                self._looking.release()
        if self._rings is None:
            raise ImproperlyConfigured(self.problem)
        return self._rings

    def _interval(self) -> float:
        return float(conf.JWT_KEYS_REREAD) if self._reread is None else self._reread

    def _look(self) -> None:
        try:
            status = self.path.stat()
            # `st_ctime_ns` changes with the owner and the mode, too.
            seen = status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
            if seen == self._seen:
                return
            self._rings, self._seen, problem = self._read(), seen, ""
        except UNREADABLE as error:
            # The file that was read before may come back, and must then be read again.
            self._seen, problem = None, f"The file of the keys is not in use: {reason(error)}"
        # Without rings from before, `rings` raises this problem instead.
        if problem and problem != self.problem and self._rings is not None:
            logger.error(problem, extra={"file": str(self.path)})
        self.problem = problem

    def _read(self) -> Rings:
        rings = read(self.path)
        # If somebody has cut out a ring by mistake, every user with a token of that kind would be logged out.
        for kind in (self._rings or {}).keys() - rings.keys():
            raise UnusableKeys(f"It has no {kind} keys any more.")
        return rings


def read(path: Path) -> Rings:
    """The rings of a file, by kind.

    Raises `OSError`. Raises `UnusableKeys` for a file that other users may read, that is incomplete, or that contains
    something else.
    """
    try:
        found = json.loads(_bytes_of(path))
    except UnusableKeys:
        raise
    except (ValueError, RecursionError):
        # Python's own error contains the complete text of the file.
        raise UnusableKeys("It is incomplete, or not JSON.") from None
    try:
        rings = {kind: Ring(kind, map(_dated_key, found[kind])) for kind in ALGORITHMS if kind in found}
    except UnusableKeys:
        raise
    except OF_ANOTHER_FORM:
        raise UnusableKeys("It does not have the form of a file of keys.") from None
    all_of_them = [material(dated.secret) for ring in rings.values() for dated in ring.dated]
    if len(set(all_of_them)) < len(all_of_them):
        raise UnusableKeys("The two rings share a key: one kind of token would do for the other.")
    return rings


def _bytes_of(path: Path) -> bytes:
    with open(path, "rb", opener=_open_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            raise UnusableKeys(f"It is not a regular file, or longer than {LARGEST} bytes.")
        if status.st_mode & 0o077:
            raise UnusableKeys("Others than its owner may read it or write to it. Run chmod 600.")
        return file.read(LARGEST)


def _open_without_waiting(path: str, flags: int) -> int:
    # If the file is a pipe, `open` would otherwise wait until somebody writes to it, and every request with it.
    return os.open(path, flags | os.O_NONBLOCK)


def _dated_key(entry: Any) -> DatedKey:
    return DatedKey(entry["secret"], **{state.value: _moment(entry[state]) for state in State})


def _moment(text: Any) -> Any:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo:
            return moment.astimezone(UTC)
    except OF_ANOTHER_FORM:
        pass
    # Python's own message repeats the text, and somebody may have written the secret in this place.
    raise UnusableKeys("A moment is not in the form 2026-01-31T12:00:00+00:00.")


def reason(error: Exception) -> str:
    """One of `UNREADABLE`, or an `ImproperlyConfigured` from here, in words without a path or a text of the file."""
    return f"{error.strerror or 'It cannot be read'}." if isinstance(error, OSError) else str(error)


def ring(kind: str) -> Ring:
    """The present "access" or "refresh" keys: those of the setting, if it has any, otherwise those of the file.

    Raises `ImproperlyConfigured` when there are none, and `UnusableKeys` when those of the setting cannot be a ring.
    """
    if written := getattr(conf, SETTINGS[kind]):
        return of_setting(kind, tuple(written))
    try:
        return key_file().rings()[kind]
    except KeyError:
        raise ImproperlyConfigured(f"The file of the keys has no {kind} keys.") from None


def public_keys(ring: Ring) -> list[dict[str, str]]:
    """The public keys of a ring (RFC 7517). A key for HS256 has no public part and is left out."""
    return [key.public for key in ring.values() if key.public]


@lru_cache(maxsize=16)
def of_setting(kind: str, written: tuple[str, ...]) -> Ring:
    """The ring of the keys in a setting: the first one signs, and all verify. Raises `UnusableKeys`."""
    first, *others = written
    return Ring(kind, [DatedKey(first, ALWAYS, ALWAYS), *(DatedKey(one, ALWAYS, ALWAYS, ALWAYS) for one in others)])


def key_file() -> KeyFile:
    """The one reader of the file in this process. Raises `ImproperlyConfigured` when `JWT_KEY_FILE` is empty."""
    if not conf.JWT_KEY_FILE:
        raise ImproperlyConfigured("JWT_KEY_FILE names no file.")
    return _key_file(os.fspath(conf.JWT_KEY_FILE))


@lru_cache(maxsize=16)
def _key_file(path: str) -> KeyFile:
    return KeyFile(path)
