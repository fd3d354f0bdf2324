"""Short scenarios for the page `wire`. Each sends a few real requests for throwaway users, with a caption for each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.conf import settings

from jwt_demo.conf import conf as jwt_conf
from lab.claims.sandbox import Answer, Browser, Person, Sandbox, open_sandbox
from lab.tracing.sequence import Entry, with_arrows

# The User-Agent of the thief's browser.
THIEF = "Thief/1"
# A caption, and the answer to the request that it describes.
CaptionedAnswer = tuple[str, Answer]
Play = Callable[[Sandbox], Iterator[CaptionedAnswer]]


@dataclass(frozen=True)
class Scenario:
    """One scenario. `name` stands in the address."""

    name: str
    title: str
    about: str
    lane: str
    play: Play


def run(scenario: Scenario) -> list[Entry]:
    """Plays the scenario now, and gives its exchanges in order, each with its caption. Stores nothing permanently."""
    with open_sandbox() as sandbox:
        return [_with_caption(caption, answer) for caption, answer in scenario.play(sandbox)]


def _with_caption(caption: str, answer: Answer) -> Entry:
    thief = answer.response.request.headers.get("User-Agent") == THIEF
    return with_arrows(answer.exchange.as_json()) | {"caption": caption, "thief": thief}


def session_login(sandbox: Sandbox) -> Iterator[CaptionedAnswer]:
    browser, person = sandbox.browser(), sandbox.person()
    yield "On the first visit the browser gets a CSRF token, and no session.", browser.get("/session/api/")
    yield "Alice logs in. The cookie in the answer carries the id of a new record.", browser.log_in(person, "session")
    yield "Whoami: the server looks up the id.", browser.get("/session/api/whoami")
    yield "Alice’s profile: the same look-up, then a database query.", browser.get("/session/api/profile")
    yield "Alice logs out: the server deletes the record and the cookie.", browser.post("/session/auth/logout")


def token_login(sandbox: Sandbox) -> Iterator[CaptionedAnswer]:
    browser, person = sandbox.browser(), sandbox.person()
    yield (
        "Alice logs in. The access token comes in the body, the refresh token in a cookie.",
        browser.log_in(person, "jwt"),
    )
    yield "Whoami: the server verifies the signature and reads the token.", browser.get("/jwt/api/whoami")
    yield "Alice’s profile: the same check, then a database query.", browser.get("/jwt/api/profile")
    refreshed = browser.keep(browser.post("/jwt/auth/refresh"))
    yield "The client gets a new access token before the old one expires, and a new refresh token with it.", refreshed
    yield "Alice logs out: the server revokes the tokens too.", browser.post("/jwt/auth/logout")


def old_cookie(sandbox: Sandbox) -> Iterator[CaptionedAnswer]:
    person, thief = sandbox.person(), sandbox.browser(THIEF)
    browser, login = _log_in(sandbox, person, "session")
    yield "Alice logs in.", login
    thief.set_cookie(settings.SESSION_COOKIE_NAME, browser.cookie(settings.SESSION_COOKIE_NAME))
    yield "A thief has copied the cookie, and it works for the thief too.", thief.get("/session/api/whoami")
    yield "Alice logs out.", browser.post("/session/auth/logout")
    yield "The copy is worthless now: its record is gone.", thief.get("/session/api/whoami")


def old_refresh(sandbox: Sandbox) -> Iterator[CaptionedAnswer]:
    person, thief = sandbox.person(), sandbox.browser(THIEF)
    browser, login = _log_in(sandbox, person, "jwt")
    yield "Alice logs in.", login
    thief.set_cookie(jwt_conf.JWT_REFRESH_COOKIE_NAME, browser.cookie(jwt_conf.JWT_REFRESH_COOKIE_NAME))
    yield "Alice refreshes. The previous refresh token is now used up.", browser.keep(browser.post("/jwt/auth/refresh"))
    yield (
        "A thief sends a copy of the used token. The server detects the reuse and ends every login of Alice.",
        thief.post("/jwt/auth/refresh"),
    )
    yield "Alice’s own access token is revoked too.", browser.get("/jwt/api/whoami")
    yield "Alice cannot refresh either, and must log in again.", browser.post("/jwt/auth/refresh")


def strangers(sandbox: Sandbox) -> Iterator[CaptionedAnswer]:
    browser = sandbox.browser()
    yield "Without a cookie the user is unknown, and nothing is looked up.", browser.get("/session/api/whoami")
    yield "Without a token the same is true.", browser.get("/jwt/api/whoami")
    browser.set_cookie(settings.SESSION_COOKIE_NAME, "a" * 32)
    yield "An invented session id is looked up and not found.", browser.get("/session/api/whoami")
    forged = {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.AAAA"}
    yield "An invented token is refused before anything is looked up.", browser.get("/jwt/api/whoami", headers=forged)


def roles(sandbox: Sandbox) -> Iterator[CaptionedAnswer]:
    people = (("A member", sandbox.person()), ("An administrator", sandbox.person(role="admin")))
    for flow in ("session", "jwt"):
        yield f"{flow}: a client without a login gets 401.", sandbox.browser().get(f"/{flow}/api/staff")
        for who, person in people:
            browser = sandbox.logged_in(flow, person)
            yield f"{flow}: {who.lower()} asks for the same page.", browser.get(f"/{flow}/api/staff")


def _log_in(sandbox: Sandbox, person: Person, flow: str) -> tuple[Browser, Answer]:
    browser = sandbox.browser()
    return browser, browser.log_in(person, flow)


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "session-login",
            "A session, from login to logout",
            "Five requests and one record.",
            "session",
            session_login,
        ),
        Scenario("token-login", "A token, from login to logout", "Five requests, four tokens.", "token", token_login),
        Scenario(
            "old-cookie",
            "A copied cookie, after the logout",
            "What the copy is worth before and after the logout.",
            "session",
            old_cookie,
        ),
        Scenario(
            "old-refresh",
            "A copied refresh token, after its use",
            "How the server detects the theft.",
            "token",
            old_refresh,
        ),
        Scenario("strangers", "Unknown clients", "No credential, or an invented one.", "", strangers),
        Scenario("roles", "Known, and allowed", "One page, three kinds of visitor, both flows.", "", roles),
    )
}
