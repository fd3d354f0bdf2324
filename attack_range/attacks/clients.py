"""Logging in to the project's own code without a browser, for attacks that need none."""

from collections.abc import Iterable
from http.cookies import SimpleCookie

import httpx
from django.conf import settings

from attack_range.people import Person
from attack_range.scene import Scene
from jwt_demo.conf import conf

LOGIN, TOKEN_LOGIN = "/session/auth/login", "/jwt/auth/login"


def log_in(scene: Scene, person: Person) -> str:
    """Logs in and returns the id of the new session. Raises `RuntimeError` when the login fails."""
    answer = _good(ask_to_log_in(scene, "session", person.email, person.password))
    return cookies_of(answer)[settings.SESSION_COOKIE_NAME]


def log_in_for_tokens(scene: Scene, person: Person) -> tuple[str, str]:
    """Logs in and returns an access token and a refresh token. Raises `RuntimeError` when the login fails."""
    answer = _good(ask_to_log_in(scene, "jwt", person.email, person.password))
    return answer.json()["accessToken"], cookies_of(answer)[conf.JWT_REFRESH_COOKIE_NAME]


def ask_to_log_in(scene: Scene, flow: str, email: str, password: str) -> httpx.Response:
    """The answer of the login of `flow` (`session` or `jwt`), whatever its status is."""
    body = {"email": email, "password": password}
    if flow == "jwt":
        return scene.ask("POST", scene.url(TOKEN_LOGIN), json=body)
    start = scene.ask("GET", scene.url("/session/api/"))
    headers = {"X-CSRFToken": start.headers["X-CSRFToken"]}
    return scene.ask("POST", scene.url(LOGIN), cookies_of(start), json=body, headers=headers)


def _good(answer: httpx.Response) -> httpx.Response:
    if answer.status_code != 200:
        raise RuntimeError(f"The login itself failed with {answer.status_code}.")
    return answer


def cookies_of(answer: httpx.Response) -> dict[str, str]:
    """The names and values of the cookies that an answer sets. Their attributes are ignored."""
    jars = [SimpleCookie(line) for line in answer.headers.get_list("Set-Cookie")]
    return {name: morsel.value for jar in jars for name, morsel in jar.items()}


def listed(statuses: Iterable[int]) -> str:
    """The different statuses, each once, for a sentence."""
    return ", ".join(map(str, sorted(set(statuses))))


def status_with_token(scene: Scene, path: str, token: str) -> int:
    """The status of a GET of `path` with this access token."""
    return scene.ask("GET", scene.url(path), headers={"Authorization": f"Bearer {token}"}).status_code


def status_with_session(scene: Scene, session_id: str, path: str = "/session/api/whoami") -> int:
    """The status of a GET of `path` with this session id."""
    return scene.ask("GET", scene.url(path), {settings.SESSION_COOKIE_NAME: session_id}).status_code
