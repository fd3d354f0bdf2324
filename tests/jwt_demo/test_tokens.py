"""Forged and malformed tokens: what an attacker may send, and what is refused even if the right key signed it."""

import hashlib
import json
import secrets
import socket
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings
from rest_framework_simplejwt.exceptions import TokenError

from accounts.models import User
from jwt_demo import key_writing, keys
from jwt_demo.conf import simple_jwt
from jwt_demo.keys import ALGORITHMS, ED25519, ES256, Key
from jwt_demo.tokens import COMMON, LONGEST, AccessToken, RefreshToken
from tests.conftest import NOON, Clock
from tests.jwt_demo.conftest import Holder, logged_in
from tests.jwt_demo.forge import (
    ABSENT,
    BENCHES,
    SIGNED,
    AccessBench,
    Bench,
    RefreshBench,
    b64,
    jws,
    opened,
    segment,
    signature,
    use_keys,
)

EXPIRED = ("Token expired", "Invalid token", "Invalid refresh token")
many = hypothesis_settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@pytest.fixture(params=SIGNED, ids="-".join)
def bench(request: pytest.FixtureRequest, alice: User, settings: Settings) -> Iterator[Bench]:
    """A bench for each kind of token and each algorithm. A good token works before and after each test."""
    kind, algorithm = request.param
    use_keys(settings, algorithm)
    bench: Bench = BENCHES[kind](logged_in())
    assert bench.header == {"alg": algorithm, "typ": bench.kind.kind, "kid": bench.key.kid}
    bench.control()
    yield bench
    bench.control()


@pytest.fixture(params=ALGORITHMS["access"])
def access(request: pytest.FixtureRequest, alice: User, settings: Settings) -> Iterator[AccessBench]:
    """The same for access tokens only."""
    use_keys(settings, request.param)
    bench = AccessBench(logged_in())
    bench.control()
    yield bench
    bench.control()


# ── Algorithms and keys (A2 to A5) ────────────────────────────────────────────────────────────


def test_no_algorithm_is_no_signature(bench: Bench) -> None:
    for alg in ("none", "None", "NONE", "nOnE", "", None, ABSENT, [], [bench.key.algorithm]):
        bare = bench.forge({"alg": alg}).rpartition(".")[0]
        for end in ("", ".", ".AA", f".{b64(b'none')}"):
            bench.refused(bare + end)
        for secret in (None, ""):
            bench.refused(bench.forge({"alg": alg}, secret=secret))


NAMES = ["HS256", "HS384", "HS512", "EdDSA", "Ed25519", "RS256", "ES256", "ES256K", "ES384", "PS256"]


def test_a_key_has_one_algorithm(bench: Bench) -> None:
    own = bench.key.algorithm
    for name in {*NAMES, own.lower(), own.upper(), own.swapcase(), f" {own}", f"{own}\0"} - {own}:
        bench.refused(bench.forge({"alg": name}))
        for digest in ("sha256", "sha384", "sha512"):
            bench.refused(bench.forge({"alg": name}, secret=bench.secret, digest=digest))
    for digest in ("sha384", "sha512"):
        bench.refused(bench.forge(secret=bench.secret, digest=digest))


OWN = secrets.token_bytes(32)
POINTERS: list[dict[str, Any]] = [
    {"jwk": {"kty": "oct", "k": b64(OWN)}},
    {"jku": "https://keys.evil.example/jwks.json"},
    {"jku": "http://localhost/static/jwks.json"},
    {"jku": "http://localhost/.well-known/jwks.json"},
    {"x5u": "https://keys.evil.example/cert.pem"},
    {"x5c": [b64(OWN)]},
    {"x5t": b64(OWN[:20])},
    {"kid": "../../../../dev/null"},
    {"kid": "/dev/null"},
    {"kid": "keys.json"},
    {"kid": "x' UNION SELECT 'secret"},
    {"kid": ""},
    {"kid": None},
    {"kid": ABSENT},
    {"kid": ["x"]},
    {"kid": {"a": 1}},
    {"kid": 0},
    {"kid": "a" * 1000},
    {"cty": "JWT"},
    {"note": ""},
]


def test_no_header_chooses_a_key_and_nothing_is_fetched(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed by the site's own key, by a key of the attacker, or by an HMAC with what the header points to."""
    fetched: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_: fetched.append(args))
    own = Key.of(key_writing.new_secret(bench.key.algorithm))
    for header in [*POINTERS, *({"jwk": key.public} for key in (own, bench.key) if key.public)]:
        for secret in (None, own, OWN, b"", b"\0", "secret"):
            bench.refused(bench.forge(header, secret=secret))
    assert fetched == []


def test_the_name_of_another_ring_is_unknown(bench: Bench, settings: Settings) -> None:
    other = keys.ring("refresh" if bench.kind is AccessToken else "access").active
    for key in (other, Key.of(settings.SECRET_KEY)):
        for kid in (key.kid, bench.key.kid):
            for alg in (key.algorithm, bench.key.algorithm):
                bench.refused(bench.forge({"kid": kid, "alg": alg}, secret=key))
        bench.refused(bench.forge({"kid": key.kid}))


COMMON_SECRETS = """
secret Secret SECRET secret123 changeme change-me change_me changeit password Password1 passw0rd 123456 12345678
1234567890 qwerty admin root test key mykey my-secret mysecret your-secret your_secret your-256-bit-secret
your-384-bit-secret your-512-bit-secret your_jwt_secret jwt jwtsecret jwt_secret jwt-secret JWT_SECRET
JWT_SECRET_KEY supersecret super-secret super_secret_key topsecret token tokensecret accesstoken access-token-
secret refresh-token-secret ACCESS_TOKEN_SECRET REFRESH_TOKEN_SECRET hmac hs256 HS256 signing-key SECRET_KEY
SIGNING_KEY django-insecure django-insecure-key development dev production example s3cr3t shhhhh hello letmein
default none null undefined false true a-string-secret-at-least-256-bits-long AllYourBase
gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr9C
""".split()  # noqa: SIM905


def typed(bench: Bench, word: str) -> Iterator[Key]:
    """The keys of this algorithm that can be made from a word: from the word itself, and from 32 bytes of it."""
    for text in (word, word + "\n", (word * 32)[:32]):
        if bench.key.algorithm == "HS256":
            yield Key("", "HS256", text.encode(), text.encode())
        else:
            prefix = {"EdDSA": ED25519, "ES256": ES256}[bench.key.algorithm]
            for raw in {hashlib.sha256(text.encode()).digest(), text.encode().ljust(32, b"x")[:32]}:
                yield Key.of(prefix + b64(raw))


def is_by(key: Key, signed: str, signature_of_it: str) -> bool:
    """Whether this key, or its public half, verifies the signature of a text."""
    if key.algorithm == "HS256":
        return b64(signature(key, signed)) == signature_of_it
    try:
        jwt.decode(f"{signed}.{signature_of_it}", key.verifying, [key.algorithm], options={"verify_aud": False})
    except jwt.InvalidSignatureError:
        return False
    return True


def test_no_secret_that_somebody_typed_verifies_a_token(bench: Bench) -> None:
    signed, _, last = bench.text.rpartition(".")
    known = [bench.header["kid"], bench.claims["iss"], bench.claims["aud"], bench.claims["jti"], bench.claims["sub"]]
    for word in ["", "\1" * 32, "x" * 50, *COMMON_SECRETS, *known]:
        assert not any(is_by(key, signed, last) for key in typed(bench, word))
        bench.refused(bench.forge(secret=word))
    assert is_by(bench.key, signed, last)  # the control: the right key is found


# ── Form (A6, A7, A8, A20) ────────────────────────────────────────────────────────────────────


def test_no_bit_can_be_flipped(bench: Bench) -> None:
    text = bench.text.encode()
    for place in range(len(text)):
        for bit in range(8):
            bent = text[:place] + bytes([text[place] ^ 1 << bit]) + text[place + 1 :]
            with pytest.raises(TokenError):
                bench.kind(bent)
    for place in (0, text.index(b".") - 1, text.index(b".") + 1, text.rindex(b".") - 1, len(text) - 1):
        bench.refused(text[:place] + (b"B" if text[place : place + 1] == b"A" else b"A") + text[place + 1 :])


@many
@given(data=st.data())
def test_no_edit_of_a_token_is_another_token(access: AccessBench, data: st.DataObject) -> None:
    text, at = access.text, data.draw(st.integers(0, len(access.text)))
    length = data.draw(st.integers(0, 40))
    piece = data.draw(st.text(st.characters(codec="latin-1"), max_size=40) | st.just(text[at : at + length][::-1]))
    bent = text[:at] + piece + text[at + length :]
    if bent != text:
        with pytest.raises(TokenError):
            AccessToken(bent)


@many
@given(raw=st.binary(max_size=200) | st.from_regex(r"[\w.=+/-]{0,80}", fullmatch=True).map(str.encode))
def test_what_is_no_token_at_all_is_refused_and_breaks_nothing(access: AccessBench, raw: bytes) -> None:
    for kind in (AccessToken, RefreshToken):
        with pytest.raises(TokenError):
            kind(raw)


@many
@given(header=st.binary(max_size=60), claims=st.binary(max_size=60))
def test_any_bytes_under_the_right_key_are_refused_and_break_nothing(
    access: AccessBench, header: bytes, claims: bytes
) -> None:
    for text in (access.forge(header), access.forge(None, claims), access.forge(header, claims)):
        with pytest.raises(TokenError):
            AccessToken(text)


def spelled_otherwise(bench: Bench) -> str:
    """A good token of this kind whose signature has both characters that differ between the alphabets."""
    for number in range(1000):
        text = bench.forge({}, {"jti": f"{bench.claims['jti']}{number}"})
        if {"-", "_"} <= set(text.rpartition(".")[2]):
            bench.kind(text)
            return text
    raise AssertionError


def other_spellings(text: str) -> list[str]:
    """All other texts that a lenient reader would accept for one good token."""
    head, body, last = text.split(".")
    forms = [f"{text}=", f"{text}==", f"{head}=.{body}.{last}", f"{head}.{body}=.{last}"]
    forms += [text.replace("-", "+"), text.replace("_", "/"), text.replace("-", "+").replace("_", "/")]
    forms += [
        f"{head}. {body}.{last}",
        f"{head}.{body}\t.{last}",
        f"{head}.{body}.\n{last}",
        f"{text}\0",
    ]
    forms += [
        f"{head}.{body}",
        head,
        f"{text}.",
        f".{text}",
        f"{text}.{last}",
        f"{text}.a.b",
        f"{head}..{last}",
    ]
    forms += [f"..{last}", "..", "...", f"{text},{text}", f"{text} {text}", f'"{text}"', f"%2E{text}"]
    forms.append(json.dumps({"protected": head, "payload": body, "signature": last}))
    forms.append(json.dumps({"payload": body, "signatures": [{"protected": head, "signature": last}]}))
    return forms


def test_a_token_has_one_spelling(bench: Bench) -> None:
    text = spelled_otherwise(bench)
    for form in other_spellings(text):
        bench.refused(form)
    for space in (" ", "\t", "\n", "\r\n", "\x0b", "\xa0"):
        for padded in (f"{text}{space}", f"{space}{text}"):
            with pytest.raises(TokenError):
                bench.kind(padded)


def test_the_bits_that_decode_to_nothing_are_nothing(bench: Bench) -> None:
    """The last character has 2 such bits after 32 bytes and 4 after 64: four or sixteen spellings of one signature."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = alphabet.index(bench.text[-1])
    spellings = {43: 4, 86: 16}[len(bench.text.rpartition(".")[2])]
    assert place % spellings == 0
    for other in range(place + 1, place + spellings):
        bench.refused(bench.text[:-1] + alphabet[other])


CRITICAL: list[dict[str, Any]] = [
    {"crit": []},
    {"crit": ["exp"], "exp": 1},
    {"crit": ["nobody-knows"], "nobody-knows": True},
    {"crit": ["alg"]},
    {"crit": "b64"},
    {"crit": None},
    {"crit": ["b64"], "b64": False},
    {"crit": ["b64"], "b64": True},
    {"b64": False},
]


def test_nothing_is_critical_here(bench: Bench) -> None:
    for header in CRITICAL:
        bench.refused(bench.forge(header))
        # RFC 7797: the payload without base64url, and a signature that is right for that.
        head, payload = segment({**bench.header, **header}), json.dumps(bench.claims)
        bench.refused(f"{head}.{payload}.{b64(signature(bench.key, f'{head}.{payload}'))}")


def sized(bench: Bench, size: int) -> str:
    """A good token of about that size, because JSON may end with blanks."""
    claims = json.dumps(bench.claims).encode()
    return bench.forge({}, claims + b" " * ((size - len(bench.forge({}, claims))) * 3 // 4))


def test_a_token_has_at_most_four_kib(bench: Bench) -> None:
    longest, too_long = sized(bench, LONGEST), sized(bench, LONGEST + 4)
    assert LONGEST - 3 <= len(longest) <= LONGEST < len(too_long) < LONGEST + 6
    bench.kind(longest)
    bench.refused(too_long)
    bench.refused(sized(bench, 10_000))
    assert LONGEST == 4096


DEEP = [
    b"[" * 2900,
    b"[" * 1400 + b"]" * 1400,
    b'{"a":' * 550 + b"1" + b"}" * 550,
    b"9" * 2900,
    b'"' + b"\\u0000" * 480,
]


def test_deep_or_long_json_is_refused(bench: Bench) -> None:
    for part in DEEP:
        bench.refused(bench.forge(part))
        bench.refused(bench.forge({}, part))
        whole = json.dumps(bench.claims).encode()[:-1] + b', "more": ' + part + b"}"
        bench.refused(bench.forge({}, whole))


def test_a_huge_header_is_a_401(access: AccessBench) -> None:
    for size in (5_000, 70_000, 1_000_000):
        for text in ("a" * size, "." * size, f"{'a' * size}.{'b' * size}.c", access.text + "a" * size):
            answer = access.send(text)
            assert (answer.status_code, answer.json()) == (401, {"error": "Invalid token"})


NO_OBJECT = [
    b"[]",
    b'"text"',
    b"null",
    b"42",
    b"true",
    b" ",
    b"{",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"{}{}",
    b"{'a': 1}",
]


def test_a_part_that_is_no_object_is_refused(bench: Bench) -> None:
    for part in NO_OBJECT:
        bench.refused(bench.forge(part))
        bench.refused(bench.forge({}, part))


# ── Claims (A9, A10, A12, A13) ────────────────────────────────────────────────────────────────

FAR = 32_503_680_000  # the year 3000
TIMES: list[Any] = [ABSENT, None, "soon", "", str(FAR), True, False, [], [FAR], {}, {"a": FAR}, FAR + 0.5, 1e30, -1.5]
TIMES += [10**30, 2**63, -(2**63), 10**200, float("inf"), float("-inf"), float("nan"), "Infinity", "\0", -1]


def test_a_time_is_a_whole_number_of_seconds(bench: Bench) -> None:
    for name in bench.claims.keys() & {"exp", "iat", "auth_time"}:
        for value in TIMES:
            bench.refused(bench.forge({}, {name: value}), *EXPIRED)


def test_infinity_has_more_than_one_spelling(bench: Bench) -> None:
    for number in (b"1e999", b"-1e999", b"1E+400", b"1" + b"0" * 400, b"1" * 2000):
        claims = json.dumps({**bench.claims, "exp": 0}).encode().replace(b'"exp": 0', b'"exp": ' + number)
        assert number in claims
        bench.refused(bench.forge({}, claims), *EXPIRED)


def test_what_is_past_or_not_yet_is_refused(bench: Bench, clock: Clock) -> None:
    """The clock stands still, and `iat` is now."""
    clock(0)
    now = AccessToken()["iat"]
    for change in ({"exp": now}, {"exp": now - 1}, {"exp": 0}, {"exp": 1}):
        bench.refused(bench.forge({}, {"iat": now - 900, **change}), *EXPIRED)
    for change in ({"iat": now + 31}, {"iat": FAR}, {"nbf": now + 2}, {"nbf": FAR}, {"nbf": now - 1}, {"nbf": "x"}):
        bench.refused(bench.forge({}, {"iat": now, "exp": now + 900, **change}))
    bench.kind(bench.forge({}, {"iat": now, "exp": now + 1}))


@pytest.mark.parametrize("algorithm", ALGORITHMS["access"])
@pytest.mark.parametrize("ahead", [0, 2, 29, 30, 31, 3600])
def test_the_clock_of_the_machine_that_issued_a_token_may_be_half_a_minute_ahead(
    alice: User, clock: Clock, settings: Settings, ahead: int, algorithm: str
) -> None:
    """Both kinds of token, at the endpoints of a machine whose clock is right."""
    use_keys(settings, algorithm)
    clock(ahead)
    holder = logged_in()
    refresh, access = RefreshBench(holder), AccessBench(holder)
    clock(0)
    if ahead > 30:
        access.refused(access.text)
        refresh.refused(refresh.text)
        clock(ahead - 30)  # the date was the only reason
    assert access.send(access.text).status_code == refresh.send(refresh.text).status_code == 200


def test_the_end_of_a_token_holds_to_the_second_whatever_its_date(bench: Bench, clock: Clock) -> None:
    now = int(NOON.timestamp())
    for behind in (-30, -2, 0, 2, 30):
        clock(0)
        text = bench.forge({}, {"iat": now - behind, "exp": now + 60})
        clock(59)
        bench.kind(text)
        clock(60)
        bench.refused(text, *EXPIRED)
    clock(0)


ODD: list[Any] = [ABSENT, None, True, False, 0, 1, -1, 1.0, 10**30, [], ["1"], [1], {}, {"a": "1"}, "", "\0", "a\0b"]
ODD += ["\ud800", "\u202e", "a\nb", "x" * 256]
TEXTS = {"token_type", "iss", "aud", "sub", "jti", "sid", "role"}
ODD_NUMBERS: list[Any] = [ABSENT, None, True, False, -1, 1.0, 0.0, 2**31, 10**30, [], [0], {}, "", "0", "1", "\0"]


def test_a_claim_of_another_type_is_refused(bench: Bench) -> None:
    for name in bench.claims.keys() & TEXTS:
        for value in ODD:
            if (name, value) != ("role", ""):  # a user may have no role
                bench.refused(bench.forge({}, {name: value}))


def test_a_number_of_another_type_is_refused(bench: Bench) -> None:
    for value in ODD_NUMBERS:
        bench.refused(bench.forge({}, {"ver" if "ver" in bench.claims else "gen": value}))


SUBJECTS = [
    "01",
    "+1",
    " 1",
    "1 ",
    "1\n",
    "1.0",
    "1e1",
    "1_0",
    "0x1",
    "true",
    "\u0663",
    str(2**63),
    "9" * 19,
]
SUBJECTS += ["9" * 30, "alice@example.com", "1 OR 1=1", "null", "None"]
FAMILIES = ["x", "1", "*", "00000000-0000-0000-0000-00000000000", "' OR ''='"]


def test_a_user_is_a_number_in_one_spelling(bench: Bench) -> None:
    for value in SUBJECTS:
        bench.refused(bench.forge({}, {"sub": value}))


def test_a_family_is_an_uuid_in_one_spelling(bench: Bench) -> None:
    good = bench.claims["sid"]
    for value in [*FAMILIES, good.upper(), good.replace("-", ""), f"{{{good}}}", f"urn:uuid:{good}", f"{good} "]:
        if value != good:
            bench.refused(bench.forge({}, {"sid": value}))


def test_a_claim_too_many_is_refused(bench: Bench) -> None:
    for more in ({"email": "a"}, {"is_staff": True}, {"role": "admin", "scope": "x"}, {"nbf": 1}, {"": 1}):
        bench.refused(bench.forge({}, more))


TYPES = ["JWT", "jwt", "at+JWT", "AT+JWT", "application/at+jwt", "rt+jwt;", "", None, ABSENT, [], ["at+jwt"], True]


def test_the_type_is_issued_and_required(bench: Bench) -> None:
    other = {"at+jwt": "rt+jwt", "rt+jwt": "at+jwt"}[bench.header["typ"]]
    for value in [*TYPES, other]:
        bench.refused(bench.forge({"typ": value}))
    other = {"access": "refresh", "refresh": "access"}[bench.claims["token_type"]]
    for value in (other, "Access", "sliding", "at+jwt", "id"):
        bench.refused(bench.forge({}, {"token_type": value}))


def test_the_token_of_the_other_kind_under_this_kinds_key_is_refused(bench: Bench) -> None:
    """Header and claims are those of the other kind, but the signature is by the key of this kind."""
    other = opened(bench.holder.refresh if bench.kind is AccessToken else bench.holder.access)
    kid = {"kid": bench.header["kid"]}
    for header in (other[0], other[0] | kid, bench.header):
        bench.refused(jws(header, other[1], bench.key))


@pytest.mark.parametrize("name", ["iss", "aud"])
def test_issuer_and_audience_are_issued_and_required(bench: Bench, name: str) -> None:
    good = bench.claims[name]
    assert good == {"iss": simple_jwt.ISSUER, "aud": simple_jwt.AUDIENCE}[name]
    wrong = [good[:-1], good + "x", good + "/", good.upper(), f" {good}", f"{good}\n", "https://evil.example", "*"]
    wrong += [[good], [good, "https://evil.example"], [], {good: 1}, None, ABSENT, "", True]
    wrong.append(bench.claims["aud" if name == "iss" else "iss"])
    for value in wrong:
        if value != good:
            bench.refused(bench.forge({}, {name: value}))


# ── What is issued (A12, A18) ─────────────────────────────────────────────────────────────────

ISSUED = {
    "access": {"token_type", "iss", "aud", "sub", "role", "iat", "exp", "jti", "sid", "ver", "auth_time"},
    "refresh": {"token_type", "iss", "aud", "sub", "iat", "exp", "jti", "sid", "gen"},
}


@pytest.mark.parametrize("algorithm", ALGORITHMS["access"])
@pytest.mark.parametrize("remember", [False, True])
def test_a_token_says_what_it_must_and_nothing_else(
    alice: User, clock: Clock, settings: Settings, remember: bool, algorithm: str
) -> None:
    use_keys(settings, algorithm)
    holder = logged_in(remember=remember)
    alice.refresh_from_db()
    for kind, text in (("access", holder.access), ("refresh", holder.refresh)):
        header, claims = opened(text)
        assert set(claims) == ISSUED[kind] == set({"access": AccessToken, "refresh": RefreshToken}[kind].claims)
        assert set(header) == {"alg", "typ", "kid"}
        own = algorithm if algorithm in ALGORITHMS[kind] else "HS256"
        assert (header["alg"], header["typ"]) == (own, {"access": "at+jwt", "refresh": "rt+jwt"}[kind])
        told = json.dumps([header, claims])
        for private in (alice.password, alice.password[-20:], alice.email, alice.name, "alice", "Mozilla", "127.0.0.1"):
            assert private not in told
        assert (claims["sub"], claims["token_type"]) == (str(alice.pk), kind)
    assert {name for kind in ISSUED.values() for name in kind} >= set(COMMON)


def test_no_two_tokens_have_one_name(alice: User) -> None:
    holders: list[Holder] = [logged_in() for _ in range(3)]
    holders[0].rotate()
    names = [opened(text)[1]["jti"] for holder in holders for text in (holder.access, holder.refresh)]
    assert len(set(names)) == len(names)
    assert all(len(name) >= 32 for name in names)
