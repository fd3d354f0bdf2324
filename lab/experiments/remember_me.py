"""What *remember me* changes: the cookies that a login sets, how long the server accepts them, and which of them are
left after the browser is closed."""

import re
from dataclasses import dataclass, replace
from datetime import datetime

import jwt
from django.utils import timezone

from jwt_demo.conf import access_lifetime
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.models import TokenFamily
from lab.claims.sandbox import Browser, Sandbox
from lab.experiments.decision import describe_duration
from sessions_demo.models import DeviceSession

MAX_AGE = re.compile(r";\s*Max-Age=(\d+)", re.IGNORECASE)
# The request that shows whether the user is still logged in after the browser was opened again.
REQUESTS = {"session": ("GET", "/session/api/whoami"), "jwt": ("POST", "/jwt/auth/refresh")}


@dataclass(frozen=True)
class Cookie:
    """One cookie, as in its `Set-Cookie` line. `max_age` is in seconds; `None` means that it ends with the browser."""

    name: str
    line: str
    max_age: int | None

    @classmethod
    def parse(cls, line: str) -> "Cookie":
        """Reads a `Set-Cookie` line, and masks the value."""
        name, _, rest = line.partition("=")
        value, _, attributes = rest.partition(";")
        found = MAX_AGE.search(line)
        masked = f"{name}={value[:6]}… ({len(value)} characters);{attributes}"
        return cls(name, masked, int(found[1]) if found else None)

    @property
    def lasts(self) -> str:
        """ "30 days", or "until the browser is closed"."""
        return "until the browser is closed" if self.max_age is None else describe_duration(self.max_age)


@dataclass(frozen=True)
class End:
    """A moment at which the server stops accepting a credential, `seconds` from now."""

    name: str
    seconds: float
    lasts: str

    @classmethod
    def at(cls, name: str, moment: datetime) -> "End":
        """An end at this moment."""
        seconds = (moment - timezone.now()).total_seconds()
        return cls(name, seconds, describe_duration(seconds))


@dataclass(frozen=True)
class Lane:
    """What was seen of one flow. `before` and `after` are the HTTP statuses before and after the browser was closed."""

    flow: str
    cookies: list[Cookie]
    ends: list[End]
    asked: str
    before: int = 0
    after: int = 0

    @property
    def kept_cookies(self) -> list[str]:
        """The cookies that a closed browser keeps."""
        return [cookie.name for cookie in self.cookies if cookie.max_age is not None]

    @property
    def dropped_cookies(self) -> list[str]:
        """The cookies that a closed browser drops."""
        return [cookie.name for cookie in self.cookies if cookie.max_age is None]


def try_flow(sandbox: Sandbox, flow: str, remember: bool) -> Lane:
    """Logs in a new user by this flow, reopens the browser, and sends a request with the cookies that are left."""
    person, browser = sandbox.person(), sandbox.browser()
    lines = browser.get("/session/api/").set_cookies if flow == "session" else []
    lines += browser.log_in(person, flow, remember=remember).set_cookies
    method, path = REQUESTS[flow]
    ends = _session_ends(person.user.pk) if flow == "session" else _token_ends(person.user.pk, browser)
    lane = Lane(flow, [Cookie.parse(line) for line in lines], ends, f"{method} {path}")
    before = browser.ask(method, path)
    lane = replace(lane, cookies=list({one.name: one for one in lane.cookies}.values()), before=before.status)
    return replace(lane, after=reopen(sandbox, browser, lane.kept_cookies).ask(method, path).status)


def reopen(sandbox: Sandbox, browser: Browser, kept: list[str]) -> Browser:
    """The browser after it was closed and opened again: the `kept` cookies are left, and nothing from memory."""
    again = sandbox.browser(browser.agent)
    for name in kept:
        if value := browser.cookie(name):
            again.set_cookie(name, value)
    return again


def _session_ends(user_id: int) -> list[End]:
    row = DeviceSession.objects.get(user_id=user_id)
    return [End.at("if it is not used", row.idle_end), End.at("even if it is used", row.absolute_end)]


def _token_ends(user_id: int, browser: Browser) -> list[End]:
    family = TokenFamily.objects.get(user_id=user_id)
    # From the token itself: the server goes by its `exp`, whatever the Max-Age of the cookie.
    claims = jwt.decode(browser.cookie(jwt_conf.JWT_REFRESH_COOKIE_NAME), options={"verify_signature": False})
    expires = datetime.fromtimestamp(claims["exp"], timezone.now().tzinfo)
    return [
        End("the access token, in memory", access_lifetime(), describe_duration(access_lifetime())),
        End.at("the refresh token, if it is not used (exp)", expires),
        End.at("all of its successors, even if they are used", family.absolute_end),
    ]
