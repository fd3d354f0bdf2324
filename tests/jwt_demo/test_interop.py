"""Another implementation (joserfc) reads our tokens, and what it makes is good here only if it is exactly ours."""

import base64
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwe, jws, jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import OctKey, OKPKey
from pytest_django import Settings

from accounts.models import User
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.tokens import ED25519, Key
from tests.jwt_demo.conftest import Holder, logged_in
from tests.jwt_demo.forge import AccessBench, Bench, RefreshBench, b64

BENCHES = {"access": AccessBench, "refresh": RefreshBench}
ALGORITHMS = ("HS256", "EdDSA")
# By RFC 9864, in favour of a name for each curve.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")


def random_key(algorithm: str) -> str:
    return secrets.token_urlsafe(48) if algorithm == "HS256" else ED25519 + b64(secrets.token_bytes(32))


def theirs(secret: str, private: bool = True) -> Any:
    """A key of ours as joserfc has it."""
    if not secret.startswith(ED25519):
        return OctKey.import_key(secret.encode())
    raw = Key.of(secret).verifying.public_bytes(Encoding.Raw, PublicFormat.Raw)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}
    return OKPKey.import_key(jwk | ({"d": secret.removeprefix(ED25519)} if private else {}))


def made(bench: Bench, header: Any = None, claims: Any = None, secret: str = "") -> str:
    """A token by joserfc, like ours but for these changes."""
    header = {**bench.header, **(header or {})}
    return jwt.encode(header, {**bench.claims, **(claims or {})}, theirs(secret or bench.secret), [header["alg"]])


@pytest.fixture(params=[(kind, alg) for kind in BENCHES for alg in ALGORITHMS], ids=str)
def bench(request: pytest.FixtureRequest, alice: User, settings: Settings) -> Iterator[Bench]:
    """Each kind of token under each kind of key; joserfc's copy is good here before and after."""
    kind, algorithm = request.param
    settings.JWT_ACCESS_KEYS, settings.JWT_REFRESH_KEYS = [random_key(algorithm)], [random_key(algorithm)]
    bench = BENCHES[kind](logged_in())
    assert bench.header["alg"] == algorithm
    bench.kind(made(bench))
    yield bench
    bench.kind(made(bench))
    assert bench.send(made(bench)).status_code == 200


def test_joserfc_verifies_our_tokens(bench: Bench) -> None:
    read = jwt.decode(bench.text, theirs(bench.secret, private=False), [bench.header["alg"]])
    assert (read.header, read.claims) == (bench.header, bench.claims)
    jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": bench.claims["iss"]},
        aud={"essential": True, "value": bench.claims["aud"]},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    ).validate(read.claims)


def test_joserfc_refuses_ours_under_another_key_or_with_another_claim(bench: Bench) -> None:
    other = random_key(bench.header["alg"])
    head, _, signature = bench.text.split(".")
    forged = made(bench, claims={"sub": "2"}).split(".")[1]
    for text, secret in ((bench.text, other), (f"{head}.{forged}.{signature}", bench.secret)):
        with pytest.raises(BadSignatureError):
            jwt.decode(text, theirs(secret, private=False), [bench.header["alg"]])


def test_a_key_of_another_ring_or_of_nobody_is_refused(bench: Bench, settings: Settings) -> None:
    rings = [jwt_conf.JWT_ACCESS_KEYS[0], jwt_conf.JWT_REFRESH_KEYS[0], settings.SECRET_KEY]
    for other in [random_key("HS256"), random_key("EdDSA"), *rings]:
        if other != bench.secret:
            alg = Key.of(other).algorithm
            for header in ({"alg": alg}, {"alg": alg, "kid": Key.of(other).kid}):
                bench.refused(made(bench, header, secret=other))


ODD_HEADERS: list[dict[str, Any]] = [
    {"typ": "JWT"},
    {"typ": "application/at+jwt"},
    {"kid": "1"},
    {"cty": "JWT"},
    {"jku": "https://evil.example/"},
]
ODD_CLAIMS: list[dict[str, Any]] = [
    {"iss": "https://evil.example"},
    {"aud": "https://evil.example"},
    {"sub": 1},
    {"exp": 1},
    {"token_type": "id"},
    {"scope": "admin"},
    {"nbf": 32_503_680_000},
]


def test_the_right_key_alone_makes_nothing_good(bench: Bench) -> None:
    for header in ODD_HEADERS:
        bench.refused(made(bench, header))
    for claims in ODD_CLAIMS:
        bench.refused(made(bench, claims=claims), bench.sentence, "Token expired")
    bench.refused(made(bench, {"typ": {"at+jwt": "rt+jwt", "rt+jwt": "at+jwt"}[bench.header["typ"]]}))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_longer_hash_under_the_right_key_is_refused(alice: User, algorithm: str) -> None:
    bench = AccessBench(logged_in())
    bench.control()
    bench.refused(made(bench, {"alg": algorithm}))
    bench.control()


def test_other_forms_of_a_signed_or_sealed_thing_are_refused(alice: User) -> None:
    bench = AccessBench(logged_in())
    payload = base64.urlsafe_b64decode(bench.text.split(".")[1] + "==")
    key = theirs(bench.secret)
    sealed = jwe.encrypt_compact({"alg": "dir", "enc": "A128CBC-HS256"}, payload, OctKey.generate_key(256))
    nested = jws.serialize_compact({**bench.header, "cty": "JWT"}, bench.text.encode(), key)
    for text in (sealed, f"{sealed}.{bench.text}", nested):
        bench.refused(text)
    bench.control()


def test_both_keys_may_be_of_different_kinds_and_replaced(alice: User, settings: Settings) -> None:
    """A new key in front signs, by another algorithm; the old one verifies until it is taken out."""
    holder: Holder = logged_in()
    old = AccessBench(holder)
    settings.JWT_ACCESS_KEYS = [random_key("EdDSA"), *jwt_conf.JWT_ACCESS_KEYS]
    new = AccessBench(logged_in())
    assert (old.header["alg"], new.header["alg"]) == ("HS256", "EdDSA")
    assert old.send(old.text).status_code == new.send(new.text).status_code == 200
    for kid in (old.header["kid"], new.header["kid"]):
        for secret in (old.secret, new.secret):
            text = made(old, {"kid": kid, "alg": Key.of(secret).algorithm}, secret=secret)
            if kid == Key.of(secret).kid:
                assert new.send(text).status_code == 200
            else:
                new.refused(text)
    settings.JWT_ACCESS_KEYS = jwt_conf.JWT_ACCESS_KEYS[:1]
    new.refused(old.text)
    assert new.send(new.text).status_code == 200
