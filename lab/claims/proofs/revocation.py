"""Taking a credential back: how long each strategy leaves it working, and what that costs."""

from collections.abc import Iterator
from dataclasses import replace

from jwt_demo.models import Policy
from lab.claims.evidence import Evidence, holds, proves
from lab.claims.sandbox import Browser, Stage
from lab.experiments import revocation, rotation
from lab.experiments.revocation import BY_KEY, Fate
from sessions_demo.conf import conf as session_conf

# Seconds an access token lives here, so that its end can be waited for. The lifetime that counts is the site's.
LIFE = 2
DAY = 24 * 60 * 60


@proves("C66")
def a_token_outlives_the_ban_and_a_session_does_not(scene: Stage) -> Iterator[Evidence]:
    session, token = revocation.play(scene, "ban", LIFE, only=("session", "expiry"))
    yield holds("the session after the ban", session.story, session.at_once)
    yield _worked_on("the token after the ban", token)
    session, token = revocation.play(scene, "password", LIFE, only=("session", "expiry"), most=0.2)
    yield holds("the session after a new password", session.story, session.at_once)
    yield holds("the token after a new password", token.story, token.last_ok is not None and token.refused is None)


def _worked_on(asked: str, fate: Fate) -> Evidence:
    # It dies of its age and of nothing else.
    return holds(asked, fate.story, (fate.last_ok or 0) > (fate.left or 0) / 2 and fate.reason == "Token expired")


@proves("C67")
def short_expiry_with_rotation_ends_in_time(scene: Stage) -> Iterator[Evidence]:
    browser = _short_lived(scene)
    before = rotation.claims(browser)
    answer = browser.keep(browser.post(rotation.REFRESH))
    after = rotation.claims(browser)
    turned = answer.status == 200 and before["jti"] != after["jti"]
    yield holds("a refresh", f"{answer.status}, generation {before['gen']} becomes {after['gen']}", turned)
    (fate,) = revocation.play(scene, "ban", LIFE, only=("expiry",))
    left, last = fate.left or 0, fate.last_ok or 0
    yield holds("the access token after a ban", fate.story, 0 < last <= left)
    revocation.withdraw(scene.people[0].user.pk, "ban")
    refused = browser.post(rotation.REFRESH)
    yield holds("a refresh after the ban", f"{refused.status} {refused.json.get('error')}", refused.status == 401)
    worst = Policy.default().access
    yield holds("the longest that can take on this site", f"{worst} s", worst == 15 * 60)


def _short_lived(scene: Stage) -> Browser:
    browser = scene.browser()
    browser.log_in(scene.person(), "jwt")
    return browser


@proves("C68")
def a_denylist_ends_it_for_one_redis_command(scene: Stage) -> Iterator[Evidence]:
    listed, plain = _compared(scene, "denylist")
    yield _dead_at_once(listed)
    yield holds(
        "a request more than under expiry", f"{listed.redis - plain.redis} Redis", listed.redis - plain.redis == 1
    )
    yield holds("… and in SQL", f"{listed.sql - plain.sql} SQL", listed.sql == plain.sql)


@proves("C69")
def a_version_ends_it_for_one_sql_query(scene: Stage) -> Iterator[Evidence]:
    checked, plain = _compared(scene, "version")
    yield _dead_at_once(checked)
    yield holds("a request more than under expiry", f"{checked.sql - plain.sql} SQL", checked.sql - plain.sql == 1)
    yield holds("… and in Redis", f"{checked.redis - plain.redis} Redis", checked.redis == plain.redis)


def _compared(scene: Stage, key: str) -> tuple[Fate, Fate]:
    """How this strategy fares beside plain expiry, to which its price is compared."""
    fates = {fate.strategy.key: fate for fate in revocation.play(scene, "ban", LIFE, only=(key, "expiry"), most=0.2)}
    return fates[key], fates["expiry"]


def _dead_at_once(fate: Fate) -> Evidence:
    asked = f"{fate.strategy.name.lower()}: the next request after the ban"
    return holds(asked, fate.story, fate.works and fate.at_once and fate.reason == "Token revoked")


@proves("C70")
def without_refresh_the_password_is_asked_for_again_and_again(scene: Stage) -> Iterator[Evidence]:
    person, browser = scene.person(), scene.browser()
    answer = browser.log_in(person, "jwt", refresh=False)
    access = answer.json["expiresIn"]
    yield holds("what a login without refresh gives", list(answer.json), "refreshToken" not in answer.json)
    refused = browser.post(rotation.REFRESH)
    yield holds("a refresh after it", f"{refused.status} {refused.json.get('error')}", refused.status == 401)
    fate = revocation.outlived(revocation.log_in(scene, person, BY_KEY["short"], LIFE), most=LIFE + 1)
    yield holds(f"with a life of {LIFE} s", fate.story, fate.works and fate.reason == "Token expired")
    logins, others = 3600 / access, 3600 / session_conf.SESSION_ABSOLUTE_LIFETIME
    yield holds(f"logins an hour, with its {access} s", f"{logins:g}; with 300 s {3600 / 300:g}", logins >= 4)
    yield holds("logins an hour with a session", f"{others:.2g}", others < logins)


@proves("C85")
def a_token_of_thirty_days_stays_stolen_for_thirty_days(scene: Stage) -> Iterator[Evidence]:
    (fate,) = revocation.play(scene, "ban", LIFE, only=("short",))
    left, last = fate.left or 0, fate.last_ok or 0
    share = last / left
    yield holds("of the life it had left, it worked after a ban", f"{share:.0%}", share > 0.5)
    days = share * 30
    yield holds("of 30 days that is", f"{days:.0f} days", days > 15)
    try:
        refused = f"allowed: {replace(Policy.default(), access=30 * DAY).access} s"
    except ValueError as error:
        refused = f"refused: {error}"
    yield holds("such a policy on this site", refused, refused.startswith("refused"))


@proves("C98")
def an_intercepted_token_works_until_its_end_and_no_longer(scene: Stage) -> Iterator[Evidence]:
    token = revocation.log_in(scene, scene.person(), BY_KEY["expiry"], LIFE)
    thief = revocation.Credential(token.strategy, scene.browser("Thief (lab) curl/1"), ends=token.ends)
    thief.browser.access = token.browser.access
    fate = revocation.outlived(thief, most=LIFE + 1)
    ended = fate.reason == "Token expired" and (fate.last_ok or 0) <= (fate.left or 0)
    yield holds("from another client, since the theft", fate.story, fate.works and ended)
    issued = scene.logged_in("jwt").access
    life = rotation.lifetime(issued)
    yield holds("the life of a token that this site issues", f"{life} s", life == 15 * 60)


@proves("C101")
def the_remedies_side_by_side(scene: Stage) -> Iterator[Evidence]:
    fates = {fate.strategy.key: fate for fate in revocation.play(scene, "ban", LIFE)}
    yield _worked_on("short expiry and refresh", fates["expiry"])
    yield _worked_on("short expiry alone", fates["short"])
    yield _dead_at_once(fates["denylist"])
    yield _dead_at_once(fates["version"])
    played = rotation.play(scene, "thief-first", 10)
    alarm = next((step.number for step in played.steps if step.alarm), 0)
    yield holds("stored and rotated refresh tokens, stolen", f"alarm at step {alarm} of {len(played.steps)}", alarm > 0)
