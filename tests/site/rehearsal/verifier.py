"""A service that knows only the published keys: `python -m tests.site.rehearsal.verifier ISSUER ADDRESS …`.

It reads one token a line, and answers with an empty line or with the reason why it refuses the token. It imports
nothing of this project, and verifies with a different library than the one that signs.
"""

import itertools
import json
import re
import sys
import time
import urllib.request
import warnings

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet


class Verifier:
    """Keeps the published keys as long as their `Cache-Control` allows, and fetches them from each address in turn."""

    def __init__(self, issuer: str, addresses: list[str]) -> None:
        self.claims = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": f"{issuer}/jwt/"},
            exp={"essential": True},
        )
        self.addresses = itertools.cycle(addresses)
        self.keys, self.good_until = KeySet([]), 0.0

    def refuses(self, token: str) -> str:
        """Why this token is refused, or "" if it is valid. An unknown key causes no new fetch."""
        if time.monotonic() >= self.good_until:
            self.fetch()
        try:
            read = jwt.decode(token, self.keys, algorithms=["EdDSA"])
            self.claims.validate(read.claims)
        except (JoseError, ValueError) as error:
            return f"{type(error).__name__} {error}" if str(error) else type(error).__name__
        return "" if read.header["typ"] == "at+jwt" else "not an access token"

    def fetch(self) -> None:
        """Fetches the published keys. Their age counts from the request, not from the answer."""
        asked = time.monotonic()
        with urllib.request.urlopen(next(self.addresses), timeout=20) as answer:  # noqa: S310
            age = re.search(r"\bmax-age=(\d+)", answer.headers["Cache-Control"])
            self.keys = KeySet.import_key_set(json.load(answer))
        self.good_until = asked + (int(age[1]) if age else 0)


if __name__ == "__main__":
    # joserfc warns that RFC 9864 deprecates "EdDSA" in favour of one name for each curve.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    verifier = Verifier(sys.argv[1], sys.argv[2:])
    for line in sys.stdin:
        print(verifier.refuses(line.strip()), flush=True)
