"""Internal tokens show a service that an identity comes from `auth`.

`Issuer` signs them, in `auth` only. `read` verifies them with the public key, which is all that a service has.
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
# Seconds. A request takes less than that. A stolen token can be used for so long, and for `LEEWAY` more.
LIFETIME = 30
# Seconds by which the clocks of a service and of `auth` may differ.
LEEWAY = 5
# Most characters of a token, and its form. PyJWT also accepts padding, so the same token could be written in many ways.
LONGEST, COMPACT = 4096, re.compile(r"[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+")


class Issuer:
    """Signs with a private key that it creates and keeps in memory only."""

    def __init__(self, public: Path) -> None:
        """Creates the key and writes its public half to the file `public`, as a JWK Set, for the services."""
        self._key = Ed25519PrivateKey.generate()
        jwk = OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self.kid = jwk["x"][:16]
        keys = {"keys": [jwk | {"kid": self.kid, "alg": ALGORITHM, "use": "sig"}]}
        new = public.with_suffix(".new")
        new.write_text(json.dumps(keys))
        new.replace(public)

    def issue(self, service: str, user_id: str, role: str) -> str:
        """A token that names the user to this service. Other services refuse it. Valid for `LIFETIME` seconds."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": service, "sub": user_id, "role": role, "iat": now, "exp": now + LIFETIME}
        return jwt.encode(claims, self._key, ALGORITHM, headers={"typ": TYPE, "kid": self.kid})


class Keys:
    """The public keys in a file. The file is read again when a token names a key that was not in it."""

    def __init__(self, file: Path) -> None:
        self._file, self._seen = file, 0
        self._keys: dict[str, jwt.PyJWK] = {}

    def of(self, kid: str) -> jwt.PyJWK:
        """The key with this `kid`. Raises `jwt.InvalidKeyError` when there is none."""
        if kid not in self._keys:
            self._look()
        try:
            return self._keys[kid]
        except KeyError:
            raise jwt.InvalidKeyError("There is no key with this kid.") from None

    def _look(self) -> None:
        try:
            changed = self._file.stat().st_mtime_ns
            if changed != self._seen:
                found = jwt.PyJWKSet.from_json(self._file.read_text())
                self._keys = {key.key_id or "": key for key in found.keys}
                self._seen = changed
        except (OSError, jwt.PyJWTError, ValueError):
            self._keys, self._seen = {}, 0  # for example when `auth` has not written the file yet


def name_of_key(token: str, kind: str) -> str:
    """The `kid` of a token with this `typ`. Raises `jwt.PyJWTError` for any other token.

    The header must have `alg`, `kid` and `typ` only: no key of its own, and no `crit` (RFC 7515 section 4.1.11).
    """
    if len(token) > LONGEST or not COMPACT.fullmatch(token):
        raise jwt.DecodeError("The token is too long, or does not have three segments.")
    header = jwt.get_unverified_header(token)
    if header.keys() != {"alg", "kid", "typ"} or header["typ"] != kind:
        raise jwt.InvalidTokenError(f"The header of the token is not that of {kind}.")
    return str(header["kid"])


def read(token: str, service: str, keys: Keys) -> dict[str, Any]:
    """The claims of a valid internal token for this service. Raises `jwt.PyJWTError` for any other text."""
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
        raise jwt.InvalidTokenError("The lifetime of the token is too long.")
    return claims
