"""Reads a token, verifies it, or forges one. Each is an action of its own, and none of them signs unasked.

A token that is sent in is shown once and not kept: it is in no address, no store and no log.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from jwt_demo import lifecycle
from jwt_demo.models import Policy
from jwt_demo.tokens import AccessToken
from lab.claims.sandbox import open_sandbox
from lab.experiments import jws, verification
from lab.experiments.jws import MAX_LENGTH, DecodedToken
from lab.pages import render_page
from security.client import Client

TEMPLATE = "lab/token.html"
# Seconds. Enough to read it, verify it and see it expire; its user is deleted at once.
FRESH_LIFETIME = 120
MAX_SECRET = 200
SIGNED_WITH = (*jws.DIGESTS, "EdDSA", "none")


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The page; posted, with the result of the chosen action. 400 with a sentence for a text that is too long."""
    posted = request.POST
    fields = {**forgery_form(), **posted.dict()}
    context: dict[str, Any] = {
        "algorithms": SIGNED_WITH,
        "longest": MAX_LENGTH,
        "fields": fields,
        "fresh": FRESH_LIFETIME,
    }
    if request.GET.get("show") == "sample" and not posted:
        return render_page(request, TEMPLATE, context | show_sample(fields))
    if posted and sum(len(value) for value in posted.values()) > MAX_LENGTH:
        context |= {"problem": f"That is more than {MAX_LENGTH:,} characters; no token is so long.", "fields": {}}
        return render_page(request, TEMPLATE, context, {"error": context["problem"]}, status=400)
    verbs = {"decode": decode, "verify": verify, "forge": forge, "fresh": issue_fresh_token, "sample": show_sample}
    if verb := verbs.get(posted.get("do", "")):
        context |= verb(fields)
    return render_page(request, TEMPLATE, context)


def forgery_form() -> dict[str, str]:
    """What the forging form begins with: an administrator, and nothing wrong but the key."""
    token = AccessToken()
    backend = token.token_backend
    key = backend.ring.active
    header = {"alg": key.algorithm, "typ": token.kind, "kid": key.kid}
    claims = {"sub": "1", "role": "admin", "ver": 0, "sid": str(UUID(int=0)), "iss": backend.issuer}
    claims |= {"aud": backend.audience, "auth_time": token["iat"]}
    payload = token.payload | claims
    algorithm = key.algorithm if key.algorithm in SIGNED_WITH else "EdDSA"
    return {"header": jws.format_json(header), "payload": jws.format_json(payload), "algorithm": algorithm}


def decode(fields: dict[str, str]) -> dict[str, Any]:
    """What the text says, under any signature; and whether the secret that was typed made the signature."""
    decoded = jws.decode(fields.get("token", ""))
    return {
        "reading": describe_token(decoded),
        "tried": try_secret(decoded, fields.get("secret", "")),
        "fields": fields,
    }


def describe_token(decoded: DecodedToken) -> dict[str, Any]:
    """A reading, ready to be shown."""
    texts = [jws.format_json(part) if part is not None else "" for part in (decoded.header, decoded.payload)]
    # Not `asdict`, which goes into the payload: one that is nested deeply enough would end in a RecursionError.
    more = {"token": decoded.token, "parts": decoded.parts, "header_text": texts[0], "payload_text": texts[1]}
    return vars(decoded) | more


def try_secret(decoded: DecodedToken, secret: str) -> dict[str, Any] | None:
    """The signature computed again under `secret`; `None` when there is nothing to compute or to compare with."""
    if not secret or len(decoded.segments) != 3:
        return None
    signed, _, sent = decoded.token.rpartition(".")
    algorithm = decoded.header.get("alg") if isinstance(decoded.header, dict) else None
    # A header may say anything, and a list cannot be looked up.
    if not isinstance(algorithm, str) or algorithm not in jws.DIGESTS:
        return {"cannot": True}
    computed = jws.compute_signature(signed, secret[:MAX_SECRET].encode(), algorithm)
    return {"algorithm": algorithm, "computed": computed, "same": computed == sent}


def verify(fields: dict[str, str]) -> dict[str, Any]:
    """What this server's own verification says, as either kind of token, and what its endpoint answers."""
    text = strip_scheme(fields.get("token", ""))
    kind = verification.likely_kind(text)
    other = next(name for name in verification.KINDS if name != kind)
    found = {"examination": verification.examine(text, kind), "other": verification.examine(text, other)}
    return found | {"answer": ask_whoami(text), "fields": fields}


def strip_scheme(text: str) -> str:
    """What would follow `Bearer` in the header: HTTP takes the blanks around a value away, and none inside it."""
    text = text.strip()
    scheme, _, rest = text.partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else text


def ask_whoami(text: str) -> str:
    """What whoami answers to it."""
    if not (text and text.isascii() and text.isprintable()) or len(text) > MAX_LENGTH:
        return ""
    with open_sandbox() as sandbox:
        answer = sandbox.browser().get("/jwt/api/whoami", headers={"Authorization": f"Bearer {text}"})
    return f"{answer.status} {answer.json.get('error') or answer.json.get('role') or ''}".strip()


def forge(fields: dict[str, str]) -> dict[str, Any]:
    """A token of exactly the two texts, under a key of the visitor's own or none; and what the server makes of it."""
    secret = fields.get("key", "")[:MAX_SECRET].encode()
    algorithm = fields["algorithm"] if fields["algorithm"] in SIGNED_WITH else "none"
    token = jws.build_token(fields["header"], fields["payload"], secret, algorithm)
    found = verify(fields | {"token": token})
    return {"forged": token, "forged_examination": found["examination"], "forged_answer": found["answer"]}


def issue_fresh_token(fields: dict[str, str]) -> dict[str, Any]:
    """A real access token of a deleted user: it says nothing about a real user, and expires soon."""
    with open_sandbox() as sandbox:
        policy = replace(Policy.default(), access=FRESH_LIFETIME)
        token = str(lifecycle.start(sandbox.person().user, Client(), policy=policy).access)
    return decode(fields | {"token": token}) | {"is_fresh": True}


def show_sample(fields: dict[str, str]) -> dict[str, Any]:
    """The copied sample, and whose signature it has."""
    head, body, _ = jws.sample_token().split(".")
    secret = jws.JOHN_DOE_SECRET
    doe = jws.build_token(jws.SAMPLE_HEADER, jws.JOHN_DOE_PAYLOAD, secret.encode())
    found = {
        "secret": secret,
        "borrowed": jws.SAMPLE_SIGNATURE,
        "own": jws.compute_signature(f"{head}.{body}", secret.encode()),
        "doe": doe.rpartition(".")[2],
        "doe_payload": jws.JOHN_DOE_PAYLOAD,
        "payload": jws.SAMPLE_PAYLOAD,
    }
    return decode(fields | {"token": jws.sample_token(), "secret": secret}) | {"sample": found}
