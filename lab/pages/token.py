"""Three verbs for a token, kept apart: read it, verify it, forge one. Nothing here signs behind one's back.

What is sent in is shown once and forgotten: it stands in no address, no store and no log.
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
from lab.claims.sandbox import stage
from lab.experiments import jws, verification
from lab.experiments.jws import LONGEST, Reading
from lab.pages import show
from security.client import Client

TEMPLATE = "lab/token.html"
# Seconds. Enough to read it, verify it and see it expire; whose it is, is gone at once.
FRESH = 120
SECRET = 200
SIGNED_WITH = ("HS256", "HS384", "HS512", "none")


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The page; posted, with what came of the verb that was pressed. 400 with a sentence for what is too much."""
    said = request.POST
    fields = {**forgery(), **said.dict()}
    context: dict[str, Any] = {"algorithms": SIGNED_WITH, "longest": LONGEST, "fields": fields, "fresh": FRESH}
    if request.GET.get("show") == "sample" and not said:
        return show(request, TEMPLATE, context | sampled(fields))
    if said and sum(len(value) for value in said.values()) > LONGEST:
        context |= {"problem": f"That is more than {LONGEST:,} characters; no token is so long.", "fields": {}}
        return show(request, TEMPLATE, context, {"error": context["problem"]}, status=400)
    verbs = {"decode": decoded, "verify": verified, "forge": forged, "fresh": made_fresh, "sample": sampled}
    if verb := verbs.get(said.get("do", "")):
        context |= verb(fields)
    return show(request, TEMPLATE, context)


def forgery() -> dict[str, str]:
    """What the forging form begins with: an administrator, and nothing wrong but the key."""
    token = AccessToken()
    backend = token.token_backend
    header = {"alg": "HS256", "typ": token.kind, "kid": backend.first}
    claims = {"sub": "1", "role": "admin", "ver": 0, "sid": str(UUID(int=0)), "iss": backend.issuer}
    claims |= {"aud": backend.audience, "auth_time": token["iat"]}
    payload = token.payload | claims
    return {"header": jws.shown(header), "payload": jws.shown(payload), "algorithm": "HS256"}


def decoded(fields: dict[str, str]) -> dict[str, Any]:
    """What the text says, whoever signed it; and whether the secret that was typed made the signature."""
    reading = jws.read(fields.get("token", ""))
    return {"reading": seen(reading), "tried": tried(reading, fields.get("secret", "")), "fields": fields}


def seen(reading: Reading) -> dict[str, Any]:
    """A reading, ready to be shown."""
    texts = [jws.shown(part) if part is not None else "" for part in (reading.header, reading.payload)]
    # Not `asdict`, which goes into the payload: one that is nested deeply enough would end in a RecursionError.
    more = {"token": reading.token, "parts": reading.parts, "header_text": texts[0], "payload_text": texts[1]}
    return vars(reading) | more


def tried(reading: Reading, secret: str) -> dict[str, Any] | None:
    """The signature computed again under `secret`; `None` when there is nothing to compute or to compare with."""
    if not secret or len(reading.segments) != 3:
        return None
    signed, _, sent = reading.token.rpartition(".")
    algorithm = reading.header.get("alg") if isinstance(reading.header, dict) else None
    # A header may say anything, and a list cannot be looked up.
    if not isinstance(algorithm, str) or algorithm not in jws.DIGESTS:
        return {"cannot": True}
    computed = jws.signature(signed, secret[:SECRET].encode(), algorithm)
    return {"algorithm": algorithm, "computed": computed, "same": computed == sent}


def verified(fields: dict[str, str]) -> dict[str, Any]:
    """What this server's own verification says, as either kind of token, and what its endpoint answers."""
    text = bare(fields.get("token", ""))
    kind = verification.likely_kind(text)
    other = next(name for name in verification.KINDS if name != kind)
    found = {"examination": verification.examine(text, kind), "other": verification.examine(text, other)}
    return found | {"answer": asked(text), "fields": fields}


def bare(text: str) -> str:
    """What would follow `Bearer` in the header: HTTP takes the blanks around a value away, and none inside it."""
    text = text.strip()
    scheme, _, rest = text.partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else text


def asked(text: str) -> str:
    """What whoami answers to it."""
    if not (text and text.isascii() and text.isprintable()) or len(text) > LONGEST:
        return ""
    with stage() as scene:
        answer = scene.browser().get("/jwt/api/whoami", headers={"Authorization": f"Bearer {text}"})
    return f"{answer.status} {answer.json.get('error') or answer.json.get('role') or ''}".strip()


def forged(fields: dict[str, str]) -> dict[str, Any]:
    """A token of exactly the two texts, under a key of the visitor's own or none; and what the server makes of it."""
    secret = fields.get("key", "")[:SECRET].encode()
    algorithm = fields["algorithm"] if fields["algorithm"] in SIGNED_WITH else "none"
    token = jws.made(fields["header"], fields["payload"], secret, algorithm)
    found = verified(fields | {"token": token})
    return {"forged": token, "forged_examination": found["examination"], "forged_answer": found["answer"]}


def made_fresh(fields: dict[str, str]) -> dict[str, Any]:
    """A real access token of a person who is gone again: it says nothing of anybody, and ends soon."""
    with stage() as scene:
        policy = replace(Policy.default(), access=FRESH)
        token = str(lifecycle.start(scene.person().user, Client(), policy=policy).access)
    return decoded(fields | {"token": token}) | {"is_fresh": True}


def sampled(fields: dict[str, str]) -> dict[str, Any]:
    """The copied sample, and whose signature it has."""
    head, body, _ = jws.sample().split(".")
    secret = jws.DOE_SECRET
    doe = jws.made(jws.SAMPLE_HEADER, jws.DOE, secret.encode())
    found = {
        "secret": secret,
        "borrowed": jws.SAMPLE_SIGNATURE,
        "own": jws.signature(f"{head}.{body}", secret.encode()),
        "doe": doe.rpartition(".")[2],
        "doe_payload": jws.DOE,
        "payload": jws.SAMPLE_PAYLOAD,
    }
    return decoded(fields | {"token": jws.sample(), "secret": secret}) | {"sample": found}
