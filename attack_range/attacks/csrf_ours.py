"""CSRF on the project's own code: the logout of the session flow, and the refresh of the JWT flow."""

from collections.abc import Callable
from typing import Any

from django.conf import settings

from attack_range import hosts
from attack_range.attacks.csrf import REQUEST_TEXT
from attack_range.attacks.csrf_forging import REQUESTS, Forged, forge, insist, log_in_from_elsewhere
from attack_range.attacks.csrf_single import plant
from attack_range.cases import Case, Seen, Variant, register
from attack_range.people import Person
from attack_range.scene import Scene
from jwt_demo.conf import conf
from jwt_demo.models import TokenFamily

WHOAMI = "/session/api/whoami"
REFRESH = "/jwt/auth/refresh"
# Our page reloads itself after another site's link has opened it. The second request has the Strict cookies.
VISITS = {"link": 2}
AGAIN = {"link": " This is the second request, for our page asks again when another site's link opens it."}


def _session(request: str) -> Callable[[Scene], Seen]:
    def run(scene: Scene) -> Seen:
        context = scene.browser()
        page = context.new_page()
        scene.log_in(page, scene.person(), "session")
        forged = forge(scene, context, request, "ours-session", VISITS.get(request, 1))
        ended = scene.in_page(page, "GET", WHOAMI)["status"] != 200
        insist(ended or _logs_out(scene, page), "The logout of our own page failed.")
        text = f"The session {'has ended' if ended else 'goes on'}.{AGAIN.get(request, '')}"
        return _seen(forged, ended, text, settings.SESSION_COOKIE_NAME)

    return run


def _seen(forged: Forged, changed: bool, text: str, cookie: str) -> Seen:
    """The outcome. Raises `RuntimeError` when nothing changed, and neither the browser nor our checks explain it."""
    layer = "" if changed else forged.layer(cookie)
    insist(changed or bool(layer), f"The request failed with {forged.status}, and no check against forgery refused it.")
    why = f" Stopped by: {layer}." if layer else ""
    return Seen(changed, f"{forged.sentence()}{why} {text}", forged.detail(changed) | {"refused_by": layer})


def _logs_out(scene: Scene, page: Any) -> bool:
    """Whether the logout of our own page ends the session."""
    csrf = scene.in_page(page, "GET", "/session/api/")["csrf"]
    out = scene.in_page(page, "POST", "/session/auth/logout", {}, **{"X-CSRFToken": csrf})["status"]
    return (out, scene.in_page(page, "GET", WHOAMI)["status"]) == (200, 401)


def _token(request: str) -> Callable[[Scene], Seen]:
    def run(scene: Scene) -> Seen:
        context = scene.browser()
        page, person = context.new_page(), scene.person()
        scene.log_in(page, person, "jwt")
        before = _generation(person)
        forged = forge(scene, context, request, "ours-token", VISITS.get(request, 1))
        changed = _generation(person) != before
        insist(_refreshes(scene, page, person), "The refresh of our own page failed.")
        text = f"The tokens were {'exchanged' if changed else 'left as they were'}.{AGAIN.get(request, '')}"
        return _seen(forged, changed, text, conf.JWT_REFRESH_COOKIE_NAME)

    return run


def _generation(person: Person) -> int:
    return TokenFamily.objects.get(user=person.user).generation


def _refreshes(scene: Scene, page: Any, person: Person) -> bool:
    """Whether our own page gets new tokens."""
    before = _generation(person)
    status = scene.in_page(page, "POST", REFRESH, {})["status"]
    return status == 200 and _generation(person) == before + 1


def _session_login(scene: Scene) -> Seen:
    mallory, context = scene.person("Mallory"), scene.browser()
    fields = {"field_email": mallory.email, "field_password": mallory.password}
    arrival = log_in_from_elsewhere(scene, context, "ours-session-login", fields)
    page = context.new_page()
    page.goto(hosts.origin(hosts.VICTIM) + "/ours/blank")
    logged_in = scene.in_page(page, "GET", WHOAMI)["status"] == 200
    own = scene.log_in(page, scene.person(), "session")["status"]
    text = f"The form from {arrival.origin}: {arrival.status}. The browser is {'' if logged_in else 'not '}logged in."
    return Seen(logged_in, f"{text} The login by our own page: {own}.", {"status": arrival.status})


def _token_login(scene: Scene) -> Seen:
    mallory, context = scene.person("Mallory"), scene.browser()
    # The body of a text/plain form can be valid JSON. A server that ignores the Content-Type would accept it.
    start = f'{{"email": "{mallory.email}", "password": "{mallory.password}", "more": "'
    fields = {f"field_{start}": '"}', "enctype": "text/plain"}
    arrival = log_in_from_elsewhere(scene, context, "ours-token-login", fields)
    has_cookie = any(cookie["name"] == conf.JWT_REFRESH_COOKIE_NAME for cookie in context.cookies())
    family = TokenFamily.objects.filter(user=mallory.user).exists()
    own = scene.log_in(context.new_page(), scene.person(), "jwt")["status"]
    text = f"The form from {arrival.origin}: {arrival.status}. "
    text += f"The browser has {'a' if has_cookie else 'no'} refresh cookie."
    return Seen(has_cookie or family, f"{text} The login by our own page: {own}.", {"status": arrival.status})


def _planted(scene: Scene) -> Seen:
    context, alice, mallory = scene.browser(), scene.person(), scene.person("Mallory")
    page = context.new_page()
    scene.log_in(page, alice, "session")
    plant(scene, context, settings.SESSION_COOKIE_NAME, _session_id(scene, mallory))
    names = [cookie["name"] for cookie in context.cookies(hosts.origin(hosts.VICTIM))]
    answer = scene.in_page(page, "GET", WHOAMI)
    user = answer["data"].get("userId", "")
    insist(user in (str(alice.user.pk), str(mallory.user.pk)), "Alice's own session was refused.")
    who = "Alice" if user == str(alice.user.pk) else "Mallory"
    text = f"The browser has the cookies {', '.join(map(ascii, names))}. For our code it is still {who}."
    return Seen(who == "Mallory", text, {"had": names, "name": who})


def _session_id(scene: Scene, person: Person) -> str:
    """The id of a valid session of this person, from a login in the attacker's own browser."""
    context = scene.browser()
    scene.log_in(context.new_page(), person, "session")
    cookies = {cookie["name"]: cookie["value"] for cookie in context.cookies()}
    value: str = cookies[settings.SESSION_COOKIE_NAME]
    answer = scene.ask("GET", scene.url(WHOAMI), {settings.SESSION_COOKIE_NAME: value})
    insist(answer.status_code == 200, "The attacker's own session does not work.")
    return value


def _legitimate_session(scene: Scene) -> Seen:
    page = scene.browser().new_page()
    login = scene.log_in(page, scene.person(), "session")["status"]
    works = login == 200 and _logs_out(scene, page)
    return Seen(works, f"The login of our own page: {login}. Its logout {'works' if works else 'failed'}.")


def _legitimate_token(scene: Scene) -> Seen:
    page, person = scene.browser().new_page(), scene.person()
    login = scene.log_in(page, person, "jwt")["status"]
    works = login == 200 and _refreshes(scene, page, person)
    return Seen(works, f"The login of our own page: {login}. Its refresh {'works' if works else 'failed'}.")


def _cases() -> list[Case]:
    ours, login = Variant.OURS, "A form of another site logs the browser in as the attacker"
    cases = [
        Case("csrf/login/ours-session", ours, f"{login} (session)", False, _session_login),
        Case("csrf/login/ours-token", ours, f"{login} (token)", False, _token_login),
        Case("csrf/planted/ours", ours, "A sibling host plants a cookie beside our session cookie", False, _planted),
    ]
    for request in REQUESTS:
        text = REQUEST_TEXT[request].capitalize()
        cases += [
            Case(f"csrf/ours-session/{request}", ours, f"{text} logs the user out", False, _session(request)),
            Case(f"csrf/ours-token/{request}", ours, f"{text} exchanges the user's tokens", False, _token(request)),
        ]
    tried = "The user logs in by our own page and {}"
    return [
        *cases,
        Case("csrf/legitimate/session", Variant.LEGITIMATE, tried.format("logs out"), True, _legitimate_session),
        Case("csrf/legitimate/token", Variant.LEGITIMATE, tried.format("gets new tokens"), True, _legitimate_token),
    ]


register(_cases())
