"""Weak: the header of a token tells the verifier how to verify the token."""

import base64
import hmac
import json
import os
import stat
import time
import warnings
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe
from jwt.algorithms import RSAAlgorithm

from attack_range import preparation
from attack_range.weak import looks

# The secret below is shorter than PyJWT advises, and PyJWT would warn for every token.
warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)
# The key in `main.key`. It is in every list of common secrets.
SECRET = "your-256-bit-secret"  # noqa: S105
ALICE = {"sub": "alice", "role": "member"}
LIFETIME = 15 * 60
# Most bytes that are read from a key file. A large file must not fill the memory of this process.
LONGEST_KEY = 4096
# Most bytes of a token, and of the modulus of a key in its header. The time of a verification grows with both.
LONGEST_TOKEN, LONGEST_MODULUS = 4096, 512
# The errors that the functions below raise for a text that is not a token.
ERRORS = (ValueError, TypeError, LookupError, AttributeError, OSError, RecursionError, jwt.PyJWTError)
RSA = RSAAlgorithm(RSAAlgorithm.SHA256)


def verify(token: str) -> dict[str, Any]:
    """The claims of a token that the verifier accepts. Raises one of `ERRORS` for any other text."""
    if len(token) > LONGEST_TOKEN:
        raise ValueError("The token is too long.")
    signed, _, signature = token.rpartition(".")
    header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
    algorithm = header.get("alg") or "none"
    if algorithm.lower() == "none":
        return dict(claims)
    fits = {"HS256": _hmac_fits, "RS256": _rsa_fits}[algorithm]
    if not fits(_key(header), signed.encode(), _decoded(signature)):
        raise ValueError("The signature is wrong.")
    return dict(claims)


def _key(header: dict[str, Any]) -> bytes:
    if "jwk" in header:
        return _pem(RSAAlgorithm.from_jwk(_public_part(header["jwk"])))
    if "kid" in header:
        with _opened(_folder() / header["kid"]) as file:
            return file.read(LONGEST_KEY)
    return public_key()


def _public_part(jwk: dict[str, Any]) -> dict[str, Any]:
    # With a private part, PyJWT would try to factor the modulus, and this thread might never answer.
    if len(_decoded(jwk["n"])) > LONGEST_MODULUS:
        raise ValueError("The modulus is too long.")
    return {name: jwk[name] for name in ("kty", "n", "e")}


def _opened(file: Path) -> BinaryIO:
    # Reading a named pipe or a terminal would block this thread. Of the devices, the attack needs only /dev/null.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    found, empty = os.fstat(descriptor), Path(os.devnull).stat()
    is_empty = stat.S_ISCHR(found.st_mode) and found.st_rdev == empty.st_rdev
    if stat.S_ISREG(found.st_mode) or is_empty:
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise ValueError("This is not a file.")


def _hmac_fits(key: bytes, signed: bytes, signature: bytes) -> bool:
    return hmac.compare_digest(hmac.digest(key, signed, "sha256"), signature)


def _rsa_fits(key: bytes, signed: bytes, signature: bytes) -> bool:
    return RSA.verify(signed, RSA.prepare_key(key), signature)  # type: ignore[arg-type]


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _folder() -> Path:
    folder = preparation.folder() / "weak-keys"
    folder.mkdir(exist_ok=True)
    (folder / "main.key").write_text(SECRET)
    return folder


@cache
def _private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def public_key() -> bytes:
    """The public key for this server's tokens, as PEM."""
    return _pem(_private_key().public_key())


def tokens() -> dict[str, str]:
    """Alice's real tokens: one signed with RSA, and one with the secret in a key file."""
    claims = ALICE | {"exp": int(time.time()) + LIFETIME}
    by_rsa = jwt.encode(claims, _private_key(), "RS256")
    by_file = jwt.encode(claims, (_folder() / "main.key").read_bytes(), "HS256", {"kid": "main.key"})
    return {"rsa": by_rsa, "file": by_file}


@require_POST
def log_in(request: HttpRequest) -> HttpResponse:
    """Returns Alice's tokens and the public key."""
    return JsonResponse(tokens() | {"publicKey": public_key().decode()})


@require_safe
def staff(request: HttpRequest) -> HttpResponse:
    """A page for administrators only. 401 for a token that is refused, 403 for another role."""
    status, claims = _answer(request.headers.get("Authorization", "").removeprefix("Bearer "))
    return JsonResponse(claims, status=status)


def _answer(token: str) -> tuple[int, dict[str, Any]]:
    try:
        claims = verify(token)
    except ERRORS:
        return 401, {"error": "Invalid token"}
    return (200 if claims.get("role") == "admin" else 403), claims


def page(request: HttpRequest) -> HttpResponse:
    """For a visitor: Alice's tokens, a form that creates a token, and one that verifies it."""
    parts = []
    if token := request.POST.get("token", "").strip():
        status, claims = _answer(token)
        parts = [looks.outcome(f"The verifier answers {status}: {json.dumps(claims)}")]
    parts += [looks.heading("Verify a token"), looks.form("", "Verify", looks.area("token", "Token", token))]
    return looks.page("A staff page behind a token", *parts, *_material(), _maker())


def _material() -> list[SafeString]:
    known = tokens()
    return [
        looks.heading("What Alice has"),
        looks.text("Alice is a member. The staff page is for the role admin."),
        looks.value("Her token, signed with RSA (RS256):", known["rsa"]),
        looks.value("Her token, signed with the secret in main.key (HS256):", known["file"]),
        looks.value("The public key, which is no secret:", public_key().decode()),
    ]


def _maker() -> SafeString:
    return looks.form(
        "make",
        "Make a token",
        looks.heading("Make a token"),
        looks.area("header", "Header", json.dumps({"alg": "none"})),
        looks.area("claims", "Claims", json.dumps(ALICE | {"role": "admin"})),
        looks.choice("signature", "Signature", "empty", "empty", "HMAC with SHA-256"),
        looks.area("secret", "Secret of the HMAC, which may be empty"),
    )


@require_POST
def make(request: HttpRequest) -> HttpResponse:
    """A token that the visitor has put together, with a form that verifies it."""
    parts = (request.POST.get(name, "").encode() for name in ("header", "claims"))
    signed = ".".join(_encoded(part) for part in parts)
    # A browser sends each line end of a form as \r\n, but the PEM file has \n.
    secret = request.POST.get("secret", "").replace("\r\n", "\n").encode()
    is_empty = request.POST.get("signature") == "empty"
    signature = "" if is_empty else _encoded(hmac.digest(secret, signed.encode(), "sha256"))
    token = looks.area("token", "Token", f"{signed}.{signature}")
    return looks.page("Your token", looks.form("./", "Verify", token))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


urlpatterns = [
    path("", page),
    path("make", make),
    path("login", log_in),
    path("staff", staff),
]
