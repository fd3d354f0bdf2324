"""Another implementation (joserfc) reads our tokens. Its own tokens are good only if they are exactly like ours."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import jwt as pyjwt
import pytest
from django.test import Client
from joserfc import jwe, jws, jwt
from joserfc.errors import BadSignatureError, InvalidClaimError, InvalidKeyIdError
from joserfc.errors import ExpiredTokenError as Expired
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey
from pytest_django import Settings

from accounts.models import User
from jwt_demo import keys
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.conf import simple_jwt
from jwt_demo.key_writing import new_secret
from jwt_demo.keys import ED25519, Key, thumbprint
from tests.conftest import Clock
from tests.jwt_demo.conftest import Holder, logged_in
from tests.jwt_demo.forge import BENCHES, SIGNED, AccessBench, Bench, use_keys
from tests.jwt_demo.forge import jws as forged_jws

# RFC 9864 replaces it by a name for each curve.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
KEY_SET = "/.well-known/jwks.json"


def theirs(secret: str, private: bool = True) -> Any:
    """One of our keys as a key of joserfc."""
    key = Key.of(secret)
    if key.public is None:
        return OctKey.import_key(secret.encode())
    jwk = {name: key.public[name] for name in ("kty", "crv", "x", "y") if name in key.public}
    return (OKPKey if key.algorithm == "EdDSA" else ECKey).import_key(
        jwk | ({"d": keys.material(secret)} if private else {})
    )


def made(bench: Bench, header: Any = None, claims: Any = None, secret: str = "") -> str:
    """A token made by joserfc, like ours except for these changes."""
    header = {**bench.header, **(header or {})}
    return jwt.encode(header, {**bench.claims, **(claims or {})}, theirs(secret or bench.secret), [header["alg"]])


@pytest.fixture(params=SIGNED, ids="-".join)
def bench(request: pytest.FixtureRequest, alice: User, settings: Settings) -> Iterator[Bench]:
    """Each kind of token with each kind of key. A copy made by joserfc is good before and after the test."""
    kind, algorithm = request.param
    use_keys(settings, algorithm)
    bench: Bench = BENCHES[kind](logged_in())
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
    other = new_secret(bench.header["alg"])
    head, _, signature = bench.text.split(".")
    forged = made(bench, claims={"sub": "2"}).split(".")[1]
    for text, secret in ((bench.text, other), (f"{head}.{forged}.{signature}", bench.secret)):
        with pytest.raises(BadSignatureError):
            jwt.decode(text, theirs(secret, private=False), [bench.header["alg"]])


def test_a_key_of_another_ring_or_of_nobody_is_refused(bench: Bench, settings: Settings) -> None:
    rings = [jwt_conf.JWT_ACCESS_KEYS[0], jwt_conf.JWT_REFRESH_KEYS[0], settings.SECRET_KEY]
    for other in [*map(new_secret, ("HS256", "EdDSA", "ES256")), *rings]:
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
    """A new first key signs, by another algorithm. The old key verifies until it is removed."""
    holder: Holder = logged_in()
    old = AccessBench(holder)
    settings.JWT_ACCESS_KEYS = [new_secret("ES256"), *jwt_conf.JWT_ACCESS_KEYS]
    new = AccessBench(logged_in())
    assert (old.header["alg"], new.header["alg"]) == ("HS256", "ES256")
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


# ── Services that have the published keys and nothing else ────────────────────────────────────


class NoAccessToken(Exception):
    """The token is of another type."""


def with_joserfc(text: str, document: str) -> dict[str, Any]:
    """How a service verifies with joserfc: the key by its `kid`, the algorithm by the key, the type, the claims."""
    found = KeySet.import_key_set(json.loads(document))
    token = jwt.decode(text, found, ["EdDSA", "ES256"])
    if token.header["typ"] != "at+jwt":
        raise NoAccessToken
    jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": simple_jwt.ISSUER},
        aud={"essential": True, "value": simple_jwt.AUDIENCE},
        exp={"essential": True},
    ).validate(token.claims)
    return dict(token.claims)


def with_pyjwt(text: str, document: str) -> dict[str, Any]:
    """The same with PyJWT."""
    found = pyjwt.PyJWKSet.from_json(document)
    header = pyjwt.get_unverified_header(text)
    if header["typ"] != "at+jwt":
        raise NoAccessToken
    key = found[header["kid"]]
    return pyjwt.decode(
        text,
        key,
        [key.algorithm_name],
        audience=simple_jwt.AUDIENCE,
        issuer=simple_jwt.ISSUER,
        options={"require": ["exp", "iss", "aud"]},
    )


VERIFIERS = {"joserfc": with_joserfc, "PyJWT": with_pyjwt}


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256"])
@pytest.mark.parametrize("library", VERIFIERS)
def test_a_service_verifies_access_tokens_by_the_published_keys_alone(
    alice: User, settings: Settings, clock: Clock, library: str, algorithm: str
) -> None:
    """It refuses what the site refuses: another key, issuer, audience or type, and a token of fifteen minutes ago."""
    use_keys(settings, algorithm, others=1)
    bench = AccessBench(logged_in())
    document, verify = Client().get(KEY_SET).content.decode(), VERIFIERS[library]
    assert verify(bench.text, document) == verify(bench.forge(), document) == bench.claims
    unpublished = Key.of(new_secret(algorithm))
    wrong: dict[str, tuple[type[Exception], type[Exception]]] = {
        bench.forge({"kid": unpublished.kid}, secret=unpublished): (InvalidKeyIdError, KeyError),
        bench.forge(secret=unpublished): (BadSignatureError, pyjwt.InvalidSignatureError),
        bench.forge({}, {"iss": "elsewhere"}): (InvalidClaimError, pyjwt.InvalidIssuerError),
        bench.forge({}, {"aud": "elsewhere"}): (InvalidClaimError, pyjwt.InvalidAudienceError),
        bench.forge({"typ": "rt+jwt"}): (NoAccessToken, NoAccessToken),
    }
    for text, errors in wrong.items():
        with pytest.raises(errors):
            verify(text, document)
    clock(900)
    with pytest.raises((Expired, pyjwt.ExpiredSignatureError)):
        verify(bench.text, document)


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256"])
def test_the_name_of_a_pair_is_its_thumbprint(alice: User, settings: Settings, algorithm: str) -> None:
    """As joserfc computes it (RFC 7638), for each published key and in the header of a token."""
    use_keys(settings, algorithm, others=2)
    holder, published = logged_in(), Client().get(KEY_SET).json()
    found = {key.kid: key.thumbprint() for key in KeySet.import_key_set(published).keys}
    assert len(found) == 3
    assert all(kid == name for kid, name in found.items())
    assert AccessBench(holder).header["kid"] in found


def test_the_vectors_of_rfc_8037() -> None:
    """Appendix A: a private key, its public key, its thumbprint, and a signature."""
    d, x = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    name = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert thumbprint({"kty": "OKP", "crv": "Ed25519", "x": x}) == name
    key = Key.of(ED25519 + d)
    assert key.public == {"kty": "OKP", "crv": "Ed25519", "x": x, "use": "sig", "alg": "EdDSA", "kid": name}
    signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    text = forged_jws(b'{"alg":"EdDSA"}', b"Example of Ed25519 signing", key)
    assert text == f"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.{signature}"
