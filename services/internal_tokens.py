"""Internal tokens: how a service knows that an identity comes from `auth`.

`Issuer` signs them, and exists in `auth` alone. `read` verifies them by the public half of its key, which is all that a
service has.
"""

import json
import re
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

ALGORITHM, ISSUER, TYPE = "EdDSA", "auth", "internal+jwt"
# Seconds. A request needs one; a token that was seen on its way is good for no longer than this.
LIFETIME = 30
# Seconds by which the clock of a service may be behind that of `auth`.
LEEWAY = 5
# Characters of a token, and its form: PyJWT takes padding too, and so one token in many spellings.
LONGEST, COMPACT = 4096, re.compile(r"[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+")


class Issuer:
    """Signs with a key that is made here, is never written down, and ends with the process."""

    def __init__(self, public: Path) -> None:
        """Writes the public half to the file `public`, at once, for the services."""
        self._key = Ed25519PrivateKey.generate()
        jwk = OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self.kid = jwk["x"][:16]
        keys = {"keys": [jwk | {"kid": self.kid, "alg": ALGORITHM, "use": "sig"}]}
        new = public.with_suffix(".new")
        new.write_text(json.dumps(keys))
        new.replace(public)

    def issue(self, service: str, user_id: str, role: str) -> str:
        """A token that says to this service, and to no other, who the user is."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": service, "sub": user_id, "role": role, "iat": now, "exp": now + LIFETIME}
        return jwt.encode(claims, self._key, ALGORITHM, headers={"typ": TYPE, "kid": self.kid})


class Keys:
    """The public keys in a file. It is read again when a token names a key that was not in it."""

    def __init__(self, file: Path) -> None:
        self._file, self._seen = file, 0
        self._keys: dict[str, jwt.PyJWK] = {}

    def of(self, kid: str) -> jwt.PyJWK:
        """The key of this name. Raises `jwt.InvalidKeyError` for one there is not."""
        if kid not in self._keys:
            self._look()
        try:
            return self._keys[kid]
        except KeyError:
            raise jwt.InvalidKeyError("No key of this name.") from None

    def _look(self) -> None:
        try:
            changed = self._file.stat().st_mtime_ns
            if changed != self._seen:
                found = jwt.PyJWKSet.from_json(self._file.read_text())
                self._keys = {key.key_id or "": key for key in found.keys}
                self._seen = changed
        except (OSError, jwt.PyJWTError, ValueError):
            self._keys, self._seen = {}, 0  # `auth` has written none yet


def name_of_key(token: str, kind: str) -> str:
    """The `kid` of a token of this `typ`. Raises `jwt.PyJWTError` for any other.

    Its header must have nothing else: no key of its own, and no extension (RFC 7515 section 4.1.11).
    """
    if len(token) > LONGEST or not COMPACT.fullmatch(token):
        raise jwt.DecodeError("No token of three segments.")
    header = jwt.get_unverified_header(token)
    if header.keys() != {"alg", "kid", "typ"} or header["typ"] != kind:
        raise jwt.InvalidTokenError(f"Its header is not that of {kind}.")
    return str(header["kid"])


def read(token: str, service: str, keys: Keys) -> dict[str, Any]:
    """The claims of an internal token for this service. Raises `jwt.PyJWTError` for anything else."""
    claims = jwt.decode(
        token,
        keys.of(name_of_key(token, TYPE)),
        algorithms=[ALGORITHM],
        issuer=ISSUER,
        audience=service,
        leeway=LEEWAY,
        options={"require": ["exp", "iat", "iss", "aud", "sub", "role"]},
    )
    if claims["exp"] - claims["iat"] > 2 * LIFETIME:
        raise jwt.InvalidTokenError("It lives too long.")
    return claims
