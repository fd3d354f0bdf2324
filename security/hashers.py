"""How passwords are hashed."""

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

    One keyboard sends `é` as one character, another as two, and a password must fit on both. Of the two forms
    this is the composed one, as most keyboards send it: what is typed is then in normal form already, costs one
    hash, and fits hashes that were made of the text as typed.
    """
    return unicodedata.normalize("NFKC", password)


class Argon2id(Argon2PasswordHasher):
    """Argon2id with OWASP's parameters: 19 MiB, 2 passes, 1 lane (Password Storage Cheat Sheet).

    Django's default takes 100 MiB and 8 lanes for each guess; ten guesses at once are a gigabyte, and
    the login form becomes a way to bring the server down. A rise here is taken up by each user's next login.
    """

    memory_cost = 19 * 1024  # KiB
    time_cost = 2
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        """The hash of the normal form. Raises `Busy`."""
        return str(compute(self.encode_here, password, salt))

    def encode_here(self, password: str, salt: str) -> str:
        """Likewise, in the thread that calls it."""
        return super().encode(normal_form(password), salt)

    def verify(self, password: str, encoded: str) -> bool:
        """Whether the password fits: in normal form, or as typed, for a hash of before there was a normal form.

        Computes two hashes at most, and one for a password that is in normal form. Raises `Busy`.
        """
        return bool(compute(self.verify_here, password, encoded))

    def verify_here(self, password: str, encoded: str) -> bool:
        """Likewise, in the thread that calls it."""
        normal = normal_form(password)
        return super().verify(normal, encoded) or (normal != password and super().verify(password, encoded))


class Argon2idOverPBKDF2(BasePasswordHasher):
    """Argon2id over the result of PBKDF2: what `manage.py wrap_password_hashes` makes of a hash by PBKDF2.

    A password that fits is stored by plain Argon2id from then on, as every hasher that is not the first in
    `PASSWORD_HASHERS` has it. Stored are `algorithm$iterations$costs$salt$hash`, with the salt of the PBKDF2 hash,
    in less than the 128 characters of Django's column.
    """

    algorithm = "argon2_pbkdf2_sha256"
    inner = PBKDF2PasswordHasher()

    def encode(self, password: str, salt: str) -> str:
        """The hash of `password` as typed, for that is what the old one was made of."""
        return self.wrap(self.inner.encode(password, salt))

    def wrap(self, encoded: str) -> str:
        """`encoded`, a hash by PBKDF2, wrapped. Raises `ValueError` for one that cannot be read or is too long."""
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
            # Argon2 takes no salt under eight bytes, and some old ones are shorter.
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
