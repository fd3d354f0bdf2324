"""Fixation: the attacker gives the victim's browser a session id, waits for the victim's login, and uses the id."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.crypto import get_random_string

from attack_range import hosts
from attack_range.attacks.clients import listed, log_in, status_with_session
from attack_range.cases import Case, Seen, Variant, register
from attack_range.scene import BLANK, Scene
from attack_range.weak.fixation import COOKIE

WEAK, WHOAMI = "/weak/fixation", "/session/api/whoami"
# Characters, as in a session id of our code.
ID_LENGTH = 32
PLANT = """([name, value, domain]) => {
    for (const more of ["", "; Secure", "; Secure; SameSite=None"])
        document.cookie = `${name}=${value}; Domain=${domain}; Path=/${more}`;
}"""
# A browser or a parser may read each of these as the name of our cookie.
LOOK_ALIKES = ("{}", "\u2000{}", "{}\u2000", "\u00a0{}", " {}", "={}")


@dataclass(frozen=True)
class Ids:
    """The answers after Alice's logins to ids that an attacker knew before, and whether a login kept such an id."""

    statuses: list[int]
    kept: bool


def _weak(scene: Scene) -> Seen:
    chosen = get_random_string(ID_LENGTH)
    page = scene.browser().new_page()
    page.goto(scene.url(f"{WEAK}/plant", hosts.SIBLING, id=chosen))
    before = scene.ask("GET", scene.url(f"{WEAK}/whoami"), {COOKIE: chosen}).status_code
    page.goto(scene.url(f"{WEAK}/"))
    page.get_by_label("Name").fill("Alice")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("Alice is logged in").wait_for()
    answer = scene.ask("GET", scene.url(f"{WEAK}/whoami"), {COOKIE: chosen})
    after = answer.status_code
    text = f"The attacker's id before Alice's login: {before}. After it: {after}."
    stolen = before == 401 and after == 200 and answer.json()["user"] == "Alice"
    return Seen(stolen, text, {"before": before, "after": after})


def _ours(scene: Scene) -> Seen:
    """Tries what a sibling host can plant. Then puts the attacker's id into the browser under our cookie's name."""
    planted, taken = _planted_by_the_sibling(scene)
    # An id without a session, and the id of a session of the attacker.
    given = [_given(scene, get_random_string(ID_LENGTH)), _given(scene, log_in(scene, scene.person("Mallory")))]
    statuses = planted.statuses + [status for one in given for status in one.statuses]
    kept = any(one.kept for one in (planted, *given))
    names = ", ".join(map(ascii, taken)) or "none"
    text = (
        f"Chromium took {len(taken)} of {len(LOOK_ALIKES)} names from the sibling host ({names}). The attacker's "
        f"ids after Alice's login: {listed(statuses)}. Each login changed the id: {'no' if kept else 'yes'}."
    )
    return Seen(set(statuses) != {401} or kept, text, {"statuses": statuses, "planted": len(taken)})


def _planted_by_the_sibling(scene: Scene) -> tuple[Ids, list[str]]:
    context = scene.browser()
    page = context.new_page()
    page.goto(scene.url("/blank", hosts.SIBLING))
    chosen = [get_random_string(ID_LENGTH) for _ in LOOK_ALIKES]
    for form, value in zip(LOOK_ALIKES, chosen, strict=True):
        page.evaluate(PLANT, [form.format(settings.SESSION_COOKIE_NAME), value, hosts.VICTIM])
    cookies = context.cookies(hosts.origin(hosts.VICTIM))
    taken = sorted(cookie["name"] for cookie in cookies if cookie["value"] in chosen)
    return _log_in_twice(scene, page, chosen), taken


def _given(scene: Scene, chosen: str) -> Ids:
    context = scene.browser()
    secure = hosts.origin(hosts.VICTIM).replace("http:", "https:")  # Playwright requires it for a Secure cookie
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": chosen, "url": secure, "secure": True}])
    page = context.new_page()
    page.goto(scene.url(BLANK))
    if settings.SESSION_COOKIE_NAME not in scene.attempt.arrivals[-1].cookies:
        raise RuntimeError("The browser did not send the chosen id.")
    return _log_in_twice(scene, page, [chosen])


def _log_in_twice(scene: Scene, page: Any, chosen: list[str]) -> Ids:
    """Logs Alice in twice. The second login must not keep the id of the first."""
    alice, ids = scene.person(), []
    for _ in range(2):
        scene.log_in(page, alice, "session")
        ids.append(_session_id(page))
    if status_with_session(scene, ids[1]) != 200:
        raise RuntimeError("Alice is not logged in.")
    statuses = [status_with_session(scene, text) for text in (*chosen, ids[0])]
    return Ids(statuses, ids[0] == ids[1] or bool({*ids} & {*chosen}))


def _session_id(page: Any) -> str:
    cookies = page.context.cookies(hosts.origin(hosts.VICTIM))
    return str(next(one["value"] for one in cookies if one["name"] == settings.SESSION_COOKIE_NAME and one["httpOnly"]))


def _legitimate(scene: Scene) -> Seen:
    page = scene.browser().new_page()
    page.goto(hosts.origin(hosts.VICTIM) + BLANK)
    before = scene.in_page(page, "GET", WHOAMI)["status"]
    scene.log_in(page, scene.person(), "session")
    status = scene.in_page(page, "GET", WHOAMI)["status"]
    return Seen(before == 401 and status == 200, f"Before the login: {before}. After it: {status}.")


register(
    [
        Case("fixation/weak", Variant.WEAK, "A sibling host plants a session id before Alice logs in", True, _weak),
        Case("fixation/ours", Variant.OURS, "A session id is planted or chosen before Alice logs in", False, _ours),
        Case("fixation/legitimate", Variant.LEGITIMATE, "Alice logs in and is known", True, _legitimate),
    ]
)
