"""Three of the five questions often asked. C101 is proved in `revocation`, and C104 in `gateway`."""

from collections.abc import Iterator

import jwt
from django.conf import settings

from jwt_demo import lifecycle
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.models import Policy
from lab.claims.evidence import Evidence, holds, limit, proves
from lab.claims.sandbox import FLOWS, Person, Sandbox
from lab.experiments.remember_me import Cookie, reopen
from security.client import Client


@proves("C100")
def logged_in_is_not_allowed(sandbox: Sandbox) -> Iterator[Evidence]:
    """A stranger and a member without the right request the same address."""
    member = sandbox.person()
    for flow in FLOWS:
        stranger, user = sandbox.browser(), sandbox.logged_in(flow, member)
        refused = stranger.get(f"/{flow}/api/staff").status
        yield holds(f"/{flow}/api/staff by a stranger", refused, refused == 401)
        known, forbidden = user.get(f"/{flow}/api/whoami"), user.get(f"/{flow}/api/staff").status
        seen = f"{known.status}, user {known.json.get('userId')}"
        yield holds(f"/{flow}/api/whoami by a member", seen, known.json.get("userId") == str(member.user.pk))
        yield holds(f"/{flow}/api/staff by the same member", forbidden, forbidden == 403)


@proves("C102")
def refresh_after_reload(sandbox: Sandbox) -> Iterator[Evidence]:
    """After a reload, a page has only the refresh cookie. One refresh gives it an access token again."""
    browser, cookie = sandbox.logged_in("jwt"), jwt_conf.JWT_REFRESH_COOKIE_NAME
    before = browser.get("/jwt/api/whoami").status
    page = reopen(sandbox, browser, [cookie])
    without = page.get("/jwt/api/whoami").status
    yield holds("whoami before and after the reload", [before, without], (before, without) == (200, 401))
    answer = page.keep(page.post("/jwt/auth/refresh"))
    sent = [one["name"] for one in answer.exchange.cookies_sent]
    yield holds("one refresh, with the cookie alone", answer.status, answer.status == 200)
    yield holds("cookies that the refresh sent", sent, sent == [cookie])
    after = page.get("/jwt/api/whoami").status
    yield holds("whoami after the refresh", after, after == 200)


@proves("C103")
def remember_me_cookies(sandbox: Sandbox) -> Iterator[Evidence]:
    """Both cookies with the box ticked and empty, the tokens inside, and a cookie that outlives its token."""
    month, person = 30 * 24 * 60 * 60, sandbox.person()
    for flow in FLOWS:
        age = _login_cookie(sandbox, flow, person, True).max_age
        yield holds(f"{flow}: the cookie with the box ticked", f"Max-Age {age}", age == month)
    age = _login_cookie(sandbox, "jwt", person, False).max_age
    yield holds("jwt: the cookie with the box empty", "no Max-Age" if age is None else f"Max-Age {age}", age is None)
    for box, word in ((True, "ticked"), (False, "empty")):
        life = _lifetime(sandbox.logged_in("jwt", person, remember=box).access)
        yield holds(f"the access token with the box {word}", f"{life} s", life == 900)
    life = _lifetime(sandbox.logged_in("jwt", person, remember=True).cookie(jwt_conf.JWT_REFRESH_COOKIE_NAME))
    yield holds("the refresh token inside the remembered cookie", f"{life} s", life == month)
    issued = lifecycle.start(person.user, Client(), remember=True, policy=Policy.default(remember=False))
    life = _lifetime(str(issued.family.token())) if issued.family else 0
    yield limit("a remembered login whose token was not given the longer life", f"{life} s", 0 < life < month)
    age = _login_cookie(sandbox, "session", person, False).max_age
    yield limit("session: the cookie with the box empty outlives the browser", f"Max-Age {age}", age is not None)


def _login_cookie(sandbox: Sandbox, flow: str, person: Person, remember: bool) -> Cookie:
    browser = sandbox.browser()
    if flow == "session":
        browser.get("/session/api/")
    name = settings.SESSION_COOKIE_NAME if flow == "session" else jwt_conf.JWT_REFRESH_COOKIE_NAME
    lines = browser.log_in(person, flow, remember=remember).set_cookies
    return next(cookie for cookie in map(Cookie.parse, lines) if cookie.name == name)


def _lifetime(token: str) -> int:
    claims = jwt.decode(token, options={"verify_signature": False})
    return int(claims["exp"] - claims["iat"])
