"""Break it yourself: each attack fails on the project's own code and succeeds when the defences in its row are off.
When any one of them is on again, the attack fails again.
"""

from collections.abc import Iterable
from functools import partial

from attack_range import hosts, switches
from attack_range.broken import cross_origin, in_browser, tokens
from attack_range.broken.tries import Attack, Try
from attack_range.cases import Case, Seen, Variant, register
from attack_range.defences import Defence, all_of_them
from attack_range.scene import Scene

ATTACKS: dict[str, Attack] = {
    "broken/sibling-form": cross_origin.forged_form(hosts.SIBLING),
    "broken/other-sites-form": cross_origin.forged_form(hosts.ATTACKER),
    "broken/login": cross_origin.forged_login,
    "broken/get": cross_origin.image,
    "broken/gate": cross_origin.forged_token_logout,
    "broken/cors": cross_origin.reading,
    "broken/json": cross_origin.json_login,
    "broken/next": in_browser.redirect,
    "broken/wildcard": cross_origin.forged_token_logout,
    "broken/visit": cross_origin.visit,
    "broken/frame": in_browser.click_in_frame,
    "broken/payload": in_browser.stored_payload,
    "broken/readable-cookie": in_browser.search,
    "broken/stored-token": in_browser.search,
    "broken/unsigned": tokens.unsigned,
    "broken/longer-hash": tokens.longer_hash,
    "broken/public-key": tokens.public_key,
    "broken/own-key": tokens.own_key,
    "broken/planted": cross_origin.planted_session,
}
RESTORED = "broken/restored"


def attack_without(name: str, off: Iterable[str]) -> Try:
    """Tries the attack of the case `name` once, without these defences. Call it in Chromium's thread only."""
    with switches.off(off), Scene() as scene:
        return ATTACKS[name](scene)


def chosen(defence: Defence, off: list[str]) -> Case:
    """The attack of a row as a case, with the defences off that a visitor has chosen."""
    through = set(off) == set(defence.off)

    def run(_: Scene) -> Seen:
        tried = attack_without(defence.case, off)
        return Seen(tried.through, tried.text)

    return Case(defence.case, Variant.WITHOUT, defence.attack, through, run)


def _prove(defence: Defence, _: Scene) -> Seen:
    on = attack_without(defence.case, [])
    off = attack_without(defence.case, defence.off)
    back = {name: attack_without(defence.case, set(defence.off) - {name}) for name in _each(defence)}
    held = not on.through and off.through and not any(one.through for one in back.values())
    without = " and ".join(switches.SWITCHES[name].label for name in defence.off)
    detail = {"on": on.text, "off": off.text, "back": {name: one.text for name, one in back.items()}}
    return Seen(held, f"With everything on: {on.text} Without {without}: {off.text}", detail)


def _each(defence: Defence) -> list[str]:
    # With only one defence, turning it on again is the same as the try with everything on.
    return defence.off if len(defence.off) > 1 else []


def _restore(_: Scene) -> Seen:
    """Raises an error while defences are off, and then attacks. The defences must be on again."""
    try:
        with switches.off(["origin-gate", "csrf-token", "django-origin"]):
            raise RuntimeError
    except RuntimeError:
        left = switches.which_are_off()
    tried = attack_without("broken/sibling-form", [])
    return Seen(tried.through or bool(left), f"Defences still away: {len(left)}. {tried.text}")


register(
    [
        *(Case(one.case, Variant.WITHOUT, one.attack, True, partial(_prove, one)) for one in all_of_them() if one.case),
        Case(RESTORED, Variant.WITHOUT, "An attack follows a try that broke off without a defence", False, _restore),
    ]
)
