"""The keys that sign and verify tokens, and the reader of their file. `jwt_demo.key_writing` writes it.

Gives `ring`, the keys of one kind of token as they are now, and `KeyFile`, which reads the file that `JWT_KEY_FILE`
names. A key passes through four states, and the moment at which each begins stands in the file. So all processes change
to the next key by their clocks, at the same moment, and none has to be started again.
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

# Before the 32 bytes, in base64url, of a private key: the seed of RFC 8032, and the `d` of RFC 7518 section 6.2.2.
ED25519, ES256 = "ed25519:", "es256:"
# Not ES256 for refresh tokens: its signatures differ each time, and a lost answer is repeated byte for byte.
ALGORITHMS = {"access": ("HS256", "EdDSA", "ES256"), "refresh": ("HS256", "EdDSA")}
SETTINGS = {"access": "JWT_ACCESS_KEYS", "refresh": "JWT_REFRESH_KEYS"}
# When the keys of a setting became what they are: a setting has no dates.
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
# Bytes. A file of keys has some thousand.
LARGEST = 2**20


class UnusableKeys(ValueError):
    """Keys, or a file of them, that cannot be used. Its text is written here, and repeats nothing of theirs."""


# What `read` raises.
UNREADABLE = (OSError, UnusableKeys)
# What Python raises for values of other types than a file of keys has.
OF_ANOTHER_FORM = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True)
class Key:
    """One key of a ring. The algorithm belongs to it, so that no header can choose another (RFC 8725 section 3.1)."""

    kid: str
    algorithm: str
    # Not shown: a key that stands in a log or on an error page is no secret any more.
    signing: Any = field(repr=False)
    verifying: Any = field(repr=False)
    # What everybody may know of it, as RFC 7517 writes it; `None` for HS256, which has no public part.
    public: dict[str, str] | None = None

    @classmethod
    def of(cls, secret: str) -> Self:
        """The key that `secret` stands for: EdDSA and ES256 by their prefixes, otherwise HS256.

        Raises `ValueError` for a prefix before anything but the 32 bytes of a private key.
        """
        if secret.startswith(ED25519):
            seed = Ed25519PrivateKey.from_private_bytes(_private_bytes(secret.removeprefix(ED25519)))
            return cls._of_pair("EdDSA", seed, OKPAlgorithm.to_jwk(seed.public_key(), as_dict=True))
        if secret.startswith(ES256):
            scalar = derive_private_key(int.from_bytes(_private_bytes(secret.removeprefix(ES256))), SECP256R1())
            return cls._of_pair("ES256", scalar, ECAlgorithm.to_jwk(scalar.public_key(), as_dict=True))
        # With the secret as the key: a plain digest of it would let anybody try guesses without a token.
        kid = hmac.digest(secret.encode(), b"kid", hashlib.sha256).hex()[:8]
        return cls(kid, "HS256", secret.encode(), secret.encode())

    @classmethod
    def _of_pair(cls, algorithm: str, private: Any, jwk: dict[str, Any]) -> Self:
        kid = thumbprint(jwk)
        return cls(kid, algorithm, private, private.public_key(), jwk | {"use": "sig", "alg": algorithm, "kid": kid})


def thumbprint(jwk: Mapping[str, str]) -> str:
    """The name of a public key that follows from the key alone (RFC 7638), so that no two keys share one."""
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y") if name in jwk}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return base64url(hashlib.sha256(text.encode()).digest())


def base64url(raw: bytes) -> str:
    """RFC 7515's base64url, which has no padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """The bytes; `ValueError` for other characters. What is not the one spelling of these bytes is read as well."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _private_bytes(text: str) -> bytes:
    with suppress(ValueError):  # Python's own sentence is about padding
        raw = from_base64url(text)
        if len(raw) == 32 and base64url(raw) == text:
            return raw
    raise ValueError("A private key is 32 bytes in base64url.")


def material(secret: str) -> str:
    """The secret without what says how it is used: with and without its prefix it is the same secret."""
    return secret.removeprefix(ED25519).removeprefix(ES256)


class State(StrEnum):
    """What a key does. Each state begins at a moment of its own."""

    PENDING = "pending"  # it verifies and is published, so that every verifier has it before it signs
    ACTIVE = "active"  # it signs
    RETIRING = "retiring"  # it verifies what it signed
    RETIRED = "retired"  # what it signed means nothing


@dataclass(frozen=True)
class DatedKey:
    """A key with the moments, in UTC, at which its states begin. `None`: not planned yet.

    Raises `UnusableKeys` for moments that are not in their order, and for a secret that is no key.
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
            raise UnusableKeys("The states of a key are not in their order.")
        try:
            object.__setattr__(self, "key", Key.of(self.secret))
        except OF_ANOTHER_FORM:
            # Not the error's own text, which may repeat a character of the secret.
            raise UnusableKeys(
                "A secret is no key. It is a text; behind the prefix of a pair stand the 32 bytes of its private key, "
                "in base64url."
            ) from None

    def state(self, now: datetime) -> State:
        """Its state at this moment."""
        begun = [state for state in State if (moment := getattr(self, state)) and moment <= now]
        return begun[-1] if begun else State.PENDING


class Ring(Mapping[str, Key]):
    """The keys of one kind of token, by kid. It holds those that verify now: all but the retired ones.

    Raises `UnusableKeys` for keys that cannot be a ring, with a sentence that names the ring and no key.
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
        # By a clock that is behind, a key that replaced another at once has not begun. It signs all the same.
        return begun[-1] if begun else next(iter(able), None)

    @property
    def signing(self) -> DatedKey:
        """The key that signs now, with its moments: what it signs must not outlive it."""
        dated = self._active_at(timezone.now())
        assert dated  # or this ring would not have been made
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
    """A file of keys as this process knows it, looked at again after `reread` seconds, or `JWT_KEYS_REREAD`."""

    def __init__(self, path: str, reread: float | None = None) -> None:
        self._reread = reread
        # As it was named: a link may point to another file tomorrow.
        self.path = Path(path)
        # Why the file that lies there now is not in use; "" when it is. It names no path, for `/readyz` shows it.
        self.problem = ""
        self._rings: Rings | None = None
        self._seen: tuple[int, ...] | None = None
        self._next_look, self._looking = 0.0, Lock()

    def rings(self) -> Rings:
        """The rings, by kind.

        A file that cannot be read or is not whole leaves those that were read before, and `problem` says why. Raises
        `ImproperlyConfigured` when there are none from before.
        """
        # Not the clock of the day, which tests move: it may stand still while files change. While one thread looks,
        # the others use what is known; they wait only for the first look, before which nothing is.
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
            # The time of change stands for owner and mode, too.
            seen = status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
            if seen == self._seen:
                return
            self._rings, self._seen, problem = self._read(), seen, ""
        except UNREADABLE as error:
            # What was seen before must be read again, too: it may come back.
            self._seen, problem = None, f"The file of the keys is not in use: {reason(error)}"
        # Without rings from before, `rings` raises, and who asked says why.
        if problem and problem != self.problem and self._rings is not None:
            logger.error(problem, extra={"file": str(self.path)})
        self.problem = problem

    def _read(self) -> Rings:
        rings = read(self.path)
        # A ring that somebody cut out by mistake would log out everybody whose token it verifies.
        for kind in (self._rings or {}).keys() - rings.keys():
            raise UnusableKeys(f"It has no {kind} keys any more.")
        return rings


def read(path: Path) -> Rings:
    """The rings of a file, by kind.

    Raises `OSError`, and `UnusableKeys` for a file that others may read, is not whole, or holds something else.
    """
    try:
        found = json.loads(_bytes_of(path))
    except UnusableKeys:
        raise
    except (ValueError, RecursionError):
        # Python's own error carries the complete text of the file.
        raise UnusableKeys("It is not whole, or no JSON.") from None
    try:
        rings = {kind: Ring(kind, map(_dated_key, found[kind])) for kind in ALGORITHMS if kind in found}
    except UnusableKeys:
        raise
    except OF_ANOTHER_FORM:
        raise UnusableKeys("It has not the form of a file of keys.") from None
    all_of_them = [material(dated.secret) for ring in rings.values() for dated in ring.dated]
    if len(set(all_of_them)) < len(all_of_them):
        raise UnusableKeys("The two rings share a key: one kind of token would do for the other.")
    return rings


def _bytes_of(path: Path) -> bytes:
    with open(path, "rb", opener=_open_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            raise UnusableKeys(f"It is no file, or longer than {LARGEST} bytes.")
        if status.st_mode & 0o077:
            raise UnusableKeys("Others than its owner may read it or write to it. Run chmod 600.")
        return file.read(LARGEST)


def _open_without_waiting(path: str, flags: int) -> int:
    # A pipe in the place of the file would hold up every request until somebody writes to it.
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
    # Not Python's own sentence, which repeats the text: somebody may have written the secret in its place.
    raise UnusableKeys("A moment is not in the form 2026-01-31T12:00:00+00:00.")


def reason(error: Exception) -> str:
    """One of `UNREADABLE`, or an `ImproperlyConfigured` from here, in words: without a path or a word of the file's."""
    return f"{error.strerror or 'It cannot be read'}." if isinstance(error, OSError) else str(error)


def ring(kind: str) -> Ring:
    """The "access" or the "refresh" keys as they are now: of the setting, if it has any, otherwise of the file.

    Raises `ImproperlyConfigured` when there are none, and `UnusableKeys` for those of a setting that cannot be a ring.
    """
    if written := getattr(conf, SETTINGS[kind]):
        return of_setting(kind, tuple(written))
    try:
        return key_file().rings()[kind]
    except KeyError:
        raise ImproperlyConfigured(f"The file of the keys has no {kind} keys.") from None


def public_keys(ring: Ring) -> list[dict[str, str]]:
    """What everybody may know of a ring (RFC 7517). A key for HS256 has no public part and is left out."""
    return [key.public for key in ring.values() if key.public]


@lru_cache(maxsize=16)
def of_setting(kind: str, written: tuple[str, ...]) -> Ring:
    """The ring that a setting stands for: the first key signs, all verify. Raises `UnusableKeys`."""
    first, *others = written
    return Ring(kind, [DatedKey(first, ALWAYS, ALWAYS), *(DatedKey(one, ALWAYS, ALWAYS, ALWAYS) for one in others)])


def key_file() -> KeyFile:
    """The file, of which this process has one reader. Raises `ImproperlyConfigured` when no setting names it."""
    if not conf.JWT_KEY_FILE:
        raise ImproperlyConfigured("JWT_KEY_FILE names no file.")
    return _key_file(os.fspath(conf.JWT_KEY_FILE))


@lru_cache(maxsize=16)
def _key_file(path: str) -> KeyFile:
    return KeyFile(path)
