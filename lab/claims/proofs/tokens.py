"""Claims about tokens: their parts, who can read them, and how the server checks them."""

import hashlib
import hmac
import json
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import jwt
from django.conf import settings
from django.db import connection
from django_redis.serializers.pickle import PickleSerializer
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from jwt_demo import checks
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.keys import Key, ring
from jwt_demo.tokens import AccessToken
from lab.claims.evidence import Evidence, holds, limit, proves
from lab.claims.sandbox import Answer, Browser, Sandbox
from lab.experiments import jws, session_record
from lab.experiments.scripts import scripts_of
from sessions_demo.record import ROLE, whole

WHOAMI = "/jwt/api/whoami"
STORAGE = re.compile(r"\b(localStorage|sessionStorage|indexedDB|document\.cookie)\b")
MINUTE, DAY = 60, 24 * 60 * 60


def whoami(browser: Browser, token: str, check: str = "") -> Answer:
    """The answer of whoami to a token: under the site's own check, or under the check that is named."""
    address = f"/lab/whoami/{check}" if check else WHOAMI
    return browser.get(address, headers={"Authorization": f"Bearer {token}"})


def refresh_token(browser: Browser) -> str:
    """The refresh token in this browser's cookie."""
    return browser.cookie(jwt_conf.JWT_REFRESH_COOKIE_NAME)


def describe_answer(answer: Answer) -> str:
    """The status, and the error or the role that the answer names."""
    return f"{answer.status} {answer.json.get('error') or answer.json.get('role') or ''}".strip()


@proves("C17")
def nothing_is_stored(sandbox: Sandbox) -> Iterator[Evidence]:
    person = sandbox.person()
    browser = sandbox.logged_in("jwt", person)
    whoami(browser, browser.access)  # makes the denylist complete if it is not
    plain, listed = whoami(browser, browser.access, "expiry"), whoami(browser, browser.access, "denylist")
    asked = plain.exchange.count("sql") + plain.exchange.count("redis")
    yield holds(
        "whoami where only expiry ends a token",
        f"{plain.status}, {plain.exchange.count('sql')} SQL, {plain.exchange.count('redis')} Redis",
        plain.status == 200 and asked == 0,
    )
    rows = OutstandingToken.objects.filter(user=person.user).count()
    yield limit("rows kept for the refresh token of this login", f"{rows} outstanding token", rows > 0)
    commands = listed.exchange.texts("redis")
    yield limit("whoami where tokens can be revoked", [text.split()[0] for text in commands], bool(commands))


@proves("C18")
def three_parts(sandbox: Sandbox) -> Iterator[Evidence]:
    segments = sandbox.logged_in("jwt").access.split(".")
    yield holds("a real token, split at its dots", f"{len(segments)} parts", len(segments) == 3)
    canonical = [bool(re.fullmatch(r"[A-Za-z0-9_-]+", part)) for part in segments]
    yield holds("parts in the alphabet of base64url", f"{sum(canonical)} of {len(segments)}", all(canonical))
    decoded = jws.decode(".".join(segments))
    yield holds("remarks about its form", decoded.remarks, not decoded.remarks)


@proves("C19")
def header_names_algorithm_and_type(sandbox: Sandbox) -> Iterator[Evidence]:
    found = jws.decode(sandbox.logged_in("jwt").access).header
    yield holds("the first part, decoded", json.dumps(found), {"alg", "typ"} <= found.keys())


@proves("C20")
def payload_carries_claims(sandbox: Sandbox) -> Iterator[Evidence]:
    person = sandbox.person(role="admin")
    found = jws.read_claims(sandbox.logged_in("jwt", person).access)
    seen = {name: found.get(name) for name in ("sub", "role", "exp")}
    ours = seen["sub"] == str(person.user.pk) and seen["role"] == "admin"
    yield holds("the second part, decoded", json.dumps(seen), ours and isinstance(seen["exp"], int))


@proves("C21")
def signature_is_hmac_of_header_and_payload(sandbox: Sandbox) -> Iterator[Evidence]:
    browser, access = sandbox.logged_in("jwt"), ring("access").active
    signed, _, sent = refresh_token(browser).rpartition(".")
    mac = hmac.digest(jws.as_bytes(ring("refresh").active), signed.encode(), hashlib.sha256)
    yield holds(
        "HMAC-SHA256 over header.payload of a refresh token, computed again",
        f"{jws.base64url_encode(mac)[:12]}…",
        jws.base64url_encode(mac) == sent,
    )
    plain = b64encode(mac).decode()
    yield limit("the same 32 bytes in ordinary base64", f"{len(plain)} characters, not {len(sent)}", plain != sent)
    statuses = [_refresh_with(browser, f"{signed}.{ending}") for ending in (plain, sent)]
    yield limit("a refresh with that signature; with the original one", statuses, statuses == [401, 200])
    yield from _signature_of_access_token(browser.access, access)


def _signature_of_access_token(token: str, key: Key) -> Iterator[Evidence]:
    verified = bool(jwt.PyJWS().decode(token, key.verifying, [key.algorithm]))
    if key.public is None:
        yield holds("the signature of an access token", key.algorithm, verified)
    else:
        # A key pair made this signature. The claim is about HMAC, so this is only a limit.
        yield limit("an access token, verified by the published key", f"{key.algorithm}, no HMAC", verified)


def _refresh_with(browser: Browser, text: str) -> int:
    browser.set_cookie(jwt_conf.JWT_REFRESH_COOKIE_NAME, text)
    return browser.post("/jwt/auth/refresh").status


@proves("C22")
def copied_sample(sandbox: Sandbox) -> Iterator[Evidence]:
    head, body, sent = jws.sample_token().split(".")
    secret = jws.JOHN_DOE_SECRET.encode()
    ours = jws.compute_signature(f"{head}.{body}", secret)
    yield holds(f"its signature under {jws.JOHN_DOE_SECRET}", f"{ours[:12]}…, not {sent[:12]}…", ours == sent)
    theirs = jws.build_token(jws.SAMPLE_HEADER, jws.JOHN_DOE_PAYLOAD, secret).rpartition(".")[2]
    yield limit("the signature of John Doe's payload, same secret", f"{theirs[:12]}…", theirs == sent)
    answer = whoami(sandbox.browser(), jws.sample_token())
    # Only limits: this server refuses the sample whatever its signature, and the claim names no lifetime.
    yield limit("whoami with the sample", describe_answer(answer), answer.status == 401)
    lives = lifetime(jws.read_claims(jws.sample_token()))
    yield limit("exp − iat", f"{lives // 3600} h", lives == DAY)


@proves("C23")
def a_flipped_bit_is_refused(sandbox: Sandbox) -> Iterator[Evidence]:
    browser = sandbox.logged_in("jwt")
    untouched = whoami(browser, browser.access)
    yield holds("whoami with the token as it is", untouched.status, untouched.status == 200)
    for place, name in enumerate(jws.SEGMENT_NAMES):
        flipped = list(every_flip(browser.access, place))
        refused = sum(map(is_refused, flipped))
        seen = f"{refused} of {len(flipped)} refused"
        yield holds(f"each bit of the {name} flipped in turn", seen, 0 < refused == len(flipped))
        answer = whoami(browser, flipped[len(flipped) // 2])
        yield holds(f"whoami with one of the {name}", describe_answer(answer), answer.status == 401)


def every_flip(token: str, place: int) -> Iterator[str]:
    """For each bit of what this segment decodes to: the token with that bit flipped."""
    parts = token.split(".")
    data = jws.base64url_decode(parts[place])
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield ".".join([*parts[:place], jws.base64url_encode(bytes(changed)), *parts[place + 1 :]])


def is_refused(token: str) -> bool:
    """Whether the token is refused by the class that the endpoints use."""
    try:
        AccessToken(token)
    except TokenError:
        return True
    return False


@proves("C24")
def payload_is_readable(sandbox: Sandbox) -> Iterator[Evidence]:
    person = sandbox.person()
    found = jws.read_claims(sandbox.logged_in("jwt", person).access)
    yield holds(
        "claims decoded without a key", f"{len(found)}: {', '.join(found)}", found["sub"] == str(person.user.pk)
    )


@proves("C31")
def verification_without_lookup(sandbox: Sandbox) -> Iterator[Evidence]:
    person = sandbox.person()
    browser = sandbox.logged_in("jwt", person)
    first, answer = whoami(browser, browser.access), whoami(browser, browser.access)
    sql, verified = answer.exchange.count("sql"), first.exchange.texts("jwt")
    yield holds("whoami: SQL statements", f"{sql} SQL", answer.status == 200 and sql == 0)
    seen = any(text.startswith("verify") for text in verified)
    yield holds("the first whoami: what was done with keys", verified, seen)
    statements: list[str] = []

    def collect(execute: Any, sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(collect):
        JWTAuthentication().get_user(AccessToken(browser.access))
    yield limit("the same token in SimpleJWT's default class", f"{len(statements)} SQL", len(statements) > 0)


@proves("C32")
def role_comes_from_the_payload(sandbox: Sandbox) -> Iterator[Evidence]:
    person = sandbox.person(role="admin")
    browser = sandbox.logged_in("jwt", person)
    found, answer = jws.read_claims(browser.access), whoami(browser, browser.access)
    same = answer.json == {"userId": found["sub"], "role": found["role"]}
    yield holds("whoami against the payload", f"{describe_answer(answer)}; the payload says {found['role']}", same)
    person.user.role = "member"
    person.user.save()
    stale = whoami(browser, browser.access, "expiry")
    yield limit(
        "demoted, only expiry is checked",
        f"{describe_answer(stale)}; the row says member",
        stale.json.get("role") == "admin",
    )
    for check in ("denylist", "version"):
        answer = whoami(browser, browser.access, check)
        yield holds(f"demoted, the {check} is checked", describe_answer(answer), answer.status == 401)


def lifetime(found: dict[str, Any]) -> int:
    """How long a token lives, in seconds."""
    return int(found["exp"] - found["iat"])


@proves("C34")
def access_token_lifetime(sandbox: Sandbox) -> Iterator[Evidence]:
    browser = sandbox.logged_in("jwt")
    seconds = lifetime(jws.read_claims(browser.access))
    yield holds("exp − iat of an access token", f"{seconds} s", seconds == 15 * MINUTE)
    expired = whoami(browser, issued_earlier(browser.access, 15 * MINUTE))
    yield holds(
        "the same token, issued 15 minutes earlier",
        describe_answer(expired),
        expired.json.get("error") == "Token expired",
    )


def issued_earlier(token: str, seconds: int) -> str:
    """The access token, signed again as if it had been issued `seconds` earlier."""
    found = jws.read_claims(token)
    moved = {name: found[name] - seconds for name in ("iat", "exp", "auth_time")}
    return jws.resign(token, ring("access").active, **moved)


@proves("C36")
def keys_differ(sandbox: Sandbox) -> Iterator[Evidence]:
    browser = sandbox.logged_in("jwt")
    access, refresh = ring("access").active, ring("refresh").active
    names = f"{access.algorithm} {access.kid} and {refresh.algorithm} {refresh.kid}"
    yield holds("the two keys are different", names, access.kid != refresh.kid)
    control = whoami(browser, jws.resign(browser.access, access))
    yield holds("an access token signed anew with its own key", control.status, control.status == 200)
    answer = whoami(browser, jws.resign(browser.access, refresh))
    yield holds("an access token signed with the refresh key", describe_answer(answer), answer.status == 401)
    browser.set_cookie(jwt_conf.JWT_REFRESH_COOKIE_NAME, jws.resign(refresh_token(browser), access))
    answer = browser.post("/jwt/auth/refresh")
    yield holds("a refresh token signed with the access key", describe_answer(answer), answer.status == 401)
    shared = [error.msg for error in checks.configuration(None) if error.id == "jwt.E002"]
    yield holds("keys that the check at start finds shared", shared, not shared)


@proves("C39")
def access_token_in_the_body(sandbox: Sandbox) -> Iterator[Evidence]:
    answer = sandbox.browser().log_in(sandbox.person(), "jwt")
    token = answer.json.get("accessToken", "")
    yield holds("the body of the login's answer", f"accessToken, {len(token)} bytes", not is_refused(token))
    inside = [line.partition("=")[0] for line in answer.set_cookies if token in line]
    yield holds("cookies with the access token in them", inside, not inside)


@proves("C40")
def each_refusal_has_its_own_body(sandbox: Sandbox) -> Iterator[Evidence]:
    browser = sandbox.logged_in("jwt")
    answers = {
        "no token": browser.get(WHOAMI, headers={"Authorization": None}),
        "an expired token": whoami(browser, issued_earlier(browser.access, DAY)),
        "an invalid token": whoami(browser, browser.access[:-9]),
    }
    for name, answer in answers.items():
        yield holds(f"whoami with {name}", describe_answer(answer), answer.status == 401)
    bodies = {answer.response.text for answer in answers.values()}
    yield holds("different bodies", f"{len(bodies)} of {len(answers)}", len(bodies) == len(answers))


@proves("C53")
def record_and_token_are_readable(sandbox: Sandbox) -> Iterator[Evidence]:
    person = sandbox.person()
    session, token = sandbox.logged_in("session", person), sandbox.logged_in("jwt", person)
    raw = session_record.read_bytes(session.cookie(settings.SESSION_COOKIE_NAME))
    found = whole(json.loads(raw))
    yield holds("the record in Redis, as JSON", f"{len(raw)} bytes: {', '.join(found)}", found[ROLE] == "member")
    pickled = PickleSerializer({}).dumps(found)
    yield limit("the same as django-redis stores it by default", f"{pickled[:12]!r}…", not is_json(pickled))
    claims = jws.read_claims(token.access)
    yield limit("the token, read without a key", f"role {claims['role']}", claims["sub"] == str(person.user.pk))


def is_json(data: bytes) -> bool:
    """Whether the bytes are JSON."""
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


@proves("C86")
def no_secret_in_the_payload(sandbox: Sandbox) -> Iterator[Evidence]:
    person = sandbox.person()
    ours = jws.read_claims(sandbox.logged_in("jwt", person).access)
    yield holds("our payload, read without a key", ", ".join(ours), ours.keys() == AccessToken.claims.keys())
    digest = get_md5_hash_password(person.user.password)
    # With CHECK_REVOKE_TOKEN, stock SimpleJWT issues such a token. Its reader does not have the key.
    stock = jws.build_token('{"alg":"HS256","typ":"JWT"}', json.dumps({"hash_password": digest}), b"k" * 32)
    read = jws.read_claims(stock)["hash_password"]
    md5 = hashlib.md5(person.user.password.encode()).hexdigest()  # noqa: S324  # SimpleJWT computes the same
    seen = f"{read[:8]}…, the MD5 of the stored password hash"
    yield holds("SimpleJWT's CHECK_REVOKE_TOKEN, read without a key", seen, read.lower() == md5)
    inside = [word for word in (digest, person.user.password, person.email) if word in json.dumps(ours)]
    yield holds("password hash and e-mail address in our payload", inside, not inside)


@proves("C93")
def access_token_is_kept_in_memory(sandbox: Sandbox) -> Iterator[Evidence]:
    browser = sandbox.browser()
    token = browser.keep(browser.log_in(sandbox.person(), "jwt")).json["accessToken"]
    jar = [cookie.name for cookie in browser.http.cookies.jar if token in (cookie.value or "")]
    yield holds("cookies with the access token in them", jar, not jar)
    script = "".join(path.read_text() for path in scripts_of("jwt_demo"))
    found = STORAGE.findall(script)
    yield holds("uses of storage in the page's scripts", found, not found and "Authorization" in script)
    seconds = lifetime(jws.read_claims(token))
    yield holds("exp − iat", f"{seconds} s", seconds == 15 * MINUTE)
    browser.set_cookie("access", token)
    answers = whoami(browser, token), browser.get(WHOAMI, headers={"Authorization": None})
    yield holds(
        "in the header, and in a cookie",
        [describe_answer(a) for a in answers],
        [a.status for a in answers] == [200, 401],
    )
