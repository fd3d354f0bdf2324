"""What the CSRF cases share: a customer of the bank in a browser, and pages that forge requests in that browser."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from attack_range import hosts
from attack_range.attempts import Arrival
from attack_range.scene import Scene
from attack_range.weak.csrf import Account
from attack_range.weak.csrf_forged import TARGETS

# Each kind of forged request: its page, the host of that page, and whether it is at the other port.
REQUESTS = {
    "link": ("link", hosts.ATTACKER, False),
    "form": ("form", hosts.ATTACKER, False),
    "fetch": ("fetch", hosts.ATTACKER, False),
    "image": ("image", hosts.ATTACKER, False),
    "port": ("fetch", hosts.VICTIM, True),
    "sibling": ("fetch", hosts.SIBLING, False),
}
# With these the browser stays on the page, and the page then reports to its own host.
IN_BACKGROUND = ("fetch", "image", "open")
REPORT = "/weak/forged/report"
EMPTY = "about:blank"
# Seconds to wait for a request, and between two checks.
PATIENCE, PAUSE = 8.0, 0.005


@dataclass(frozen=True)
class Forged:
    """One forged request: the cookies that the browser has for the victim's host (`had`), and what arrived there.

    `methods` are those of all requests that arrived at the address. The other fields describe the last of them.
    """

    had: list[str]
    arrived: list[str]
    origin: str
    fetch_site: str
    status: int
    method: str
    methods: list[str]
    refused_by: str

    @property
    def is_preflight_only(self) -> bool:
        """Whether the browser sent a CORS preflight only, and not the request itself."""
        return self.methods == ["OPTIONS"]

    def layer(self, cookie: str) -> str:
        """What stopped the request: the browser, which did not send this cookie, or one of our checks."""
        return self.refused_by if cookie in self.arrived else "no cookie sent"

    def detail(self, changed: bool) -> dict[str, Any]:
        """The fields as a dictionary, for the pages and the proofs."""
        return asdict(self) | {"changed": changed}

    def sentence(self) -> str:
        """A sentence about what arrived and the answer to it."""
        if self.method == "OPTIONS":
            return f"Only the browser's OPTIONS request arrived: {self.status}."
        names = ", ".join(self.arrived) or "no credential"
        return f"{self.method} with {names}, sent as {self.fetch_site}: {self.status}."


def forge(scene: Scene, context: Any, request: str, target: str, visits: int = 1, token: str = "") -> Forged:
    """Opens the page that forges this kind of request in the victim's browser, and waits for the server's answer.

    `visits` is how many requests follow from it, of which the last counts. With `token`, a background request tries to
    send the token in an Authorization header. Raises `RuntimeError` when nothing arrives.
    """
    name, host, other = REQUESTS[request]
    had = sorted(cookie["name"] for cookie in context.cookies(hosts.origin(hosts.VICTIM)))
    open_page(scene, context, name, host, {"target": target, "token": token}, other)
    address = TARGETS[target].path
    arrival = wait_for_arrival(scene, address, name in IN_BACKGROUND, visits)
    methods = [one.method for one in scene.attempt.arrivals if one.path == address]
    arrived = arrival.cookies + ["Authorization"] * arrival.authorization
    return Forged(
        had, arrived, arrival.origin, arrival.fetch_site, arrival.status, arrival.method, methods, arrival.refused_by
    )


def open_page(scene: Scene, context: Any, name: str, host: str, query: dict[str, str], other: bool = False) -> Any:
    """Opens one of the forging pages in an empty tab, clicks its link if it is the page `link`, and returns the tab."""
    page = next((tab for tab in context.pages if tab.url == EMPTY), None) or context.new_page()
    # A form submits itself before its page has loaded completely.
    page.goto(scene.url(f"/weak/forged/{name}", host, other, **query), wait_until="commit")
    if name == "link":
        page.click("main a")
    return page


def log_in_from_elsewhere(scene: Scene, context: Any, target: str, query: dict[str, str]) -> Arrival:
    """Opens the attacker's form that logs the browser in. Returns its request once the browser has the answer."""
    page = open_page(scene, context, "login", hosts.ATTACKER, query | {"target": target})
    page.wait_for_url(f"{hosts.origin(hosts.VICTIM)}/**", wait_until="commit")
    return wait_for_arrival(scene, TARGETS[target].path)


def wait_for_arrival(scene: Scene, path: str, with_report: bool = False, visits: int = 1) -> Arrival:
    """Waits for `visits` answered requests to `path`, and `with_report` for the report of the page. Returns the last.

    Raises `RuntimeError` when they do not come.
    """

    def at(wanted: str) -> list[Arrival]:
        return [arrival for arrival in scene.attempt.arrivals if arrival.path == wanted and arrival.status]

    if with_report:
        wait_until(lambda: bool(at(REPORT)), "The page has not sent its request.")
    wait_until(lambda: len(at(path)) >= visits, "The forged request did not arrive.")
    return at(path)[-1]


def wait_until(condition: Callable[[], bool], otherwise: str) -> None:
    """Waits until `condition` is true. Raises `RuntimeError` with the sentence `otherwise` after `PATIENCE` seconds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(otherwise)
        time.sleep(PAUSE)


def log_in_to_the_bank(scene: Scene, context: Any, credential: str, defence: str = "none") -> tuple[Any, Account]:
    """Logs in as Alice. Returns the page and the account. Playwright raises `TimeoutError` if the login fails."""
    page = context.new_page()
    page.goto(scene.url("/weak/csrf/", credential=credential, defence=defence))
    # The tab for the attacker's page is opened before the login. On a slow machine that takes seconds, and Chromium
    # sends a new cookie without SameSite with another site's form for ten seconds only.
    context.new_page()
    page.evaluate("document.forms.login.requestSubmit()")
    # The page shows the account after the browser has stored the cookie.
    page.wait_for_selector("#account", state="visible")
    return page, scene.attempt.notes["account"]


def transfer_by_hand(page: Any, account: Account) -> None:
    """Alice sends 1 with the form on the bank's page. Raises `RuntimeError` when the bank refuses it, because then a
    failed attack of this case would show nothing."""
    before = account.balance
    page.evaluate("document.forms.transfer.requestSubmit()")
    wait_until(lambda: account.balance == before - 1, "The bank refused a transfer of its own page.")


def insist(works: bool, otherwise: str) -> None:
    """Raises `RuntimeError` with the sentence `otherwise` unless the legitimate use of a case works."""
    if not works:
        raise RuntimeError(otherwise)
