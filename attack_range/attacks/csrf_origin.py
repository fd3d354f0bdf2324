"""CSRF on the project's own code from a browser without Fetch Metadata. The origin gate then checks `Origin` only.

All current browsers send Fetch Metadata, so an HTTP client with the victim's cookies takes the place of the browser.
"""

from django.conf import settings
from httpx import Response

from attack_range import hosts
from attack_range.attacks.clients import ask_to_log_in, cookies_of, listed, log_in_for_tokens, status_with_session
from attack_range.attacks.csrf_forging import insist
from attack_range.attempts import layer_of
from attack_range.cases import Case, Seen, Variant, register
from attack_range.scene import Scene
from jwt_demo.conf import conf
from jwt_demo.models import TokenFamily

EVERYWHERE, REFRESH = "/session/auth/logout-everywhere", "/jwt/auth/refresh"
GATE = "origin gate"


def _session(scene: Scene) -> Seen:
    alice = scene.person()
    cookies = cookies_of(ask_to_log_in(scene, "session", alice.email, alice.password))
    start = scene.ask("GET", scene.url("/session/api/"), cookies)
    cookies |= cookies_of(start)
    token = {"X-CSRFToken": start.headers["X-CSRFToken"]}
    answers = [_ask(scene, EVERYWHERE, cookies, origin, token) for origin in _foreign()]
    session = cookies[settings.SESSION_COOKIE_NAME]
    ended = status_with_session(scene, session) != 200
    own = _ask(scene, EVERYWHERE, cookies, hosts.origin(hosts.VICTIM), token).status_code
    insist(ended or (own, status_with_session(scene, session)) == (200, 401), f"The site's own Origin: {own}.")
    return _seen(answers, ended, own)


def _token(scene: Scene) -> Seen:
    alice = scene.person()
    _, refresh = log_in_for_tokens(scene, alice)
    cookies = {conf.JWT_REFRESH_COOKIE_NAME: refresh}
    answers = [_ask(scene, REFRESH, cookies, origin, {}) for origin in _foreign()]
    family = TokenFamily.objects.get(user=alice.user)
    exchanged = family.generation
    own = _ask(scene, REFRESH, cookies, hosts.origin(hosts.VICTIM), {}).status_code
    family.refresh_from_db()
    insist(own == 200 and family.generation == exchanged + 1, f"The site's own Origin: {own}.")
    return _seen(answers, exchanged != 0, own)


def _foreign() -> tuple[str, str]:
    """Foreign values of `Origin`. A sandboxed frame or a redirected request sends `null`."""
    return hosts.origin(hosts.ATTACKER), "null"


def _ask(scene: Scene, path: str, cookies: dict[str, str], origin: str, headers: dict[str, str]) -> Response:
    return scene.ask("POST", scene.url(path), cookies, json={}, headers={"Origin": origin} | headers)


def _seen(answers: list[Response], changed: bool, own: int) -> Seen:
    statuses = [answer.status_code for answer in answers]
    layers = sorted({layer_of(answer.status_code, answer.text) for answer in answers})
    text = f"Another site's Origin and null: {listed(statuses)}. Stopped by: {', '.join(layers) or 'nothing'}. "
    text += f"The victim's own Origin: {own}."
    detail = {"statuses": statuses, "refused_by": layers[0] if len(layers) == 1 else "", "changed": changed}
    return Seen(changed or set(statuses) != {403} or layers != [GATE], text, detail)


SESSION = "Without Fetch Metadata, another Origin ends all sessions of the user"
TOKEN = "Without Fetch Metadata, another Origin exchanges the user's tokens"  # noqa: S105  (a sentence)
register(
    [
        Case("csrf/ours-origin/session", Variant.OURS, SESSION, False, _session),
        Case("csrf/ours-origin/token", Variant.OURS, TOKEN, False, _token),
    ]
)
