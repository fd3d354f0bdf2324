"""The comparison table: what each flow keeps, looks up, and sends."""

from collections.abc import Iterator

import jwt

from jwt_demo.key_writing import new_secret
from jwt_demo.keys import Key, ring
from jwt_demo.tokens import AccessToken
from lab.claims.evidence import Evidence, holds, limit, proves
from lab.claims.sandbox import Answer, Sandbox
from lab.experiments import jws, measure, revocation
from lab.experiments.revocation import BY_KEY, Credential


@proves("C43")
def what_a_login_leaves_in_redis(sandbox: Sandbox) -> Iterator[Evidence]:
    session, token = (measure.count_leftovers(sandbox, BY_KEY[key], logins=1) for key in ("session", "short"))
    keys, size = int(session["keys"]), int(session["bytes"])
    yield holds("what a login with a session leaves in Redis", f"{keys} key, {size} bytes", keys == 1 and size > 0)
    keys = int(token["keys"])
    yield holds("what a login with an access token alone leaves in Redis", f"{keys} keys", keys == 0)
    yield holds("… and in the database", f"{int(token['rows'])} rows", token["rows"] == 0)


@proves("C44")
def where_each_is_stored(sandbox: Sandbox) -> Iterator[Evidence]:
    session, token = (measure.log_in(sandbox, BY_KEY[key]) for key in ("session", "expiry"))
    keys = measure.remaining_keys(session[1])
    yield holds("the session after its login", f"{len(keys)} record in Redis", len(keys) == 1)
    given = token[1].json.get("accessToken", "")
    kept = measure.remaining_keys(token[1])
    yield holds(
        "the access token", f"{len(given)} characters in the body, {len(kept)} in Redis", bool(given) and not kept
    )
    rows = int(measure.count_leftovers(sandbox, BY_KEY["expiry"], logins=1)["rows"])
    yield limit("what a login with a refresh token adds to the database", f"{rows} rows", rows > 0)


@proves("C45", "C106")
def what_a_request_looks_up(sandbox: Sandbox) -> Iterator[Evidence]:
    for key, sql, redis in (("session", 0, 1), ("expiry", 0, 0)):
        seen = _looked_up(sandbox, key)
        yield holds(f"whoami, {BY_KEY[key].name.lower()}", _describe_lookups(seen), _lookups(seen) == (sql, redis))
    for key in ("denylist", "version"):
        seen = _looked_up(sandbox, key)
        yield limit(
            f"whoami, {BY_KEY[key].name.lower()}",
            _describe_lookups(seen),
            seen.status == 200 and sum(_lookups(seen)) == 1,
        )


def _looked_up(sandbox: Sandbox, key: str) -> Answer:
    held, _ = measure.log_in(sandbox, BY_KEY[key])
    # The first request does not count: after a quiet time it completes the denylist, which costs look-ups of its own.
    held.ask()
    return held.ask()


def _lookups(answer: Answer) -> tuple[int, int]:
    return answer.exchange.count("sql"), answer.exchange.count("redis")


def _describe_lookups(answer: Answer) -> str:
    sql, redis = _lookups(answer)
    return f"{answer.status}: {sql} SQL, {redis} Redis"


@proves("C47", "C107")
def how_long_each_outlives_its_end(sandbox: Sandbox) -> Iterator[Evidence]:
    session, token = revocation.run_round(sandbox, "ban", life=2, only=("session", "expiry"))
    yield holds("the session after a ban", session.explanation, session.at_once)
    left, last = token.left or 0, token.last_ok or 0
    yield holds(
        "the token after a ban, with nothing looked up",
        token.explanation,
        last > left / 2 and token.reason == "Token expired",
    )
    later = (token.refused or 0) - (session.refused or 0)
    yield holds("from the session's first 401 to the token's", f"{later:.2f} s", later > left / 2)


@proves("C48")
def how_large_each_is(sandbox: Sandbox) -> Iterator[Evidence]:
    session, token = (measure.log_in(sandbox, BY_KEY[key])[0] for key in ("session", "expiry"))
    id_length, whole = measure.credential_size(session)
    yield holds("the session's id", f"{id_length} bytes", id_length <= 40)
    length, line = measure.credential_size(token)
    with_hmac = _length_with_hmac(token.browser.access)
    yield holds("the claims of an access token, signed with HS256", f"{with_hmac} bytes", 200 <= with_hmac <= 500)
    key = ring("access").active
    if key.public:
        # Its signature and its key id are longer than with HS256.
        yield limit(f"the access token, signed with {key.algorithm}", f"{length} bytes", length > with_hmac)
    yield holds("the token, compared with the id", f"{length / id_length:.0f} times as long", length > 5 * id_length)
    yield limit("the whole header line of each", f"{whole} and {line} bytes", whole > 40)
    refresh = _refresh_length(token)
    yield limit("the refresh cookie that the browser also sends", f"{refresh} bytes", refresh > 0)


def _length_with_hmac(token: str) -> int:
    key = Key.of(new_secret("HS256"))
    headers = {"typ": AccessToken.kind, "kid": key.kid}
    return len(jwt.encode(jws.read_claims(token), key.signing, key.algorithm, headers))


def _refresh_length(token: Credential) -> int:
    return sum(cookie["length"] for cookie in token.ask().exchange.cookies_sent if "refresh" in cookie["name"])
