"""CSRF on the weak bank, cases outside the matrix: a form after the two minutes, CORS, the refresh cookie, the login,
and a cookie planted by a sibling host.
"""

import time
from typing import Any

from attack_range import hosts
from attack_range.attacks.csrf_forging import (
    REPORT,
    forge,
    insist,
    log_in_from_elsewhere,
    log_in_to_the_bank,
    open_page,
    transfer_by_hand,
    wait_for_arrival,
)
from attack_range.browser import SHORT_WINDOW
from attack_range.cases import Case, Seen, Variant, register
from attack_range.scene import Scene
from attack_range.weak.csrf import ACCOUNTS, SESSION, Account
from attack_range.weak.csrf_forged import LOGIN

BANK = "/weak/csrf"


def _form_late(scene: Scene) -> Seen:
    context = scene.browser()
    page, account = log_in_to_the_bank(scene, context, "session-unset")
    before, age = account.balance, SHORT_WINDOW + 1
    # The case must really wait, because a page cannot change the clock by which Chromium measures a cookie's age.
    time.sleep(max(0.0, account.since + age - time.time()))
    forged = forge(scene, context, "form", "none")
    after = account.balance
    transfer_by_hand(page, account)
    text = f"{age} s after the login: {forged.sentence()} Balance before: {before}, after: {after}."
    return Seen(after < before, text, forged.detail(after != before) | {"age": age})


def _cors_open(scene: Scene) -> Seen:
    context = scene.browser()
    page, account = log_in_to_the_bank(scene, context, "bearer")
    before = account.balance
    open_page(scene, context, "open", hosts.SIBLING, {})
    arrival = wait_for_arrival(scene, f"{BANK}/open/transfer", with_report=True)
    after = account.balance
    transfer_by_hand(page, account)
    text = f"{arrival.method} with a token, from {arrival.origin}: {arrival.status}. "
    text += f"Balance before: {before}, after: {after}."
    detail = {"origin": arrival.origin, "status": arrival.status, "changed": after != before}
    return Seen(after < before and arrival.authorization, text, detail)


def _refresh_strict(scene: Scene, request: str) -> Seen:
    context = scene.browser()
    page, account = log_in_to_the_bank(scene, context, "bearer")
    before = account.generation
    forged = forge(scene, context, request, "refresh")
    changed = account.generation != before
    transfer_by_hand(page, account)
    own = scene.in_page(page, "POST", f"{BANK}/refresh")["status"]
    insist(own == 200, "The bank refused a refresh of its own page.")
    text = f"{forged.sentence()} The tokens were {'exchanged' if changed else 'left as they were'}."
    return Seen(changed, text, forged.detail(changed))


def _login(scene: Scene) -> Seen:
    context = scene.browser()
    arrival = log_in_from_elsewhere(scene, context, "login", {})
    name = _customer(scene, context)
    page, account = log_in_to_the_bank(scene, context, "session-lax")
    transfer_by_hand(page, account)
    text = f"The form from {arrival.origin}: {arrival.status}. The browser is logged in as {name or 'nobody'}."
    return Seen(name == LOGIN["name"], text, {"status": arrival.status, "name": name})


def _customer(scene: Scene, context: Any) -> str:
    """The name of the customer who is logged in with the browser's cookies, or ""."""
    page = context.new_page()
    page.goto(f"{hosts.origin(hosts.VICTIM)}/blank")
    name: str = scene.in_page(page, "GET", f"{BANK}/account")["data"].get("name", "")
    return name


def _planted(scene: Scene) -> Seen:
    context = scene.browser()
    _, alice = log_in_to_the_bank(scene, context, "session-strict")
    mallory = _account_of_mallory(scene)
    plant(scene, context, SESSION, mallory.key)
    names = [cookie["name"] for cookie in context.cookies(hosts.origin(hosts.VICTIM))]
    after = _customer(scene, context)
    text = f"The browser has the cookies {', '.join(map(ascii, names))}. For the bank it is now {after}."
    return Seen(alice.name == "Alice" and after == mallory.name, text, {"had": names, "name": after})


def _account_of_mallory(scene: Scene) -> Account:
    answer = scene.ask("POST", scene.url(f"{BANK}/login"), data=LOGIN)
    return ACCOUNTS[answer.cookies[SESSION]]


def plant(scene: Scene, context: Any, cookie: str, value: str) -> None:
    """Opens the sibling host's page that sets this cookie for the victim's host, once plain and once behind U+2000."""
    open_page(scene, context, "plant", hosts.SIBLING, {"cookie": cookie, "value": value})
    wait_for_arrival(scene, REPORT)


WEAK = [
    (
        "session-unset/form-late/none",
        "The form is posted after the window has closed, which this Chromium shortens to 10 s",
        False,
        _form_late,
    ),
    (
        "bearer/sibling/cors-open",
        "A script of a sibling host, to which CORS was opened, gets a token",
        True,
        _cors_open,
    ),
    (
        "refresh-strict/form",
        "A form of another site asks for new tokens (refresh cookie with SameSite=Strict)",
        False,
        lambda scene: _refresh_strict(scene, "form"),
    ),
    (
        "refresh-strict/sibling",
        "A sibling host asks for new tokens (refresh cookie with SameSite=Strict)",
        True,
        lambda scene: _refresh_strict(scene, "sibling"),
    ),
    ("login/weak", "A form of another site logs the browser in as the attacker", True, _login),
    ("planted/weak", "A sibling host plants a cookie that the bank takes for its own", True, _planted),
]
register(Case(f"csrf/{name}", Variant.WEAK, tried, expected, run) for name, tried, expected, run in WEAK)
