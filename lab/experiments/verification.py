"""Explains why this server accepts or refuses a token, one question at a time.

The verdict comes from the same classes that the endpoints use; the questions only explain it. The server stops at the
first fault of a token. This module asks all questions, so that the reader sees every fault.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from django.utils import timezone
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError

from jwt_demo.conf import leeway
from jwt_demo.tokens import FORM, LONGEST, AccessToken, RefreshToken, TypedToken
from lab.experiments import jws
from lab.experiments.jws import DecodedToken

KINDS: dict[str, type[TypedToken]] = {"access": AccessToken, "refresh": RefreshToken}


@dataclass(frozen=True)
class Answer:
    """One question, whether the token passes it, and what was found."""

    question: str
    passed: bool
    found: str


@dataclass(frozen=True)
class Examination:
    """The result of verifying a text as one kind of token."""

    kind: str
    good: bool
    error: str
    answers: list[Answer]

    @property
    def reason(self) -> str:
        """The first question that the token fails, and why. "" for a valid token."""
        failed = next((answer for answer in self.answers if not answer.passed), None)
        return "" if self.good else f"{failed.question}: {failed.found}" if failed else self.error


def examine(text: str, kind: str) -> Examination:
    """Verifies `text`, exactly as it is, as a token of this kind. Stores nothing."""
    token, error = KINDS[kind](), ""
    try:
        KINDS[kind](text)
    except ExpiredTokenError:
        error = "Token expired"
    except TokenError:
        error = "Invalid token"
    decoded = jws.decode(text)
    answers = [Answer(question, *ask(token, text, decoded)) for question, ask in QUESTIONS.items()]
    return Examination(kind, not error, error, answers)


def likely_kind(text: str) -> str:
    """The kind that the header of the token names; "access" if it names neither."""
    header = jws.decode(text).header
    return "refresh" if isinstance(header, dict) and header.get("typ") == RefreshToken.kind else "access"


CheckResult = tuple[bool, str]


def _check_form(token: TypedToken, text: str, decoded: DecodedToken) -> CheckResult:
    if len(text.encode(errors="replace")) > LONGEST:
        return False, f"longer than {LONGEST:,} bytes"
    if not text:
        return False, "the text is empty"
    if not FORM.fullmatch(text):
        return False, "not three segments of A–Z, a–z, 0–9, - and _, joined by dots"
    remarks = [remark for remark in decoded.remarks if "base64url" in remark or "spelling" in remark]
    return not remarks, remarks[0] if remarks else f"three segments, {len(text):,} bytes"


def _check_header(token: TypedToken, text: str, decoded: DecodedToken) -> CheckResult:
    header = decoded.header
    if not isinstance(header, dict):
        return False, "not a JSON object"
    ring, kid = token.token_backend.ring, header.get("kid")
    key = ring[kid] if isinstance(kid, str) and kid in ring else ring.active
    wanted = {"alg": key.algorithm, "typ": token.kind, "kid": kid}
    wrong = [
        _describe_difference(name, header.get(name), value)
        for name, value in wanted.items()
        if header.get(name) != value
    ]
    wrong += [f"{_shorten(name)} is not expected" for name in header if name not in wanted]
    return not wrong, "; ".join(wrong[:4]) or f"alg {key.algorithm}, typ {token.kind}"


def _check_key(token: TypedToken, text: str, decoded: DecodedToken) -> CheckResult:
    kid = decoded.header.get("kid") if isinstance(decoded.header, dict) else None
    if kid is None:
        return False, "the header names no key (kid)"
    known = isinstance(kid, str) and kid in token.token_backend.ring
    return known, f"kid {_shorten(kid)} is {'in' if known else 'not in'} the ring of {token.token_type} keys"


def _check_signature(token: TypedToken, text: str, decoded: DecodedToken) -> CheckResult:
    for key in token.token_backend.ring.values():
        try:
            jwt.PyJWS().decode(decoded.token, key.verifying, [key.algorithm])
        except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError):
            continue
        seen = "computed again with the key {}: the same result" if key.public is None else "fits the public key {}"
        return True, seen.format(key.kid)
    return False, f"no {token.token_type} key of this server made this signature"


def _check_times(token: TypedToken, text: str, decoded: DecodedToken) -> CheckResult:
    times, now = {time_claim.claim: time_claim for time_claim in decoded.times}, timezone.now()
    if "exp" not in times or "iat" not in times:
        return False, "exp or iat is missing or is not a time"
    if times["exp"].at <= now:
        return False, f"expired {times['exp'].relative}"
    # The server lets the clock of the machine that issued a token be ahead by so much.
    if times["iat"].at > now + leeway():
        return False, f"iat is more than {leeway().total_seconds():g} s in the future"
    if "nbf" in times and times["nbf"].at > now:
        return False, "nbf is in the future"
    return True, f"expires {times['exp'].relative}"


def _check_issuer(token: TypedToken, text: str, decoded: DecodedToken) -> CheckResult:
    return _check_equal(decoded, "iss", token.token_backend.issuer)


def _check_audience(token: TypedToken, text: str, decoded: DecodedToken) -> CheckResult:
    return _check_equal(decoded, "aud", token.token_backend.audience)


def _check_type(token: TypedToken, text: str, decoded: DecodedToken) -> CheckResult:
    return _check_equal(decoded, "token_type", token.token_type)


def _check_claims(token: TypedToken, text: str, decoded: DecodedToken) -> CheckResult:
    if not isinstance(decoded.payload, dict):
        return False, "not a JSON object"
    missing = [name for name in token.claims if name not in decoded.payload]
    remarks = [
        name for name, rule in token.claims.items() if name in decoded.payload and not rule(decoded.payload[name])
    ]
    more = [_shorten(name) for name in decoded.payload if name not in token.claims]
    wrong = {"missing": missing, "of the wrong type": remarks, "unknown": more}
    said = "; ".join(f"{word}: {', '.join(names[:6])}" for word, names in wrong.items() if names)
    return not said, said or f"exactly the {len(token.claims)} that the server issues, each of the right type"


def _check_equal(decoded: DecodedToken, claim: str, wanted: object) -> CheckResult:
    value = decoded.payload.get(claim) if isinstance(decoded.payload, dict) else None
    return value == wanted, f"{wanted}" if value == wanted else _describe_difference(claim, value, wanted)


def _describe_difference(name: str, value: Any, wanted: Any) -> str:
    if value is None:
        return f"{name} is missing"
    return f"{name} is {_shorten(value)}" + (f", not {wanted}" if wanted else "")


def _shorten(value: Any) -> str:
    # The value comes from a client and goes into a sentence: long text or line breaks would break it.
    return " ".join(jws.format_json(value).split())[:60].strip('"')


QUESTIONS: dict[str, Callable[[TypedToken, str, DecodedToken], CheckResult]] = {
    "Form": _check_form,
    "Header": _check_header,
    "Key": _check_key,
    "Signature": _check_signature,
    "Times": _check_times,
    "Issuer": _check_issuer,
    "Audience": _check_audience,
    "Type": _check_type,
    "Claims": _check_claims,
}
