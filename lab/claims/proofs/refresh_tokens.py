"""Claims about refresh tokens: where they are kept, what they can be used for, and how they end."""

import hashlib
from collections.abc import Iterator

from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from jwt_demo.conf import conf as jwt_conf
from lab.claims.evidence import Evidence, holds, limit, proves
from lab.claims.proofs.tokens import DAY, describe_answer, lifetime, refresh_token, whoami
from lab.claims.sandbox import Answer, Sandbox
from lab.experiments import jws


@proves("C35")
def refresh_token_lifetime(sandbox: Sandbox) -> Iterator[Evidence]:
    seconds = lifetime(jws.read_claims(refresh_token(sandbox.logged_in("jwt"))))
    yield holds("exp − iat of a refresh token", f"{seconds:,} s", seconds == 7 * DAY)


@proves("C37")
def refresh_token_is_stored(sandbox: Sandbox) -> Iterator[Evidence]:
    person = sandbox.person()
    browser = sandbox.logged_in("jwt", person)
    text, row = refresh_token(browser), OutstandingToken.objects.get(user=person.user)
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    yield holds("the row of the outstanding token", f"{row.token[:20]}…", row.token == digest and row.token != text)
    good = jws.read_claims(text)["jti"] == row.jti
    yield holds("its jti is that of the token in the cookie", f"{row.jti[:13]}…", good)
    BlacklistedToken.objects.create(token=row)
    answer = browser.post("/jwt/auth/refresh")
    yield holds("a refresh once the row is blacklisted", describe_answer(answer), answer.status == 401)


def refresh_line(answer: Answer) -> str:
    """The `Set-Cookie` line of the refresh token; "" if the answer has none."""
    return next((line for line in answer.set_cookies if line.startswith(jwt_conf.JWT_REFRESH_COOKIE_NAME)), "")


def attributes(line: str) -> list[str]:
    """The attributes in a `Set-Cookie` line."""
    return [part.strip() for part in line.split(";")[1:]]


@proves("C38")
def refresh_cookie_attributes(sandbox: Sandbox) -> Iterator[Evidence]:
    found = attributes(refresh_line(sandbox.browser().log_in(sandbox.person(), "jwt")))
    wanted = {"httponly", "secure", "samesite=strict"}
    yield holds("the Set-Cookie line of the refresh token", found, wanted <= {name.lower() for name in found})


@proves("C41")
def refresh_issues_an_access_token(sandbox: Sandbox) -> Iterator[Evidence]:
    browser = sandbox.logged_in("jwt")
    before, answer = browser.access, browser.post("/jwt/auth/refresh")
    token = answer.json.get("accessToken", "")
    yield holds("a refresh", f"{answer.status}, {', '.join(answer.json)}", answer.status == 200)
    yield holds("its access token is a new one", f"{len(token)} bytes", bool(token) and token != before)
    used = whoami(browser, token)
    yield holds("whoami with the new token", describe_answer(used), used.status == 200)


@proves("C42")
def logout_revokes_the_refresh_token(sandbox: Sandbox) -> Iterator[Evidence]:
    browser, thief = sandbox.logged_in("jwt"), sandbox.browser()
    thief.set_cookie(jwt_conf.JWT_REFRESH_COOKIE_NAME, refresh_token(browser))
    left = browser.post("/jwt/auth/logout", headers={"Authorization": None})
    yield holds("a logout that sends no access token", describe_answer(left), left.status == 200)
    cleared = refresh_line(left)
    yield holds(
        "the refresh cookie after the logout",
        attributes(cleared),
        "Max-Age=0" in cleared and not refresh_token(browser),
    )
    answer = thief.post("/jwt/auth/refresh")
    yield holds("a copy of the refresh token", describe_answer(answer), answer.status == 401)
    listed, plain = whoami(browser, browser.access, "denylist"), whoami(browser, browser.access, "expiry")
    yield holds("the access token, denylist checked", describe_answer(listed), listed.status == 401)
    left_over = jws.read_claims(browser.access)["exp"] - int(timezone.now().timestamp())
    yield limit(
        "the access token, only expiry checked", f"{describe_answer(plain)}, {left_over} s to go", plain.status == 200
    )


@proves("C94")
def refresh_token_only_refreshes(sandbox: Sandbox) -> Iterator[Evidence]:
    browser = sandbox.browser()
    found = attributes(refresh_line(browser.log_in(sandbox.person(), "jwt")))
    yield holds("the Set-Cookie line", found, {"HttpOnly", "Secure"} <= set(found))
    days = lifetime(jws.read_claims(refresh_token(browser))) / DAY
    yield holds("exp − iat of the token inside", f"{days:g} days", days == 7)
    for method, name in ELSEWHERE:
        answer = browser.ask(method, f"/jwt/{name}", json={}, headers={"Authorization": None})
        yield holds(f"{method} {name} with the cookie alone", describe_answer(answer), answer.status == 401)
    as_access = whoami(browser, refresh_token(browser))
    yield holds("whoami with the refresh token as a bearer token", describe_answer(as_access), as_access.status == 401)
    answer = browser.post("/jwt/auth/refresh", headers={"Authorization": None})
    yield holds("a refresh with the cookie alone", answer.status, answer.status == 200)


ELSEWHERE = (
    ("GET", "api/whoami"),
    ("GET", "api/profile"),
    ("GET", "api/staff"),
    ("GET", "api/devices"),
    ("POST", "auth/reauthenticate"),
    ("POST", "auth/password"),
    ("POST", "auth/logout-everywhere"),
)
