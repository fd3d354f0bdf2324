"""The steps of both flows, one by one, as the trace recorded them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jwt
from django.conf import settings
from django.core.cache import caches

from jwt_demo.conf import conf as jwt_conf
from lab.claims.evidence import Evidence, holds, proves
from lab.claims.sandbox import Answer, Browser, Sandbox
from lab.tracing.instruments import HASH_NAME
from lab.tracing.sequence import BROWSER, DJANGO, REDIS, SQL, Arrow, arrows
from lab.tracing.trace import Exchange
from sessions_demo import store
from sessions_demo.models import DeviceSession
from sessions_demo.record import ROLE

USER_SELECT = "SELECT accounts_user"
# A line to look for in a diagram: from, to, and the beginning of its text.
Line = tuple[str, str, str]
REQUEST, RESPONSE = (BROWSER, DJANGO, "POST "), (DJANGO, BROWSER, "200")
PASSWORD_CHECK = ((DJANGO, SQL, USER_SELECT), (DJANGO, DJANGO, HASH_NAME))


@proves("C4")
def session_credentials(sandbox: Sandbox) -> Iterator[Evidence]:
    """The login posts the credentials to the login address, which requires them."""
    yield from _credentials(sandbox, "session", settings.SESSION_COOKIE_NAME)


@proves("C25")
def token_credentials(sandbox: Sandbox) -> Iterator[Evidence]:
    """The same at the address of the token login."""
    yield from _credentials(sandbox, "jwt", jwt_conf.JWT_REFRESH_COOKIE_NAME)


def _credentials(sandbox: Sandbox, flow: str, cookie: str) -> Iterator[Evidence]:
    browser, person = sandbox.browser(), sandbox.person()
    browser.get("/session/api/")
    answer = browser.log_in(person, flow)
    sent = answer.exchange
    right = (sent.method, sent.path, sent.status) == ("POST", f"/{flow}/auth/login", 200) and sent.request_body > 0
    seen = f"{sent.method} {sent.path}, {sent.request_body} bytes of body: {sent.status}"
    yield holds("the login request in the trace", seen, right)
    carried = [one["name"] for one in sent.cookies_sent if one["name"] == cookie]
    yield holds("other credentials that it carried", carried, not carried and not sent.authorization)
    got = any(line.startswith(f"{cookie}=") for line in answer.set_cookies)
    yield holds("credentials that came back", f"Set-Cookie {cookie}" if got else "none", got)
    empty = sandbox.browser()
    empty.get("/session/api/")
    status = empty.post(f"/{flow}/auth/login").status
    yield holds("the same address without credentials", status, status == 400)


@proves("C5")
def session_check(sandbox: Sandbox) -> Iterator[Evidence]:
    """The server checks the password before it creates a session, and creates none for a wrong password."""
    yield from _check_before_login(
        sandbox, "session", lambda step: step.target == REDIS and step.text.startswith("SET session:")
    )


@proves("C26")
def token_check(sandbox: Sandbox) -> Iterator[Evidence]:
    """The server checks the password before it signs a token, and signs none for a wrong password."""
    yield from _check_before_login(sandbox, "jwt", lambda step: step.text.startswith("sign "))


def _check_before_login(sandbox: Sandbox, flow: str, makes: Callable[[Arrow], bool]) -> Iterator[Evidence]:
    person = sandbox.person()
    good = _arrows(sandbox.browser().log_in(person, flow).exchange)
    first_new = next((number for number, step in enumerate(good) if makes(step)), 0)
    before = good[:first_new]
    rows, hashes = [step for step in before if step.text == USER_SELECT], [step for step in before if _is_hash(step)]
    seen = f"{len(rows)} SELECT of the user, {len(hashes)} password hash"
    yield holds("before the login creates anything", seen, (len(rows), len(hashes)) == (1, 1))
    wrong = sandbox.browser()
    wrong.get("/session/api/")
    refused = wrong.post(f"/{flow}/auth/login", {"email": person.email, "password": "a wrong one"})
    steps = _arrows(refused.exchange)
    nothing_new, hashed = not any(makes(step) for step in steps), sum(map(_is_hash, steps))
    seen = f"{refused.status}, {hashed} password hash, {'nothing' if nothing_new else 'something'} created"
    yield holds("with a wrong password", seen, (refused.status, hashed, nothing_new) == (401, 1, True))


@proves("C6")
def session_record(sandbox: Sandbox) -> Iterator[Evidence]:
    """Each login creates a record under a new id, whatever id the browser sends."""
    person, browser = sandbox.person(), sandbox.browser()
    answer = browser.log_in(person, "session")
    key = _session_cache().make_key(store.PREFIX + store.digest(browser.cookie(settings.SESSION_COOKIE_NAME)))
    written = [text for text in answer.exchange.texts("redis") if text == f"SET {key}"]
    yield holds("Redis commands of the login that write its record", f"{len(written)} SET", len(written) > 0)
    planted, victim = "a" * 32, sandbox.browser()
    victim.set_cookie(settings.SESSION_COOKIE_NAME, planted)
    given = _cookie_value(victim.log_in(person, "session"), settings.SESSION_COOKIE_NAME)
    thief = sandbox.browser()
    thief.set_cookie(settings.SESSION_COOKIE_NAME, planted)
    seen = f"{'another' if given != planted else 'the same'} id; the planted one gets {_whoami(thief)}"
    yield holds("a login with an id that an attacker planted", seen, given != planted and _whoami(thief) == 401)
    before = browser.cookie(settings.SESSION_COOKIE_NAME)
    again = _cookie_value(browser.log_in(person, "session"), settings.SESSION_COOKIE_NAME)
    old = sandbox.browser()
    old.set_cookie(settings.SESSION_COOKIE_NAME, before)
    seen = f"{'another' if again != before else 'the same'} id; the old one gets {_whoami(old)}"
    yield holds("a second login of the same browser", seen, again != before and _whoami(old) == 401)


@proves("C7")
def session_cookie(sandbox: Sandbox) -> Iterator[Evidence]:
    """The login sends the header, and its value is the session id."""
    browser = sandbox.browser()
    answer = browser.log_in(sandbox.person(), "session")
    lines = [line for line in answer.set_cookies if line.startswith(f"{settings.SESSION_COOKIE_NAME}=")]
    value = _cookie_value(answer, settings.SESSION_COOKIE_NAME)
    without_values = [line.replace(value, f"({len(value)} characters)") for line in lines]
    yield holds("the login’s answer", [f"Set-Cookie: {line}" for line in without_values], len(lines) == 1)
    found = store.existing([store.digest(value)])
    yield holds("records in Redis under the digest of that value", len(found), len(found) == 1)
    elsewhere = sandbox.browser()
    elsewhere.set_cookie(settings.SESSION_COOKIE_NAME, value)
    yield holds("whoami with that value and nothing else", _whoami(elsewhere), _whoami(elsewhere) == 200)


@proves("C8")
def cookie_comes_back(sandbox: Sandbox) -> Iterator[Evidence]:
    """The cookie jar sends the cookie. No script takes part, and none could read it."""
    browser = sandbox.browser()
    login = browser.log_in(sandbox.person(), "session")
    given = next(cookie for cookie in login.exchange.cookies_set if cookie["name"] == settings.SESSION_COOKIE_NAME)
    asked = browser.get("/session/api/whoami").exchange
    back = [cookie["digest"] for cookie in asked.cookies_sent if cookie["name"] == given["name"]]
    seen = f"{len(back)} cookie, {'the same value' if back == [given['digest']] else 'another value'}"
    yield holds("the next request, for which only the address was given", seen, back == [given["digest"]])
    hidden = "HttpOnly" in given["attributes"]
    yield holds("whether a script can read it", "HttpOnly: no" if hidden else "yes", hidden)


@proves("C9")
def one_lookup_yields_user_and_role(sandbox: Sandbox) -> Iterator[Evidence]:
    """One Redis command gives the server the user and the role."""
    for role in ("member", "admin"):
        person = sandbox.person(role=role)
        answer = sandbox.logged_in("session", person).get("/session/api/whoami")
        commands, statements = answer.exchange.texts("redis"), answer.exchange.count("sql")
        names = [text.partition(" ")[0] for text in commands]
        seen = f"{statements} SQL, {len(names)} Redis: {' '.join(names) or 'none'}"
        yield holds(f"whoami of a user with the role {role}", seen, statements == 0 and names == ["GET"])
        right = answer.json == {"userId": str(person.user.pk), "role": role}
        yield holds("what it answers", f"user {answer.json.get('userId')}, role {answer.json.get('role')}", right)


@proves("C10")
def role_decides(sandbox: Sandbox) -> Iterator[Evidence]:
    """The role from the session record decides. Nothing else is looked up."""
    for role, expected in (("member", 403), ("admin", 200)):
        browser = sandbox.logged_in("session", sandbox.person(role=role))
        answer = browser.get("/session/api/staff")
        names = [text.partition(" ")[0] for text in answer.exchange.texts("redis")]
        seen = f"{answer.status}, after {len(names)} {' '.join(names)} and {answer.exchange.count('sql')} SQL"
        right = (answer.status, names, answer.exchange.count("sql")) == (expected, ["GET"], 0)
        yield holds(f"the staff address with the role {role}", seen, right)


@proves("C11")
def session_diagram(sandbox: Sandbox) -> Iterator[Evidence]:
    """The arrows of a login and of a profile request, in their order."""
    person, browser = sandbox.person(), sandbox.browser()
    login = _arrows(browser.log_in(person, "session").exchange)
    order = [REQUEST, *PASSWORD_CHECK, (DJANGO, REDIS, "SET session:"), RESPONSE]
    yield holds("the arrows of the login", _describe_arrows(login, order), _in_order(login, order))
    sets = settings.SESSION_COOKIE_NAME in login[-1].detail
    yield holds("its last arrow", login[-1].detail.partition(" bytes")[0] + " bytes", sets)
    record = store.SessionStore(browser.cookie(settings.SESSION_COOKIE_NAME)).load()
    user, role = record.get("_auth_user_id"), record.get(ROLE)
    yield holds("what was stored", f"user {user}, role {role}", (user, role) == (str(person.user.pk), "member"))
    profile = _arrows(browser.get("/session/api/profile").exchange)
    order = [(BROWSER, DJANGO, "GET "), (DJANGO, REDIS, "GET session:"), PASSWORD_CHECK[0], RESPONSE]
    yield holds("the arrows of the profile", _describe_arrows(profile, order), _in_order(profile, order))
    seen = f"{len(profile)} arrows in all"
    yield holds("how many arrows the profile has", seen, len(profile) == len(order))


@proves("C27")
def token_signed(sandbox: Sandbox) -> Iterator[Evidence]:
    """A signature in the trace, and the claims in the token."""
    person, browser = sandbox.person(role="admin"), sandbox.browser()
    answer = browser.log_in(person, "jwt")
    signed = [text for text in answer.exchange.texts("jwt") if text.startswith("sign ")]
    yield holds("signatures while the login was answered", f"{len(signed)} × {' '.join(signed[:1])}", len(signed) > 0)
    claims = jwt.decode(browser.access, options={"verify_signature": False})
    named = (claims.get("sub"), claims.get("role")) == (str(person.user.pk), "admin")
    yield holds("who the token names", f"user {claims.get('sub')}, role {claims.get('role')}", named)
    seconds = claims.get("exp", 0) - claims.get("iat", 0)
    yield holds("exp − iat", f"{seconds} s", 0 < seconds <= 3600)
    status = sandbox.browser().get("/jwt/api/whoami", headers=_bearer_header(_change_signature(browser.access))).status
    yield holds("the same token with another signature", status, status == 401)


@proves("C28")
def token_returned(sandbox: Sandbox) -> Iterator[Evidence]:
    """Where each of the two tokens is, and where it is not."""
    browser = sandbox.browser()
    answer = browser.log_in(sandbox.person(), "jwt")
    access, cookies = answer.json.get("accessToken", ""), " ".join(answer.set_cookies)
    refresh = _cookie_value(answer, jwt_conf.JWT_REFRESH_COOKIE_NAME)
    status = sandbox.browser().get("/jwt/api/whoami", headers=_bearer_header(access)).status
    yield holds("the body’s accessToken", f"{len(access)} characters; whoami: {status}", status == 200)
    yield holds("the access token in a cookie", "found" if access in cookies else "not there", access not in cookies)
    holder = sandbox.browser()
    holder.set_cookie(jwt_conf.JWT_REFRESH_COOKIE_NAME, refresh)
    status = holder.post("/jwt/auth/refresh").status
    yield holds("the cookie’s refresh token", f"{len(refresh)} characters; refresh: {status}", status == 200)
    inside = bool(refresh) and refresh in answer.response.text
    yield holds("the refresh token in the body", "found" if inside else "not there", not inside)


@proves("C30")
def token_sent(sandbox: Sandbox) -> Iterator[Evidence]:
    """The header arrives. A request with the refresh cookie and without the header gets 401."""
    browser = sandbox.logged_in("jwt")
    answer = browser.get("/jwt/api/whoami")
    header = answer.exchange.authorization or {"name": "nothing", "length": 0}
    seen = f"Authorization: {header['name']}, {header['length']} characters"
    arrived = (header["name"], header["length"]) == ("Bearer", len(browser.access))
    yield holds("what arrived with whoami", f"{seen}: {answer.status}", arrived and answer.status == 200)
    bare = browser.get("/jwt/api/whoami", headers={"Authorization": None})
    cookies = [cookie["name"] for cookie in bare.exchange.cookies_sent]
    seen = f"{', '.join(cookies) or 'no cookie'}: {bare.status}"
    yield holds("the same without the header", seen, bare.status == 401 and bool(cookies))
    other = browser.get("/jwt/api/whoami", headers={"Authorization": f"Token {browser.access}"})
    yield holds("the same token after the word Token", other.status, other.status == 401)


@proves("C33")
def token_diagram(sandbox: Sandbox) -> Iterator[Evidence]:
    """The login stores no session, and where only expiry ends a token, a request asks no store."""
    person, browser = sandbox.person(), sandbox.browser()
    login = _arrows(browser.log_in(person, "jwt").exchange)
    order = [REQUEST, *PASSWORD_CHECK, (DJANGO, DJANGO, "sign "), RESPONSE]
    yield holds("the arrows of the login", _describe_arrows(login, order), _in_order(login, order))
    records = [step.text for step in login if step.target == REDIS and "session" in step.text]
    rows = DeviceSession.objects.filter(user=person.user).count()
    yield holds("sessions stored by the login", f"{len(records)} in Redis, {rows} in SQL", not records and not rows)
    answer = browser.get("/lab/whoami/expiry", headers=_bearer_header(browser.access))
    steps = _arrows(answer.exchange)
    asked = [step.text for step in steps if step.target in (REDIS, SQL)]
    yield holds("arrows to a store, whoami under the check “expiry”", asked, answer.status == 200 and not asked)
    verified = [step.text for step in steps if step.text.startswith("verify ")]
    yield holds("what whoami did instead", verified, len(verified) == 1)
    forged = browser.get("/lab/whoami/expiry", headers=_bearer_header(_change_signature(browser.access))).status
    yield holds("the same with another signature", forged, forged == 401)


def _arrows(exchange: Exchange) -> list[Arrow]:
    return arrows(exchange.as_json())


def _in_order(arrows_seen: list[Arrow], order: Sequence[Line]) -> bool:
    # One iterator for all lines, so that each is looked for after the one before it.
    left = iter(arrows_seen)
    return all(any(_matches(arrow, line) for arrow in left) for line in order)


def _describe_arrows(arrows_seen: list[Arrow], order: Sequence[Line]) -> str:
    found = [arrow for arrow in arrows_seen if any(_matches(arrow, line) for line in order)]
    return ", ".join(
        arrow.text if arrow.is_note else f"{arrow.source} → {arrow.target} {arrow.text}" for arrow in found
    )


def _matches(arrow: Arrow, line: Line) -> bool:
    source, target, start = line
    return (arrow.source, arrow.target) == (source, target) and arrow.text.startswith(start)


def _is_hash(step: Arrow) -> bool:
    return step.is_note and step.text == HASH_NAME


def _cookie_value(answer: Answer, name: str) -> str:
    lines = [line for line in answer.set_cookies if line.startswith(f"{name}=")]
    return lines[0].partition(";")[0].partition("=")[2] if lines else ""


def _whoami(browser: Browser) -> int:
    return browser.get("/session/api/whoami").status


def _bearer_header(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _change_signature(token: str) -> str:
    # Not the last character: some of its bits are padding, and a change of those alone does not change the signature.
    return token[:-10] + ("B" if token[-10] == "A" else "A") + token[-9:]


def _session_cache() -> Any:
    return caches[settings.SESSION_CACHE_ALIAS]
