"""XSS on the project's own pages: a payload that is stored as a user's name.

A case opens the unchanged page, then the page without escaping, and then the page without escaping and without the
Content-Security-Policy. It changes the page in the browser. In the last one the payload must run, or the case would
show nothing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt_demo
from attack_range import hosts
from attack_range.attacks.xss import await_arrival
from attack_range.cases import Case, Seen, Variant, register
from attack_range.people import Person
from attack_range.scene import Scene

VICTIM = hosts.origin(hosts.VICTIM)
PAGES = {"session": "/session/profile/", "jwt": "/jwt/"}
RAN = "/xss/ran"
POLICY = "Content-Security-Policy"
# A legitimate name with characters of HTML, which must be shown as it was typed.
HONEST_NAME = "Siobhán O'Reilly <siobhan> & Söhne"
# The line of the page's script that shows the name, and the same line if it used the name as HTML.
PAGE_SCRIPT = Path(jwt_demo.__file__).parent / "static" / "jwt_demo" / "page.js"
AS_TEXT, AS_HTML = "title.textContent = data.name", "title.innerHTML = data.name"
REFUSED = "refused by "
NOTE_REFUSALS = f"""addEventListener("securitypolicyviolation", (event) => {{
    console.info(`{REFUSED}${{event.effectiveDirective}}`);
}});"""

Answer = dict[str, Any]


def _stored(flow: str) -> Callable[[Scene], Seen]:
    def run(scene: Scene) -> Seen:
        payload = _payload(scene)
        page, _ = logged_in(scene, flow, payload)
        ran_as_it_is = page.locator("h1 *").count() > 0 or _has_run(scene, page)
        directive = _without_escaping(scene, page, flow, payload)
        ran = ran_as_it_is or _has_run(scene, page)
        _without_both(scene, page, flow, payload)
        text = (
            "The name stood in the heading as text, and nothing ran. With the escaping taken away the policy refused "
            f"the payload ({directive}); with both taken away it ran."
        )
        detail = {"escaped": not ran_as_it_is, "policy_refused": directive, "ran_without_both": True}
        return Seen(ran, "The stored name became a part of the page." if ran else text, detail)

    return run


def _payload(scene: Scene) -> str:
    # Kept short, because a name has at most 150 characters.
    return f"""<img src=x onerror="ran=1;new Image().src='{scene.url(RAN, hosts.ATTACKER)}'">"""


def logged_in(scene: Scene, flow: str, name: str = "Alice") -> tuple[Any, Person]:
    """Logs a new person with this name in to the flow. Returns the page of our code that shows the name."""
    # When an answer was changed on its way, Chromium treats the page as one from the internet, and would not let it
    # load from loopback.
    context = scene.browser(permissions=["local-network-access"])
    page, person = context.new_page(), scene.person(name)
    scene.log_in(page, person, flow)
    _open(page, flow)
    page.locator("h1", has_text=name).wait_for()
    return page, person


def _open(page: Any, flow: str) -> None:
    page.goto(VICTIM + PAGES[flow], wait_until="domcontentloaded")


def _has_run(scene: Scene, page: Any) -> bool:
    arrived = any(arrival.path == RAN for arrival in scene.attempt.arrivals)
    return arrived or page.evaluate("'ran' in window")


def _without_escaping(scene: Scene, page: Any, flow: str, payload: str) -> str:
    """Opens the page as it would be without escaping. Returns the directive of the policy that refused the payload."""
    page.add_init_script(NOTE_REFUSALS)
    if flow == "session":
        _answer_with(page, PAGES[flow], lambda: _unescaped_profile(scene, page, payload))
    else:
        _answer_with(page, "/static/jwt_demo/page.js", _script_that_takes_names_for_html)
    with page.expect_console_message(lambda message: message.text.startswith(REFUSED)) as refusal:
        _open(page, flow)
    return str(refusal.value.text.removeprefix(REFUSED))


def _answer_with(page: Any, path: str, answer: Callable[[], Answer]) -> None:
    page.route(VICTIM + path, lambda route: route.fulfill(**answer()))


def _unescaped_profile(scene: Scene, page: Any, payload: str) -> Answer:
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    answer = scene.ask("GET", VICTIM + PAGES["session"], cookies)
    before, _, rest = answer.text.partition("<h1>")
    _, end, after = rest.partition("</h1>")
    headers = {"Content-Type": "text/html; charset=utf-8", POLICY: answer.headers[POLICY]}
    return {"body": f"{before}<h1>{payload}{end}{after}", "headers": headers}


def _script_that_takes_names_for_html() -> Answer:
    source = PAGE_SCRIPT.read_text()
    if AS_TEXT not in source:
        raise RuntimeError(f"{PAGE_SCRIPT.name} no longer has the line: {AS_TEXT}")
    return {"body": source.replace(AS_TEXT, AS_HTML), "content_type": "text/javascript"}


def _without_both(scene: Scene, page: Any, flow: str, payload: str) -> None:
    """Opens that page without its policy as well. Raises `RuntimeError` when the payload does not run there."""
    if flow == "session":
        answer = _unescaped_profile(scene, page, payload)
    else:
        answer = {"body": scene.ask("GET", VICTIM + PAGES[flow]).text}
    _answer_with(page, PAGES[flow], lambda: {"body": answer["body"], "content_type": "text/html"})
    _open(page, flow)
    await_arrival(scene, "GET", RAN)


def _legitimate_session(scene: Scene) -> Seen:
    page, person = scene.browser().new_page(), scene.person(HONEST_NAME)
    page.goto(f"{VICTIM}/session/login/", wait_until="domcontentloaded")
    return _by_form(page, person)


def _legitimate_token(scene: Scene) -> Seen:
    page, person = scene.browser().new_page(), scene.person(HONEST_NAME)
    page.goto(f"{VICTIM}/jwt/", wait_until="domcontentloaded")
    return _by_form(page, person)


def _by_form(page: Any, person: Person) -> Seen:
    page.locator("input[autocomplete=username]:visible").fill(person.email)
    page.locator("input[type=password]:visible").fill(person.password)
    page.locator("button[type=submit]:visible").click()
    page.locator("h1", has_text=HONEST_NAME).wait_for()
    name = page.locator("h1").text_content()
    return Seen(name == HONEST_NAME, f"The form let the user in, and the page shows the name as it is: {name}")


register(
    [
        Case(
            "xss/ours/stored-session",
            Variant.OURS,
            "A payload that is stored as the user's name, on the session's profile page",
            False,
            _stored("session"),
        ),
        Case(
            "xss/ours/stored-token",
            Variant.OURS,
            "A payload that is stored as the user's name, on the page of the token flow",
            False,
            _stored("jwt"),
        ),
        Case(
            "xss/legitimate/session",
            Variant.LEGITIMATE,
            "A user with < and & in the name logs in with a session",
            True,
            _legitimate_session,
        ),
        Case(
            "xss/legitimate/token",
            Variant.LEGITIMATE,
            "A user with < and & in the name logs in with a token",
            True,
            _legitimate_token,
        ),
    ]
)
