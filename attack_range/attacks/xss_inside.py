"""XSS on the project's own pages, assuming that a script runs there: what it can find, and what it can do."""

from collections.abc import Callable
from typing import Any

from django.conf import settings

from attack_range import hosts
from attack_range.attacks.xss import await_report
from attack_range.attacks.xss_ours import logged_in
from attack_range.cases import Case, Seen, Variant, register
from attack_range.scene import Scene
from attack_range.weak.xss_attacker import script
from jwt_demo.conf import conf

RIDE = """async () => {
    const csrf = (await fetch("/session/api/")).headers.get("X-CSRFToken");
    const options = {method: "POST", headers: {"X-CSRFToken": csrf}};
    return (await fetch("/session/auth/logout-everywhere", options)).status;
}"""

Found = list[dict[str, str]]
# What a thief sends if the script found nothing.
NOTHING: Found = [{"where": "nowhere", "name": "", "value": "nothing"}]


def _read(flow: str) -> Callable[[Scene], Seen]:
    def run(scene: Scene) -> Seen:
        page, _ = logged_in(scene, flow)
        found = _found_by("read", scene, page, "logged in")
        statuses = [_whoami(scene, flow, one["value"]) for one in found or NOTHING]
        text = f"The script sent {_names(found)}. A clean client with what it sent: {_list(statuses)}"
        return Seen(200 in statuses, text, {"found": [one["name"] for one in found], "statuses": statuses})

    return run


def _found_by(name: str, scene: Scene, page: Any, state: str) -> Found:
    """Runs this script of the attacker in the page. Returns what the script reports in this state."""
    page.evaluate(script(name, scene.attempt.nonce, inside=True))
    return await_report(scene, state)


def _whoami(scene: Scene, flow: str, value: str) -> int:
    """The status of `whoami` for a client that has only this value, as the credential of the flow."""
    credential: dict[str, Any] = {"headers": {"Authorization": f"Bearer {value}"}}
    if flow == "session":
        credential = {"cookies": {settings.SESSION_COOKIE_NAME: value}}
    return scene.ask("GET", scene.url(f"/{flow}/api/whoami"), **credential).status_code


def _names(found: Found) -> str:
    return ", ".join(f"{one['name']} ({one['where']})" for one in found) or "nothing"


def _list(statuses: list[int]) -> str:
    return ", ".join(map(str, statuses))


def _steal_refresh(scene: Scene) -> Seen:
    page, _ = logged_in(scene, "jwt")
    name = conf.JWT_REFRESH_COOKIE_NAME
    found = _found_by("seek", scene, page, "sought")
    statuses = [_refresh_with(scene, one["value"]) for one in found or NOTHING]
    control = _refresh_with(scene, _cookie(page, name))
    if control != 200:
        raise RuntimeError(f"The real refresh cookie was answered {control}.")
    text = (
        f"The browser had {name}. The script sent {_names(found)}; to refresh with that: {_list(statuses)}. "
        f"With the cookie itself, which no script saw: {control}"
    )
    return Seen(200 in statuses, text, {"found": [one["name"] for one in found], "statuses": statuses})


def _cookie(page: Any, name: str) -> str:
    return next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == name)


def _refresh_with(scene: Scene, value: str) -> int:
    url, cookies = scene.url("/jwt/auth/refresh"), {conf.JWT_REFRESH_COOKIE_NAME: value}
    return scene.ask("POST", url, cookies, headers={"Origin": hosts.origin(hosts.VICTIM)}).status_code


def _ride(scene: Scene) -> Seen:
    page, _ = logged_in(scene, "session")
    cookie = _cookie(page, settings.SESSION_COOKIE_NAME)
    before, status, after = _whoami(scene, "session", cookie), page.evaluate(RIDE), _whoami(scene, "session", cookie)
    text = f"The script logged Alice out everywhere: {status}. Her session, before and after: {before}, {after}"
    return Seen((before, status, after) == (200, 200, 401), text, {"status": status, "where": "inside the page"})


def _patch(scene: Scene) -> Seen:
    page, _ = logged_in(scene, "jwt")
    page.evaluate(script("patch", scene.attempt.nonce, inside=True))
    # Alice presses a button, and the page's own script calls the API.
    page.evaluate("document.querySelector('#inside [data-do=staff]').click()")
    return _token_works(scene, await_report(scene, "called"), "the page's next call")


def _refresh(scene: Scene) -> Seen:
    page, _ = logged_in(scene, "jwt")
    return _token_works(scene, _found_by("refresh", scene, page, "refreshed"), "a refresh of its own")


def _token_works(scene: Scene, found: Found, source: str) -> Seen:
    status = _whoami(scene, "jwt", found[0]["value"]) if found else 0
    text = f"The script sent home the access token of {source}. A clean client with it: {status}"
    return Seen(status == 200, text, {"status": status, "where": source})


def _case(name: str, tried: str, run: Callable[[Scene], Seen], limit: bool = False) -> Case:
    return Case(f"xss/ours/{name}", Variant.OURS, tried, limit, run, limit)


INSIDE = "A script that did get in"
register(
    [
        _case("read-session", f"{INSIDE} reads all it can reach on the session's page", _read("session")),
        _case("read-token", f"{INSIDE} reads all it can reach on the page of the token flow", _read("jwt")),
        _case("steal-refresh", f"{INSIDE} looks for the refresh token", _steal_refresh),
        _case("ride-session", f"{INSIDE} acts with the session, from inside the page", _ride, limit=True),
        _case("patch-token", f"{INSIDE} waits in a fetch of its own for the access token", _patch, limit=True),
        _case("refresh-token", f"{INSIDE} calls the refresh endpoint itself", _refresh, limit=True),
    ]
)
