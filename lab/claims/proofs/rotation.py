"""Rotation: a refresh token is replaced at each use, and a second use of the old one signals a theft."""

import secrets
import time
from collections.abc import Iterator

import jwt
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.models import User
from jwt_demo.conf import conf as jwt_conf
from lab.claims.evidence import Evidence, holds, limit, proves
from lab.claims.sandbox import Sandbox
from lab.experiments import revocation, rotation
from lab.experiments.rotation import REFRESH, WHOAMI, PlayedScene, refresh_claims, refresh_cookie, set_refresh_cookie

DAY = 24 * 60 * 60
GRACE_PERIOD = jwt_conf.JWT_GRACE_PERIOD


@proves("C71")
def the_usual_setup_and_a_case_it_is_not_enough_for(sandbox: Sandbox) -> Iterator[Evidence]:
    person = sandbox.person()
    browser = sandbox.browser()
    answer = browser.log_in(person, "jwt")
    cookie = next(line for line in answer.set_cookies if line.startswith("__Host-refresh="))
    access, refresh = rotation.lifetime(browser.access), refresh_claims(browser)
    life = refresh["exp"] - refresh["iat"]
    yield holds("the access token lives", f"{access} s", access == 15 * 60)
    yield holds("the refresh token lives", f"{life / DAY:g} days", life == 7 * DAY)
    yield holds("its cookie", cookie.partition("; ")[2], "HttpOnly" in cookie)
    again = browser.keep(browser.post(REFRESH))
    yield holds("a refresh with the cookie alone", again.status, again.status == 200)
    yield holds(
        "the refresh token after that",
        f"generation {refresh_claims(browser)['gen']}",
        refresh_claims(browser)["jti"] != refresh["jti"],
    )
    revocation.revoke(person.user.pk, "ban")
    late = browser.get("/lab/whoami/expiry", headers={"Authorization": f"Bearer {browser.access}"}).status
    yield limit("a case for which it is not enough: whoami right after a ban", late, late == 200)


@proves("C72")
def the_old_token_is_dead_when_its_successor_was_used(sandbox: Sandbox) -> Iterator[Evidence]:
    browser = sandbox.logged_in("jwt")
    old = refresh_cookie(browser)
    first, second = browser.post(REFRESH), browser.post(REFRESH)
    seen = f"{first.status} and {second.status}, generation {refresh_claims(browser)['gen']}"
    yield holds("two refreshes in a row", seen, refresh_claims(browser)["gen"] == 2)
    set_refresh_cookie(browser, old)
    used = browser.post(REFRESH)
    yield holds("the first token, sent again after that", f"{used.status} {used.json.get('error')}", used.status == 401)
    late = rotation.play_scene(sandbox, "lost-response", grace_period=0).steps[1].requests[0]
    yield holds("the previous token, after the grace period", f"{late.status} {late.result}", late.status == 401)
    soon = rotation.play_scene(sandbox, "lost-response", GRACE_PERIOD).steps[1].requests[0]
    again = soon.status == 200 and soon.result.startswith("the same token")
    yield limit(
        f"the previous token, within the grace period of {GRACE_PERIOD} s", f"{soon.status} {soon.result}", again
    )
    now, key = int(time.time()), secrets.token_bytes(32)
    twins = {jwt.encode({"sub": "42", "iat": now, "exp": now + 7 * DAY}, key) for _ in range(2)}
    yield limit("two tokens without jti, issued in one second", f"{len(twins)} different", len(twins) == 1)


@proves("C73")
def theft_is_noticed_in_both_orders(sandbox: Sandbox) -> Iterator[Evidence]:
    for name in ("thief-first", "owner-first"):
        played = rotation.play_scene(sandbox, name, GRACE_PERIOD)
        yield _alarm(f"{rotation.SCENES[name].name.lower()}", played, wanted=True)
        owner = [step for step in played.steps if step.actor == "laptop"][-1].requests[-1]
        yield holds("… the owner's next request", f"{owner.status} {owner.result}", owner.status == 401)
    yield _alarm(
        "two tabs at once, with a grace period",
        rotation.play_scene(sandbox, "two-tabs", GRACE_PERIOD),
        wanted=False,
    )
    strict = rotation.play_scene(sandbox, "two-tabs", grace_period=0)
    number = next((step.number for step in strict.steps if step.late), 0)
    seen = f"their login ends at step {number}" if number else "they stay logged in"
    yield limit("two tabs at once, without a grace period", seen, number > 0)


def _alarm_step(played: PlayedScene) -> int:
    return next((step.number for step in played.steps if step.alarm), 0)


def _alarm(question: str, played: PlayedScene, wanted: bool) -> Evidence:
    number = _alarm_step(played)
    return holds(question, f"alarm at step {number}" if number else "no alarm", bool(number) is wanted)


@proves("C74")
def a_second_use_ends_everything_here(sandbox: Sandbox) -> Iterator[Evidence]:
    person = sandbox.person()
    desk, laptop, phone = (sandbox.logged_in(flow, person) for flow in ("session", "jwt", "jwt"))
    thief = sandbox.browser("Thief (lab) curl/1")
    set_refresh_cookie(thief, refresh_cookie(laptop))
    first, second = thief.keep(thief.post(REFRESH)), laptop.post(REFRESH)
    yield holds(
        "a refresh by the thief, then by the owner", f"{first.status}, then {second.status}", second.status == 401
    )
    for name, browser in (("the thief", thief), ("the owner's phone", phone)):
        statuses = [browser.post(REFRESH).status, browser.get(WHOAMI).status]
        yield holds(f"{name} after that: refresh, whoami", statuses, statuses == [401, 401])
    session = desk.get("/session/api/whoami").status
    yield holds("the owner's session after that", session, session == 401)
    yield limit("the thief's token with stock SimpleJWT", *_stock_outcome(person.user))


class Stock(RefreshToken):
    """SimpleJWT's own refresh token, signed with a key that nothing else uses."""

    _token_backend = TokenBackend("HS256", secrets.token_urlsafe(32))


def _stock_outcome(user: User) -> tuple[str, bool]:
    """The same theft, rotated as `TokenRefreshSerializer` does with rotation and its blacklist on."""
    stolen = str(Stock.for_user(user))
    successor = _rotate(stolen)
    try:
        _rotate(stolen)
        return "the second use was not noticed", False
    except TokenError as error:
        said = str(error)
    try:
        Stock(successor).check_blacklist()  # type: ignore[arg-type]  # it takes a string
        return f"the owner is told “{said}”; the successor is still valid", True
    except TokenError as error:
        return f"the successor: {error}", False


def _rotate(text: str) -> str:
    token = Stock(text)  # type: ignore[arg-type]
    token.blacklist()
    token.set_jti()
    token.set_exp()
    token.set_iat()
    token.outstand()
    return str(token)


@proves("C99")
def rotation_notices_when_the_loser_comes_back(sandbox: Sandbox) -> Iterator[Evidence]:
    for name, loser in (("thief-first", "laptop"), ("owner-first", "thief")):
        played = rotation.play_scene(sandbox, name, GRACE_PERIOD)
        alarm = next((step for step in played.steps if step.alarm), None)
        seen = f"alarm at step {alarm.number}, when the {alarm.actor} comes back" if alarm else "no alarm"
        yield holds(rotation.SCENES[name].name, seen, alarm is not None and alarm.actor == loser)
    browser, thief = sandbox.logged_in("jwt"), sandbox.browser("Thief (lab) curl/1")
    set_refresh_cookie(thief, refresh_cookie(browser))
    statuses = [thief.keep(thief.post(REFRESH)).status for _ in range(5)]
    statuses.append(thief.get(WHOAMI).status)
    yield limit("the thief alone, while the owner is away: five refreshes, whoami", statuses, set(statuses) == {200})


@proves("C115")
def fifteen_minutes_and_rotated(sandbox: Sandbox) -> Iterator[Evidence]:
    browser = sandbox.logged_in("jwt")
    access, before, old = rotation.lifetime(browser.access), refresh_claims(browser), refresh_cookie(browser)
    yield holds("exp − iat of the access token", f"{access} s", access == 900)
    answer = browser.post(REFRESH)
    after = refresh_claims(browser)
    seen = f"{answer.status}, generation {before['gen']} becomes {after['gen']}"
    yield holds("a refresh", seen, answer.status == 200 and before["jti"] != after["jti"])
    browser.post(REFRESH)
    set_refresh_cookie(browser, old)
    used = browser.post(REFRESH)
    yield holds("the used token, sent again later", f"{used.status} {used.json.get('error')}", used.status == 401)
