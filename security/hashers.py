"""The password hashers: Argon2id, and Argon2id over an old PBKDF2 hash."""

import base64
import hashlib
import unicodedata
from typing import Any

from argon2.low_level import Type, hash_secret_raw
from django.contrib.auth.hashers import (
    Argon2PasswordHasher,
    BasePasswordHasher,
    PBKDF2PasswordHasher,
    PBKDF2SHA1PasswordHasher,
    mask_hash,
)
from django.utils.crypto import constant_time_compare

from security.hashing import compute

# Characters: the length of `AbstractBaseUser.password`.
COLUMN = 128


def normal_form(password: str) -> str:
    """The text that is hashed: `password` in NFKC (NIST SP 800-63B-4 section 3.1.1.2 names NFKC and NFKD).

    One keyboard sends `é` as one character, another as two, and a password must fit from both. NFKC is the composed
    form, which most keyboards send. Such text is in normal form already: it costs one hash, and it fits hashes that
    were made of the text as typed.
    """
    return unicodedata.normalize("NFKC", password)


class Argon2id(Argon2PasswordHasher):
    """Argon2id with OWASP's parameters: 19 MiB, 2 passes, 1 lane (Password Storage Cheat Sheet).

    Django's default takes 100 MiB and 8 lanes for each guess. Ten guesses at once would take a gigabyte, and an
    attacker could bring the server down through the login form. If these costs are raised, each user's next login
    stores a new hash.
    """

    memory_cost = 19 * 1024  # KiB
    time_cost = 2
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        """The hash of the normal form. Raises `Busy`."""
        return str(compute(self.encode_here, password, salt))

    def encode_here(self, password: str, salt: str) -> str:
        """Like `encode`, but in the calling thread."""
        return super().encode(normal_form(password), salt)

    def verify(self, password: str, encoded: str) -> bool:
        """Whether the password fits in normal form, or as typed: older hashes were made of the text as typed.

        Computes one hash for a password that is in normal form, and at most two for others. Raises `Busy`.
        """
        return bool(compute(self.verify_here, password, encoded))

    def verify_here(self, password: str, encoded: str) -> bool:
        """Like `verify`, but in the calling thread."""
        normal = normal_form(password)
        return super().verify(normal, encoded) or (normal != password and super().verify(password, encoded))


class Argon2idOverPBKDF2(BasePasswordHasher):
    """Argon2id over a PBKDF2 hash: what `manage.py wrap_password_hashes` stores.

    At the next login Django replaces it with a plain Argon2id hash, as it does for every hasher that is not the first
    in `PASSWORD_HASHERS`. The form is `algorithm$iterations$costs$salt$hash`, with the salt of the PBKDF2 hash. It
    fits in the 128 characters of Django's column.
    """

    algorithm = "argon2_pbkdf2_sha256"
    inner = PBKDF2PasswordHasher()

    def encode(self, password: str, salt: str) -> str:
        """The hash of `password` as typed, because the old hash was made of that."""
        return self.wrap(self.inner.encode(password, salt))

    def wrap(self, encoded: str) -> str:
        """Wraps `encoded`, a PBKDF2 hash. Raises `ValueError` if it cannot be read, or the result is too long."""
        _, iterations, _, _ = encoded.split("$", 3)
        costs = f"m={Argon2id.memory_cost},t={Argon2id.time_cost},p={Argon2id.parallelism}"
        wrapped = self._over(encoded, costs)
        if not iterations.isdecimal() or len(wrapped) > COLUMN:
            raise ValueError("this hash cannot be wrapped")
        return wrapped

    def _over(self, encoded: str, costs: str) -> str:
        _, iterations, salt, inner = encoded.split("$", 3)
        memory, passes, lanes = (int(cost.partition("=")[2]) for cost in costs.split(","))
        hashed = hash_secret_raw(
            inner.encode(),
            # Argon2 needs a salt of at least eight bytes, and some old salts are shorter.
            hashlib.sha256(salt.encode()).digest()[:16],
            time_cost=passes,
            memory_cost=memory,
            parallelism=lanes,
            hash_len=32,
            type=Type.ID,
        )
        return f"{self.algorithm}${iterations}${costs}${salt}${base64.b64encode(hashed).decode()}"

    def verify(self, password: str, encoded: str) -> bool:
        """Whether the password fits."""
        _, iterations, costs, salt, _ = encoded.split("$")
        inner = self.inner.encode(password, salt, int(iterations))
        return constant_time_compare(self._over(inner, costs), encoded)

    def safe_summary(self, encoded: str) -> dict[Any, Any]:
        """What the admin shows."""
        algorithm, iterations, costs, salt, hashed = encoded.split("$")
        visible = {"algorithm": algorithm, "iterations": iterations, "costs": costs}
        return visible | {"salt": mask_hash(salt), "hash": mask_hash(hashed)}


class Argon2idOverPBKDF2SHA1(Argon2idOverPBKDF2):
    """The same over PBKDF2 with SHA-1."""

    algorithm = "argon2_pbkdf2_sha1"
    inner = PBKDF2SHA1PasswordHasher()
