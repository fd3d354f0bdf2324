"""`/lab/token/`: reads a token, verifies it, or forges one. Reading and verifying never sign anything.

A token that a visitor sends is shown once and not kept: it is in no address, no store and no log.
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
# Seconds. Enough to read and verify the token, and short enough to see it expire.
FRESH_LIFETIME = 120
MAX_SECRET = 200
SIGNED_WITH = (*jws.DIGESTS, "EdDSA", "none")


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The page. A POST adds the result of the chosen action. 400 with a sentence if the text is too long."""
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
        context |= {"problem": f"The text has more than {MAX_LENGTH:,} characters. No token is so long.", "fields": {}}
        return render_page(request, TEMPLATE, context, {"error": context["problem"]}, status=400)
    verbs = {"decode": decode, "verify": verify, "forge": forge, "fresh": issue_fresh_token, "sample": show_sample}
    if verb := verbs.get(posted.get("do", "")):
        context |= verb(fields)
    return render_page(request, TEMPLATE, context)


def forgery_form() -> dict[str, str]:
    """The initial fields of the forging form: a token of an administrator, in which only the key is wrong."""
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
    """Reads the text without verifying it, and tries the typed secret on its signature."""
    decoded = jws.decode(fields.get("token", ""))
    return {
        "reading": describe_token(decoded),
        "tried": try_secret(decoded, fields.get("secret", "")),
        "fields": fields,
    }


def describe_token(decoded: DecodedToken) -> dict[str, Any]:
    """The values of a decoded token for the template."""
    texts = [jws.format_json(part) if part is not None else "" for part in (decoded.header, decoded.payload)]
    # `asdict` would copy the payload recursively, and raise RecursionError for one that is nested deeply enough.
    more = {"token": decoded.token, "parts": decoded.parts, "header_text": texts[0], "payload_text": texts[1]}
    more["signature"] = decoded.segments[2] if len(decoded.segments) > 2 else ""
    return vars(decoded) | more


def try_secret(decoded: DecodedToken, secret: str) -> dict[str, Any] | None:
    """The signature computed again with `secret`; `None` without a secret, or without three segments."""
    if not secret or len(decoded.segments) != 3:
        return None
    signed, _, sent = decoded.token.rpartition(".")
    algorithm = decoded.header.get("alg") if isinstance(decoded.header, dict) else None
    # The header may hold any JSON. A list is not hashable, and looking it up would raise TypeError.
    if not isinstance(algorithm, str) or algorithm not in jws.DIGESTS:
        return {"cannot": True}
    computed = jws.compute_signature(signed, secret[:MAX_SECRET].encode(), algorithm)
    return {"algorithm": algorithm, "computed": computed, "same": computed == sent}


def verify(fields: dict[str, str]) -> dict[str, Any]:
    """The reading, this server's verification of the text as both kinds of token, and the answer of its whoami."""
    text = strip_scheme(fields.get("token", ""))
    kind = verification.likely_kind(text)
    other = next(name for name in verification.KINDS if name != kind)
    found = {"examination": verification.examine(text, kind), "other": verification.examine(text, other)}
    return decode(fields) | found | {"answer": ask_whoami(text)}


def strip_scheme(text: str) -> str:
    """The text after `Bearer`. Removes blanks around the token, as HTTP does, but none inside it."""
    text = text.strip()
    scheme, _, rest = text.partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else text


def ask_whoami(text: str) -> str:
    """The status and the role or error that whoami answers; "" for a text that cannot be sent in a header."""
    if not (text and text.isascii() and text.isprintable()) or len(text) > MAX_LENGTH:
        return ""
    with open_sandbox() as sandbox:
        answer = sandbox.browser().get("/jwt/api/whoami", headers={"Authorization": f"Bearer {text}"})
    return f"{answer.status} {answer.json.get('error') or answer.json.get('role') or ''}".strip()


def forge(fields: dict[str, str]) -> dict[str, Any]:
    """A token of exactly these texts, signed with the visitor's key or not at all, and the server's verdict on it."""
    secret = fields.get("key", "")[:MAX_SECRET].encode()
    algorithm = fields["algorithm"] if fields["algorithm"] in SIGNED_WITH else "none"
    token = jws.build_token(fields["header"], fields["payload"], secret, algorithm)
    found = verify(fields | {"token": token})
    return {"forged": token, "forged_examination": found["examination"], "forged_answer": found["answer"]}


def issue_fresh_token(fields: dict[str, str]) -> dict[str, Any]:
    """A real access token of a throwaway user, who is deleted at once. It expires soon."""
    with open_sandbox() as sandbox:
        policy = replace(Policy.default(), access=FRESH_LIFETIME)
        token = str(lifecycle.start(sandbox.person().user, Client(), policy=policy).access)
    return decode(fields | {"token": token}) | {"is_fresh": True}


def show_sample(fields: dict[str, str]) -> dict[str, Any]:
    """The sample token that many tutorials copy, and the token from which its signature comes."""
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
