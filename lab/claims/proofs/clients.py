"""What each flow requires of a client that is not a browser, counted in the clients under `static/lab/clients/`."""

from collections.abc import Iterator

from lab.claims.evidence import Evidence, holds, limit, proves
from lab.claims.sandbox import Answer, Browser, Sandbox
from lab.experiments import clients
from lab.experiments.clients import NATIVE_HEADERS
from lab.experiments.decision import decide

# Lines of code that keep the credential: a cookie jar and its set-up, or a variable and its uses.
CREDENTIAL_LINES = {"session": r"(?i)cookie|\bjar\b|schemes", "jwt": r"(?i)tokens?\b|keep|\bfield\b|Bearer"}
CSRF_LINES = r"(?i)csrf"


def client_without_csrf_token(sandbox: Sandbox) -> Browser:
    """A client with a session that sends no `Origin`. Its caller also leaves out the CSRF token."""
    browser = sandbox.logged_in("session")
    browser.http.headers.pop("Origin")
    return browser


def statuses(answers: list[Answer]) -> list[int]:
    """The status of each answer, in order."""
    return [answer.status for answer in answers]


@proves("C49")
def csrf_makes_sessions_awkward(sandbox: Sandbox) -> Iterator[Evidence]:
    bare = {**NATIVE_HEADERS, "X-CSRFToken": None}
    person, stranger = sandbox.person(), sandbox.browser("curl/8")
    login = stranger.post("/session/auth/login", {"email": person.email, "password": person.password}, headers=bare)
    yield holds("a login with no CSRF token", login.status, login.status == 403)
    logout = client_without_csrf_token(sandbox).post("/session/auth/logout", headers=bare)
    yield holds("a logout with the cookie alone", logout.status, logout.status == 403)
    for suffix in ("sh", "py"):
        session, jwt = clients.program("session", suffix), clients.program("jwt", suffix)
        extra, none = session.count_lines(CSRF_LINES), jwt.count_lines(CSRF_LINES)
        yield holds(f"{session.language}: lines for CSRF", f"{extra} against {none}", extra > none == 0)
        jar, tokens = (
            session.count_lines(CREDENTIAL_LINES["session"], CSRF_LINES),
            jwt.count_lines(CREDENTIAL_LINES["jwt"], CSRF_LINES),
        )
        yield limit(f"{session.language}: lines that keep the credential", f"{jar} against {tokens}", jar <= tokens)


@proves("C76")
def one_api_for_web_and_mobile(sandbox: Sandbox) -> Iterator[Evidence]:
    for kind in ("apps", "both"):
        outcome = decide({"clients": kind}).outcome
        yield holds(f"the decision rules, clients: {kind}", outcome, outcome.has_tokens)
    for name, transport in (("a page", "cookie"), ("a native client", "body")):
        answers = clients.send_requests(sandbox, "jwt", transport)
        seen = statuses(answers)
        yield holds(f"log in, ask twice, refresh, log out: {name}", seen, set(seen) == {200})
        kept = "refreshToken" in answers[0].json
        where = "in the body" if kept else "in a cookie"
        yield holds(f"the refresh token of {name}", where, kept == (transport == "body"))


@proves("C108")
def either_flow_from_an_app(sandbox: Sandbox) -> Iterator[Evidence]:
    by_token, by_session = clients.send_requests(sandbox, "jwt"), clients.send_requests(sandbox, "session")
    seen = statuses(by_token)
    given = [cookie for answer in by_token for cookie in answer.exchange.cookies_set if not cookie["cleared"]]
    yield holds(
        "an app with tokens",
        f"{' '.join(map(str, seen))}, {len(given)} cookies to keep",
        set(seen) == {200} and not given,
    )
    refused = client_without_csrf_token(sandbox).post(
        "/session/auth/logout", headers={**NATIVE_HEADERS, "X-CSRFToken": None}
    )
    yield holds("an app with a session and a cookie jar alone", refused.status, refused.status == 403)
    seen = statuses(by_session)
    yield limit("an app with a session, a cookie jar and the CSRF token", seen, set(seen) == {200})
    lines = [len(clients.program(flow, "py").code) for flow in ("session", "jwt")]
    yield limit("lines of the Python client", f"{lines[0]} against {lines[1]}", lines[0] < 1.5 * lines[1])
