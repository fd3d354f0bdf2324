"""Pairs of keys and published keys: a public key signs nothing, and a key does only what its state allows."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from jwt_demo import key_writing, keys
from jwt_demo.conf import conf
from jwt_demo.keys import ALGORITHMS, DatedKey, Key, Ring, from_base64url
from jwt_demo.tokens import AccessToken
from jwt_demo.views import TokenView
from tests.conftest import NOON, Clock
from tests.jwt_demo.conftest import (
    COOKIE,
    LOGOUT,
    REAUTHENTICATE,
    RIGHT,
    WHOAMI,
    Holder,
    logged_in,
)
from tests.jwt_demo.forge import BENCHES, SIGNED, AccessBench, Bench, b64, joined, opened, use_keys

KEY_SET = "/.well-known/jwks.json"
# The order of the group of P-256 (SEC 2, section 2.4.2).
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
PAIRS = [(kind, algorithm) for kind, algorithm in SIGNED if algorithm != "HS256"]


# ── A public key is no secret (A4, A5) ────────────────────────────────────────────────────────


def points_of(jwk: dict[str, str]) -> list[bytes]:
    """The bytes of a public key. For P-256, also the point in both of its forms."""
    x = from_base64url(jwk["x"])
    if "y" not in jwk:
        return [x]
    y = from_base64url(jwk["y"])
    return [x, y, x + y, b"\4" + x + y, bytes([2 + y[-1] % 2]) + x]


def encodings_of(key: Key, jwk: dict[str, str], document: bytes) -> list[bytes]:
    """A public key in every form that could be used as the secret of an HMAC."""
    spki = [key.verifying.public_bytes(one, PublicFormat.SubjectPublicKeyInfo) for one in (Encoding.PEM, Encoding.DER)]
    ssh = key.verifying.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    thin = {name: jwk[name] for name in ("kty", "crv", "x", "y") if name in jwk}
    texts = [json.dumps(form) for form in (jwk, thin, {"keys": [jwk]})]
    texts += [json.dumps(form, separators=(",", ":"), sort_keys=True) for form in (jwk, thin, {"keys": [jwk]})]
    texts += [jwk["x"], jwk.get("y", ""), jwk["kid"], from_base64url(jwk["x"]).hex()]
    return [
        *spki,
        spki[0].strip(),
        spki[0].replace(b"\n", b"\r\n"),
        ssh,
        document,
        *points_of(jwk),
        *map(str.encode, texts),
    ]


def published(kid: str) -> tuple[dict[str, str], bytes]:
    """A published key, and the document that contains it."""
    answer = Client().get(KEY_SET)
    (found,) = [jwk for jwk in answer.json()["keys"] if jwk["kid"] == kid]
    return found, answer.content


@pytest.mark.parametrize(("kind", "algorithm"), PAIRS)
def test_a_public_key_is_no_secret(alice: User, settings: Settings, kind: str, algorithm: str) -> None:
    """The published access key is tried, and also the public half of a refresh key, which is not published."""
    use_keys(settings, algorithm)
    holder = logged_in()
    bench: Bench = BENCHES[kind](holder)
    jwk, document = published(keys.ring("access").active.kid)
    own = jwk if kind == "access" else dict(bench.key.public or {})
    assert (own["kid"], own["alg"]) == (bench.header["kid"], bench.header["alg"]) == (bench.key.kid, algorithm)
    for secret in encodings_of(bench.key, own, document):
        for alg in ("HS256", algorithm, "none"):
            bench.refused(bench.forge({"alg": alg}, secret=secret))
            bench.refused(bench.forge({"alg": alg, "jwk": own}, secret=secret))
    assert holder.whoami() == holder.rotate().status_code == 200


def test_a_key_has_the_algorithm_it_was_made_for_beside_keys_of_the_others(alice: User, settings: Settings) -> None:
    """A ring during a change of algorithm. Each key signs good tokens, under its own name only."""
    settings.JWT_ACCESS_KEYS = [key_writing.new_secret(algorithm) for algorithm in ALGORITHMS["access"]]
    bench, ring = AccessBench(logged_in()), keys.ring("access")
    assert {key.algorithm for key in ring.values()} == {"HS256", "EdDSA", "ES256"}
    for signing in ring.values():
        for named in ring.values():
            for alg in (one.algorithm for one in ring.values()):
                text = bench.forge({"kid": named.kid, "alg": alg}, secret=signing)
                if signing is named and alg == named.algorithm:
                    assert bench.send(text).status_code == 200
                else:
                    bench.refused(text)


# ── Signatures of ES256 ───────────────────────────────────────────────────────────────────────


@pytest.fixture
def es256(alice: User, settings: Settings) -> AccessBench:
    """An access token that is signed by ES256, the client that holds it, and its two numbers."""
    use_keys(settings, "ES256")
    bench = AccessBench(logged_in())
    bench.control()
    return bench


def parts(text: str) -> tuple[str, int, int]:
    """What was signed, and the two numbers of its signature."""
    signed, _, last = text.rpartition(".")
    raw = from_base64url(last)
    assert len(raw) == 64
    return signed, int.from_bytes(raw[:32]), int.from_bytes(raw[32:])


def test_a_signature_of_es256_is_two_numbers_within_the_order(es256: AccessBench) -> None:
    """A library that does not check the range accepts zeros as a signature of anything (CVE-2022-21449)."""
    signed, r, s = parts(es256.text)
    odd = [(0, 0), (0, s), (r, 0), (ORDER, ORDER), (ORDER, s), (r, ORDER), (1, 1), (s, r), (ORDER - r, s)]
    for pair in odd:
        es256.refused(f"{signed}.{b64(joined(*pair))}")
    es256.control()


def test_a_signature_of_es256_has_one_form(es256: AccessBench) -> None:
    """Exactly 64 bytes, and not the ASN.1 of X.509."""
    signed, r, s = parts(es256.text)
    raw = joined(r, s)
    assert decode_dss_signature(encode_dss_signature(r, s)) == (r, s)
    forms = [
        encode_dss_signature(r, s),
        encode_dss_signature(0, 0),
        raw[:63],
        raw[:32],
        raw[1:],
        raw + b"\0",
        b"\0" + raw,
    ]
    forms += [raw[:32] + b"\0" + raw[32:], raw + raw, raw[32:] + raw[:32], b"\0", b"\0" * 63, b"\0" * 65, b"\xff" * 64]
    for form in forms:
        es256.refused(f"{signed}.{b64(form)}")
    es256.control()


def test_the_second_signature_of_a_token_ends_with_the_first(whole: None, es256: AccessBench) -> None:
    """An ECDSA signature has a second form: its second number is subtracted from the order of the curve.

    Anybody can compute it, and RFC 7518 allows both forms. A revocation names claims of the token and not its text, so
    it ends both.
    """
    signed, r, s = parts(es256.text)
    second = f"{signed}.{b64(joined(r, ORDER - s))}"
    assert second != es256.text
    assert str(AccessToken(second).payload) == str(AccessToken(es256.text).payload)
    assert es256.send(second).status_code == 200
    assert es256.holder.call("POST", LOGOUT).status_code == 200
    for text in (es256.text, second):
        answer = es256.send(text)
        assert (answer.status_code, answer.json()) == (401, {"error": "Token revoked"})


# ── What a key does in each state (A14) ───────────────────────────────────────────────────────

# When the next key begins to sign and when the present one retires, in seconds after noon.
CHANGE, END = 100, 1100
# The states of the present key and of the next one, just before and at each of these moments.
STATES = {
    0: ("active", "pending"),
    CHANGE - 1: ("active", "pending"),
    CHANGE: ("retiring", "active"),
    END - 1: ("retiring", "active"),
    END: ("retired", "active"),
}


def moment(seconds: float) -> Any:
    return NOON + timedelta(seconds=seconds)


def present(kind: str, algorithm: str) -> DatedKey:
    """A key that signs, without a planned successor."""
    own = algorithm if algorithm in ALGORITHMS[kind] else "HS256"
    return DatedKey(key_writing.new_secret(own), moment(-1000), moment(-1000))


def plan(one: DatedKey, following: DatedKey) -> list[DatedKey]:
    """Both keys. The second replaces the first at `CHANGE`."""
    first = replace(one, retiring=moment(CHANGE), retired=moment(END))
    return [first, replace(following, pending=moment(-10), active=moment(CHANGE))]


KeyFile = Callable[..., Path]


@pytest.fixture
def key_file(settings: Settings, tmp_path: Path, clock: Clock) -> KeyFile:
    """`key_file(access=[…], refresh=[…])` writes the file of the site's keys and returns its path."""
    path = tmp_path / "keys.json"
    settings.JWT_KEY_FILE, settings.JWT_ACCESS_KEYS, settings.JWT_REFRESH_KEYS = str(path), (), ()
    # Every use of a key looks at the file, so no test has to wait for that.
    settings.JWT_KEYS_REREAD = 0

    def write(**rings: list[DatedKey]) -> Path:
        key_writing.write(path, {kind: Ring(kind, dated) for kind, dated in rings.items()})
        return path

    return write


def other(kind: str) -> str:
    return "refresh" if kind == "access" else "access"


def assert_states(bench: Bench, dated: list[DatedKey], clock: Clock) -> None:
    """Asserts at each moment which key signs, and whose tokens the endpoint accepts."""
    for seconds, states in STATES.items():
        clock(seconds)
        now = int(NOON.timestamp()) + seconds
        assert tuple(one.state(moment(seconds)) for one in dated) == states
        for one, state in zip(dated, states, strict=True):
            header = {"kid": one.key.kid, "alg": one.key.algorithm}
            bench.header, bench.claims = opened(bench.text)
            text = bench.forge(header, {"iat": now, "exp": now + 60}, secret=one.key)
            if state == "retired":
                bench.refused(text)
            else:
                answer = bench.send(text)
                assert answer.status_code == 200, (seconds, state)
                if bench.kind.token_type == "refresh":
                    bench.text = answer.cookies[COOKIE].value
        (signing,) = [one.key.kid for one, state in zip(dated, states, strict=True) if state == "active"]
        issued = logged_in()
        text = issued.access if bench.kind is AccessToken else issued.refresh
        assert opened(text)[0]["kid"] == signing, (seconds, states)


@pytest.mark.parametrize(("kind", "algorithm"), SIGNED)
def test_a_key_does_what_its_state_says_and_nothing_else(
    alice: User, key_file: KeyFile, clock: Clock, kind: str, algorithm: str
) -> None:
    """Pending and retiring keys verify, the active key also signs, and a token of a retired key is a 401."""
    dated = plan(present(kind, algorithm), present(kind, algorithm))
    key_file(**{kind: dated, other(kind): [present(other(kind), algorithm)]})
    assert_states(BENCHES[kind](logged_in()), dated, clock)


@pytest.mark.parametrize("kind", BENCHES)
def test_a_process_follows_a_plan_by_its_clock_alone(alice: User, key_file: KeyFile, clock: Clock, kind: str) -> None:
    """The file is deleted after it has been read, so only the clock can change to the next key."""
    dated = plan(present(kind, "EdDSA"), present(kind, "EdDSA"))
    path = key_file(**{kind: dated, other(kind): [present(other(kind), "HS256")]})
    bench: Bench = BENCHES[kind](logged_in())
    path.unlink()
    assert_states(bench, dated, clock)
    assert keys.key_file().problem


def test_a_token_lives_to_its_end_under_a_key_that_is_replaced(alice: User, key_file: KeyFile, clock: Clock) -> None:
    """A token issued in the last second of its key works for its fifteen minutes, and not a second longer."""
    key_file(access=plan(present("access", "EdDSA"), present("access", "EdDSA")), refresh=[present("refresh", "HS256")])
    clock(CHANGE - 1)
    holder = logged_in()
    clock(CHANGE - 1 + 899)
    assert holder.whoami() == 200
    clock(CHANGE - 1 + 900)
    assert holder.call("GET", WHOAMI).json() == {"error": "Token expired"}


# ── Lost answers across a rotation (B6) ───────────────────────────────────────────────────────


@pytest.mark.parametrize("algorithm", ALGORITHMS["refresh"])
def test_a_retry_gets_the_same_bytes_while_the_key_that_signed_them_retires(
    alice: User, key_file: KeyFile, clock: Clock, algorithm: str
) -> None:
    """The answer is signed in the last second of a key. When the client asks again, the next key is active."""
    dated = plan(present("refresh", algorithm), present("refresh", algorithm))
    key_file(access=[present("access", "EdDSA")], refresh=dated)
    clock(CHANGE - 1)
    holder = logged_in()
    lost = holder.refresh
    successor = holder.rotate(lost).cookies[COOKIE].value
    for seconds in (CHANGE - 1, CHANGE, CHANGE + 8):
        clock(seconds)
        again = holder.rotate(lost)
        assert (again.status_code, again.cookies[COOKIE].value) == (200, successor)
    assert opened(successor)[0]["kid"] == dated[0].key.kid
    following = holder.rotate(successor).cookies[COOKIE].value
    assert opened(following)[0]["kid"] == dated[1].key.kid


def forced(key_file: KeyFile) -> None:
    """Both keys have leaked. New keys sign from now on, and no other key verifies."""
    now = timezone.now()
    key_file(**{kind: [DatedKey(key_writing.new_secret("HS256"), now, now)] for kind in ALGORITHMS})


def test_after_a_forced_replacement_no_answer_is_repeated(alice: User, key_file: KeyFile, clock: Clock) -> None:
    key_file(access=[present("access", "EdDSA")], refresh=[present("refresh", "HS256")])
    holder = logged_in()
    lost = holder.refresh
    successor = holder.rotate(lost).cookies[COOKIE].value
    forced(key_file)
    for text in (lost, successor):
        answer = holder.rotate(text)
        assert (answer.status_code, answer.json()) == (401, {"error": "Invalid refresh token"})
    assert holder.whoami() == 401
    assert logged_in().rotate().status_code == 200


ASKING: dict[str, Callable[[Holder, str], Any]] = {
    "login": lambda holder, _: holder.sign_in(),
    "refresh": lambda holder, _: holder.rotate(),
    "retry": lambda holder, before: holder.rotate(before),
    "reauthenticate": lambda holder, _: holder.call("POST", REAUTHENTICATE, {"password": RIGHT}),
}


@pytest.mark.parametrize("ask", ASKING)
def test_a_key_that_is_taken_away_while_an_answer_is_signed_is_no_500(
    alice: User, key_file: KeyFile, clock: Clock, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    """The file changes after the row has named the key and before the view signs. The client can ask again."""
    key_file(access=[present("access", "EdDSA")], refresh=[present("refresh", "HS256")])
    holder = logged_in()
    before = holder.refresh
    if ask == "retry":
        holder.rotate()
    sign = TokenView.answer

    def too_late(view: TokenView, issued: Any, **more: Any) -> Any:
        monkeypatch.setattr(TokenView, "answer", sign)
        forced(key_file)
        return sign(view, issued, **more)

    monkeypatch.setattr(TokenView, "answer", too_late)
    answer = ASKING[ask](holder, before)
    assert (answer.status_code, answer.headers.get("Retry-After"), answer.cookies) == (503, "5", {}), answer.json()
    assert "accessToken" not in answer.json()
    assert holder.rotate().json() == {"error": "Invalid refresh token"}
    assert holder.sign_in().status_code == 200
    assert holder.whoami() == 200


# ── The published keys ────────────────────────────────────────────────────────────────────────


def test_only_public_access_keys_are_published(alice: User, key_file: KeyFile, clock: Clock) -> None:
    """Pending keys are included, so that a verifier has them in time. Keys of HMAC and of refresh tokens are not."""
    dated = plan(present("access", "EdDSA"), present("access", "ES256"))
    hmac = replace(present("access", "HS256"), retiring=moment(-1), retired=moment(END))
    key_file(access=[*dated, hmac], refresh=[present("refresh", "EdDSA")])
    first, following = (one.key.kid for one in dated)
    members = {
        first: {"kty", "crv", "x", "use", "alg", "kid"},
        following: {"kty", "crv", "x", "y", "use", "alg", "kid"},
    }
    for seconds, expected in {0: {first, following}, CHANGE: {first, following}, END: {following}}.items():
        clock(seconds)
        answer = Client(enforce_csrf_checks=True).get(KEY_SET)
        found = {jwk["kid"]: set(jwk) for jwk in answer.json()["keys"]}
        assert found == {kid: members[kid] for kid in expected}
        assert all(jwk["use"] == "sig" for jwk in answer.json()["keys"])
        for dated_key in [*dated, hmac]:
            assert keys.material(dated_key.secret) not in answer.content.decode()


def test_a_ring_of_hmac_publishes_nothing(alice: User) -> None:
    """These are the keys in the settings of the tests."""
    assert Client().get(KEY_SET).json() == {"keys": []}


def test_the_key_set_may_be_kept_for_less_than_a_key_is_pending(
    holder: Holder, settings: Settings, measured: Callable[..., Any]
) -> None:
    """Anybody can read it, also in an outage. A verifier that keeps it has each key before the key signs."""
    use_keys(settings, "EdDSA")
    for anybody in (Client(enforce_csrf_checks=True), holder):
        headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}
        with measured() as cost:
            answer = anybody.get(KEY_SET, headers=headers)
        assert cost.counts == (0, 0, 0)
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/jwk-set+json")
        assert answer["Cache-Control"] == f"private, max-age={conf.JWT_KEYS_MAX_AGE}"
        assert "Cookie" not in answer.get("Vary", "")
        assert answer.cookies == {}
        for method in ("post", "put", "delete", "patch"):
            assert getattr(anybody, method)(KEY_SET).status_code == 405
    assert conf.JWT_KEYS_MAX_AGE + conf.JWT_KEYS_REREAD < conf.JWT_KEYS_PENDING


def test_a_file_that_became_unreadable_leaves_the_keys_as_they_were(
    alice: User, key_file: KeyFile, log: io.StringIO
) -> None:
    path = key_file(access=[present("access", "ES256")], refresh=[present("refresh", "HS256")])
    before, holder = Client().get(KEY_SET).content, logged_in()
    path.chmod(0o640)
    path.write_text(path.read_text()[:100])
    for _ in range(2):
        assert Client().get(KEY_SET).content == before
        assert holder.whoami() == holder.rotate().status_code == 200
    assert Client().get("/readyz").json()["keys"] == keys.key_file().problem != ""
    assert log.getvalue().count("The file of the keys is not in use") == 1
