"""Attacks that begin on a page of another site, or of a sibling host of the victim."""

import json

from django.conf import settings

from attack_range import hosts
from attack_range.broken.tries import (
    Attack,
    Try,
    arrived,
    attacker_page,
    cookie,
    logged_in,
    refresh_user,
    session_user,
    submit,
    wait_until,
)
from attack_range.scene import BLANK, Scene
from jwt_demo.conf import conf

EVERYWHERE, LOGOUT, LOGIN = "/session/logout-everywhere/", "/session/logout/", "/session/login/"
PLANT = "([name, value, domain]) => { document.cookie = `\\u2000${name}=${value}; Domain=${domain}; Path=/`; }"


def forged_form(host: str) -> Attack:
    """An attack: a form at `host` ends all of Alice's sessions when Alice visits its page."""

    def attack(scene: Scene) -> Try:
        page = logged_in(scene, scene.person(), "session")
        session = cookie(page, settings.SESSION_COOKIE_NAME)
        how = submit(scene, page, host, EVERYWHERE, {})
        ended = not session_user(scene, session)
        return Try(ended, f"{how} Alice's session {'is over' if ended else 'goes on'}.")

    return attack


def forged_login(scene: Scene) -> Try:
    """Another site's form logs Alice's browser in as Mallory."""
    mallory, page = scene.person("Mallory"), scene.browser().new_page()
    fields = {"email": mallory.email, "password": mallory.password}
    how = submit(scene, page, hosts.ATTACKER, LOGIN, fields)
    user = session_user(scene, cookie(page, settings.SESSION_COOKIE_NAME))
    return _logged_in_as(how, user, str(mallory.user.pk))


def _logged_in_as(how: str, user: str, mallory: str) -> Try:
    through = user == mallory
    return Try(through, f"{how} Alice's browser is {'now logged in as Mallory' if through else 'not logged in'}.")


def json_login(scene: Scene) -> Try:
    """A form of the type text/plain, whose text is JSON, logs Alice's browser in as Mallory in the JWT flow."""
    mallory, page = scene.person("Mallory"), scene.browser().new_page()
    body = json.dumps({"email": mallory.email, "password": mallory.password, "note": "="})
    name, _, value = body.rpartition("=")
    how = submit(scene, page, hosts.ATTACKER, "/jwt/auth/login", {name: value}, "text/plain")
    user = refresh_user(scene, cookie(page, conf.JWT_REFRESH_COOKIE_NAME))
    return _logged_in_as(how, user, str(mallory.user.pk))


def forged_token_logout(scene: Scene) -> Try:
    """A form without fields, at a sibling host, ends Alice's login in the JWT flow."""
    page = logged_in(scene, scene.person(), "jwt")
    refresh = cookie(page, conf.JWT_REFRESH_COOKIE_NAME)
    how = submit(scene, page, hosts.SIBLING, "/jwt/auth/logout", {})
    ended = not refresh_user(scene, refresh)
    return Try(ended, f"{how} Alice's refresh token {'is refused now' if ended else 'is still good'}.")


def image(scene: Scene) -> Try:
    """An image at a sibling host has the address that logs Alice out."""
    page = logged_in(scene, scene.person(), "session")
    session = cookie(page, settings.SESSION_COOKIE_NAME)
    page.goto(attacker_page(hosts.SIBLING, "image", to=scene.url(LOGOUT)))
    status, ended = arrived(scene, LOGOUT, page).status, not session_user(scene, session)
    state = "is over" if ended else "goes on"
    return Try(ended, f"The request for the image was answered {status}. Alice's session {state}.")


def reading(scene: Scene) -> Try:
    """A script at a sibling host reads Alice's profile with her cookie and sends the profile to the attacker."""
    alice = scene.person()
    page = logged_in(scene, alice, "session")
    to, loot = scene.url("/session/api/profile"), scene.url("/broken/loot", hosts.ATTACKER)
    errors: list[object] = []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(attacker_page(hosts.SIBLING, "read", to=to, loot=loot))
    # When the browser does not let the script read the answer, the script ends with an error and sends nothing.
    wait_until(page, lambda: bool(errors or scene.attempt.loot))
    through = any(alice.email in text for text in scene.attempt.loot)
    status = arrived(scene, "/session/api/profile", page).status
    read = "Her e-mail address reached the attacker" if through else "Nothing of it reached the attacker"
    return Try(through, f"The profile was asked for with Alice's cookie and answered {status}. {read}.")


def planted_session(scene: Scene) -> Try:
    """A sibling host plants a look-alike of the session cookie, with Mallory's session."""
    mallory, page = scene.person("Mallory"), scene.browser().new_page()
    name = settings.SESSION_COOKIE_NAME
    own = cookie(logged_in(scene, mallory, "session"), name)
    page.goto(hosts.origin(hosts.SIBLING) + "/blank")
    page.evaluate(PLANT, [name, own, hosts.VICTIM])
    page.goto(hosts.origin(hosts.VICTIM) + BLANK)
    answer = scene.in_page(page, "GET", scene.url("/session/api/whoami"))
    user = str(answer["data"].get("userId", ""))
    return _logged_in_as(f"The next request was answered {answer['status']}.", user, str(mallory.user.pk))


def visit(scene: Scene) -> Try:
    """A link of another site opens the login page in a second tab. Then Alice logs out in the first tab."""
    page = logged_in(scene, scene.person(), "session")
    session, before = cookie(page, settings.SESSION_COOKIE_NAME), cookie(page, settings.CSRF_COOKIE_NAME)
    page.goto(hosts.origin(hosts.VICTIM) + "/session/profile/")
    tab = page.context.new_page()
    tab.goto(attacker_page(hosts.ATTACKER, "link", to=hosts.origin(hosts.VICTIM) + LOGIN))
    tab.click("a")
    tab.wait_for_selector("[name=csrfmiddlewaretoken]", state="attached")
    replaced = cookie(page, settings.CSRF_COOKIE_NAME) != before
    with page.expect_navigation() as navigation:
        page.get_by_role("button", name="Log out here").click()
    still_in = bool(session_user(scene, session))
    how = "replaced" if replaced else "left"
    text = (
        f"The visit {how} the CSRF cookie. The button Log out of the first tab was answered {navigation.value.status}."
    )
    return Try(replaced and still_in, text)
