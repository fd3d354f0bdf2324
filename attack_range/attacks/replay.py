"""Replay: a copied cookie or token is sent again, after the logout or after the token was exchanged."""

from django.conf import settings

from attack_range import hosts
from attack_range.attacks.clients import status_with_session, status_with_token
from attack_range.cases import Case, Seen, Variant, register
from attack_range.scene import Scene
from attack_range.weak.replay import COOKIE
from jwt_demo.conf import conf

WEAK, REFRESH = "/weak/replay", "/jwt/auth/refresh"


def _weak_session(scene: Scene) -> Seen:
    page = scene.browser().new_page()
    page.goto(hosts.origin(hosts.VICTIM) + "/blank")
    scene.in_page(page, "POST", f"{WEAK}/login")
    stolen = _cookie(page, COOKIE)
    before = scene.ask("GET", scene.url(f"{WEAK}/whoami"), {COOKIE: stolen}).status_code
    out = scene.in_page(page, "POST", f"{WEAK}/logout")["status"]
    _insist_on_a_logout(before, out)
    after = scene.ask("GET", scene.url(f"{WEAK}/whoami"), {COOKIE: stolen}).status_code
    return Seen(after == 200, f"The copied cookie before the logout: {before}. Logout: {out}. After it: {after}.")


def _our_session(scene: Scene) -> Seen:
    page = scene.browser().new_page()
    scene.log_in(page, scene.person(), "session")
    stolen = _cookie(page, settings.SESSION_COOKIE_NAME)
    before = status_with_session(scene, stolen)
    csrf = scene.in_page(page, "GET", "/session/api/")["csrf"]
    out = scene.in_page(page, "POST", "/session/auth/logout", {}, **{"X-CSRFToken": csrf})["status"]
    _insist_on_a_logout(before, out)
    after = status_with_session(scene, stolen)
    return Seen(after != 401, f"The copied cookie before the logout: {before}. Logout: {out}. After it: {after}.")


def _insist_on_a_logout(before: int, out: int) -> None:
    """Raises `RuntimeError` unless the copy was valid before and the logout succeeded: the case would show nothing."""
    if (before, out) != (200, 200):
        raise RuntimeError(f"The copied cookie was answered {before} before the logout, and the logout {out}.")


def _weak_refresh(scene: Scene) -> Seen:
    page = scene.browser().new_page()
    page.goto(hosts.origin(hosts.VICTIM) + "/blank")
    stolen = scene.in_page(page, "POST", f"{WEAK}/login")["data"]["refreshToken"]
    owner = scene.in_page(page, "POST", f"{WEAK}/refresh", None, **{"Refresh-Token": stolen})["status"]
    answer = scene.ask("POST", scene.url(f"{WEAK}/refresh"), headers={"Refresh-Token": stolen})
    text = f"Alice exchanges the token: {owner}. The copy of it, after that: {answer.status_code}."
    return Seen(owner == answer.status_code == 200, text)


def _our_refresh(scene: Scene) -> Seen:
    """The thief's client differs from Alice's browser. By that the server can tell a replay from a lost answer."""
    page = scene.browser().new_page()
    scene.log_in(page, scene.person(), "jwt")
    stolen = _cookie(page, conf.JWT_REFRESH_COOKIE_NAME)
    owner = scene.in_page(page, "POST", REFRESH)
    if owner["status"] != 200:
        raise RuntimeError(f"Alice's own refresh failed with {owner['status']}.")
    newest, token = _cookie(page, conf.JWT_REFRESH_COOKIE_NAME), owner["data"]["accessToken"]
    if (good := status_with_token(scene, "/jwt/api/whoami", token)) != 200:
        raise RuntimeError(f"Alice's own access token is refused: {good}.")
    first, second = (_ask_refresh(scene, token) for token in (stolen, newest))
    access = status_with_token(scene, "/jwt/api/whoami", token)
    text = (
        f"Alice exchanges the token: {owner['status']}. The copy of it, after that: {first}. "
        f"Then everything of hers has ended: her newest refresh token {second}, her access token {access}."
    )
    return Seen({first, second, access} != {401}, text, {"statuses": [first, second, access]})


def _ask_refresh(scene: Scene, token: str) -> int:
    return scene.ask("POST", scene.url(REFRESH), {conf.JWT_REFRESH_COOKIE_NAME: token}).status_code


def _legitimate(scene: Scene) -> Seen:
    page, alice = scene.browser().new_page(), scene.person()
    scene.log_in(page, alice, "jwt")
    refreshes = [scene.in_page(page, "POST", REFRESH)["status"] for _ in range(3)]
    scene.log_in(page, alice, "session")
    csrf = scene.in_page(page, "GET", "/session/api/")["csrf"]
    scene.in_page(page, "POST", "/session/auth/logout", {}, **{"X-CSRFToken": csrf})
    scene.log_in(page, alice, "session")
    again = scene.in_page(page, "GET", "/session/api/whoami")["status"]
    text = f"Three refreshes in turn: {', '.join(map(str, refreshes))}. After a logout and a new login: {again}."
    return Seen({*refreshes, again} == {200}, text)


def _cookie(page: object, name: str) -> str:
    cookies = page.context.cookies()  # type: ignore[attr-defined]
    return next(cookie["value"] for cookie in cookies if cookie["name"] == name)


LOGGED_OUT = "A copied session cookie is sent again after the logout"
EXCHANGED = "A copied refresh token is sent again after it was exchanged"
register(
    [
        Case("replay/session/weak", Variant.WEAK, LOGGED_OUT, True, _weak_session),
        Case("replay/session/ours", Variant.OURS, LOGGED_OUT, False, _our_session),
        Case("replay/refresh/weak", Variant.WEAK, EXCHANGED, True, _weak_refresh),
        Case("replay/refresh/ours", Variant.OURS, EXCHANGED, False, _our_refresh),
        Case("replay/legitimate", Variant.LEGITIMATE, "Alice refreshes, logs out and logs in again", True, _legitimate),
    ]
)
