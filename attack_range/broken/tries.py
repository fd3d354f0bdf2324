"""What the attacks on the project's own code share: the attacker's pages, and checks of the server's state."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from attack_range import hosts
from attack_range.attempts import Arrival
from attack_range.browser import PATIENCE
from attack_range.people import Person
from attack_range.scene import Scene
from jwt_demo.conf import conf

FORM = "application/x-www-form-urlencoded"
# Words in an answer, and the check that they belong to.
CHECKS = {"Origin gate": "origin gate", "CSRF": "CSRF check", "nsupported media type": "JSON only"}


@dataclass(frozen=True)
class Try:
    """The outcome of one try: whether the attack succeeded, and what was seen of it, in sentences."""

    through: bool
    text: str


Attack = Callable[[Scene], Try]


def attacker_page(host: str, name: str, **query: str) -> str:
    """The address of one of the attacker's pages, at the attacker's host or at a sibling host of the victim."""
    return f"{hosts.origin(host)}/broken/{name}?{urlencode(query)}"


def logged_in(scene: Scene, person: Person, flow: str) -> Any:
    """A page of a fresh browser in which `person` is logged in."""
    page = scene.browser().new_page()
    scene.log_in(page, person, flow)
    return page


def submit(scene: Scene, page: Any, host: str, path: str, fields: dict[str, str], kind: str = FORM) -> str:
    """Opens a page of `host` whose form submits itself to `path` of the victim. Returns a sentence about the answer."""
    to = scene.url(path)
    page.goto(attacker_page(host, "form", to=to, enctype=kind, fields=json.dumps(fields)), wait_until="commit")
    page.wait_for_url(lambda url: url.startswith(hosts.origin(hosts.VICTIM)))
    arrival = arrived(scene, path, page)
    body = page.inner_text("body")
    said = next((check for words, check in CHECKS.items() if words in body), "")
    refused_by = f" by the check “{said}”" if arrival.status >= 400 and said else ""
    sent = "with" if our_cookies(arrival) else "without"
    return (
        f"The form arrived from {arrival.origin} (Sec-Fetch-Site: {arrival.fetch_site}) {sent} our cookies "
        f"and was answered {arrival.status}{refused_by}."
    )


def our_cookies(arrival: Arrival) -> bool:
    """Whether a request had the session cookie or the refresh cookie of the site."""
    return not {settings.SESSION_COOKIE_NAME, conf.JWT_REFRESH_COOKIE_NAME}.isdisjoint(arrival.cookies)


def arrived(scene: Scene, path: str, page: Any) -> Arrival:
    """Waits for a request of this attempt to `path` and its answer. Raises `RuntimeError` when none comes."""

    def find() -> list[Arrival]:
        return [one for one in scene.attempt.arrivals if one.path == path and one.status]

    wait_until(page, lambda: bool(find()))
    return find()[0]


def wait_until(page: Any, condition: Callable[[], bool]) -> None:
    """Lets the browser go on until `condition` is true. Raises `RuntimeError` when that takes too long, because a try
    that did not finish must not count as a refused attack."""
    end = time.monotonic() + PATIENCE / 1000
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError("The try waited too long for something that did not happen.")
        page.wait_for_timeout(20)


def cookie(page: Any, name: str) -> str:
    """The value of a cookie in the browser of this page. "" when it is not there."""
    cookies = page.context.cookies(hosts.origin(hosts.VICTIM))
    return next((str(one["value"]) for one in cookies if one["name"] == name), "")


def session_user(scene: Scene, session: str) -> str:
    """The server's answer: the id of the user of this session, or "" if the server refuses it."""
    answer = scene.ask("GET", scene.url("/session/api/whoami"), {settings.SESSION_COOKIE_NAME: session})
    return str(answer.json()["userId"]) if answer.status_code == 200 else ""


def token_user(scene: Scene, token: str) -> str:
    """The server's answer: the id of this access token's user, or "" if the server refuses it."""
    return token_answer(scene, token)[1]


def token_answer(scene: Scene, token: str) -> tuple[int, str]:
    """The status of the answer to this access token, and the id of its user. "" when the token is refused."""
    headers = {"Authorization": f"Bearer {token}"}
    answer = scene.ask("GET", scene.url("/jwt/api/whoami"), headers=headers)
    return answer.status_code, str(answer.json()["userId"]) if answer.status_code == 200 else ""


def refresh_user(scene: Scene, refresh: str) -> str:
    """The id of the user of this refresh token, if the server exchanges it, or "" if the server refuses it."""
    answer = scene.ask("POST", scene.url("/jwt/auth/refresh"), {conf.JWT_REFRESH_COOKIE_NAME: refresh})
    return token_user(scene, answer.json()["accessToken"]) if answer.status_code == 200 else ""
