"""Revoking a credential: how long it still works under each strategy, and what each strategy costs."""

from collections.abc import Iterator
from dataclasses import replace

from jwt_demo.models import Policy
from lab.claims.evidence import Evidence, holds, proves
from lab.claims.sandbox import Browser, Sandbox
from lab.experiments import revocation, rotation
from lab.experiments.revocation import BY_KEY, Observation
from sessions_demo.conf import conf as session_conf

# Seconds that an access token lives in these proofs, so that they can wait for its end. The site's own is longer.
LIFE = 2
DAY = 24 * 60 * 60


@proves("C66")
def a_token_outlives_the_ban_and_a_session_does_not(sandbox: Sandbox) -> Iterator[Evidence]:
    session, token = revocation.run_round(sandbox, "ban", LIFE, only=("session", "expiry"))
    yield holds("the session after the ban", session.explanation, session.at_once)
    yield _worked_on("the token after the ban", token)
    session, token = revocation.run_round(sandbox, "password", LIFE, only=("session", "expiry"), max_seconds=0.2)
    yield holds("the session after a new password", session.explanation, session.at_once)
    yield holds(
        "the token after a new password", token.explanation, token.last_ok is not None and token.refused is None
    )


def _worked_on(asked: str, observation: Observation) -> Evidence:
    # Only expiry may have ended it.
    return holds(
        asked,
        observation.explanation,
        (observation.last_ok or 0) > (observation.left or 0) / 2 and observation.reason == "Token expired",
    )


@proves("C67")
def short_expiry_with_rotation_ends_in_time(sandbox: Sandbox) -> Iterator[Evidence]:
    browser = _short_lived(sandbox)
    before = rotation.refresh_claims(browser)
    answer = browser.keep(browser.post(rotation.REFRESH))
    after = rotation.refresh_claims(browser)
    turned = answer.status == 200 and before["jti"] != after["jti"]
    yield holds("a refresh", f"{answer.status}, generation {before['gen']} becomes {after['gen']}", turned)
    (observation,) = revocation.run_round(sandbox, "ban", LIFE, only=("expiry",))
    left, last = observation.left or 0, observation.last_ok or 0
    yield holds("the access token after a ban", observation.explanation, 0 < last <= left)
    revocation.revoke(sandbox.people[0].user.pk, "ban")
    refused = browser.post(rotation.REFRESH)
    yield holds("a refresh after the ban", f"{refused.status} {refused.json.get('error')}", refused.status == 401)
    worst = Policy.default().access
    yield holds("the longest lifetime of an access token on this site", f"{worst} s", worst == 15 * 60)


def _short_lived(sandbox: Sandbox) -> Browser:
    browser = sandbox.browser()
    browser.log_in(sandbox.person(), "jwt")
    return browser


@proves("C68")
def a_denylist_ends_it_for_one_redis_command(sandbox: Sandbox) -> Iterator[Evidence]:
    listed, plain = _compared(sandbox, "denylist")
    yield _dead_at_once(listed)
    yield holds(
        "extra cost of a request, compared with expiry",
        f"{listed.redis - plain.redis} Redis",
        listed.redis - plain.redis == 1,
    )
    yield holds("… and in SQL", f"{listed.sql - plain.sql} SQL", listed.sql == plain.sql)


@proves("C69")
def a_version_ends_it_for_one_sql_query(sandbox: Sandbox) -> Iterator[Evidence]:
    checked, plain = _compared(sandbox, "version")
    yield _dead_at_once(checked)
    yield holds(
        "extra cost of a request, compared with expiry", f"{checked.sql - plain.sql} SQL", checked.sql - plain.sql == 1
    )
    yield holds("… and in Redis", f"{checked.redis - plain.redis} Redis", checked.redis == plain.redis)


def _compared(sandbox: Sandbox, key: str) -> tuple[Observation, Observation]:
    """What was seen of this strategy, and of plain expiry for comparison."""
    observations = {
        observation.strategy.key: observation
        for observation in revocation.run_round(sandbox, "ban", LIFE, only=(key, "expiry"), max_seconds=0.2)
    }
    return observations[key], observations["expiry"]


def _dead_at_once(observation: Observation) -> Evidence:
    asked = f"{observation.strategy.name.lower()}: the next request after the ban"
    return holds(
        asked,
        observation.explanation,
        observation.works and observation.at_once and observation.reason == "Token revoked",
    )


@proves("C70")
def without_refresh_the_password_is_asked_for_again_and_again(sandbox: Sandbox) -> Iterator[Evidence]:
    person, browser = sandbox.person(), sandbox.browser()
    answer = browser.log_in(person, "jwt", refresh=False)
    access = answer.json["expiresIn"]
    yield holds("what a login without refresh gives", list(answer.json), "refreshToken" not in answer.json)
    refused = browser.post(rotation.REFRESH)
    yield holds("a refresh after it", f"{refused.status} {refused.json.get('error')}", refused.status == 401)
    observation = revocation.watch_unrevoked(
        revocation.log_in(sandbox, person, BY_KEY["short"], LIFE), max_seconds=LIFE + 1
    )
    yield holds(
        f"a token of {LIFE} s without refresh",
        observation.explanation,
        observation.works and observation.reason == "Token expired",
    )
    logins, others = 3600 / access, 3600 / session_conf.SESSION_ABSOLUTE_LIFETIME
    yield holds(f"logins an hour with tokens of {access} s", f"{logins:g}; with 300 s {3600 / 300:g}", logins >= 4)
    yield holds("logins an hour with a session", f"{others:.2g}", others < logins)


@proves("C85")
def a_token_of_thirty_days_stays_stolen_for_thirty_days(sandbox: Sandbox) -> Iterator[Evidence]:
    (observation,) = revocation.run_round(sandbox, "ban", LIFE, only=("short",))
    left, last = observation.left or 0, observation.last_ok or 0
    share = last / left
    yield holds("share of its remaining life for which it worked after a ban", f"{share:.0%}", share > 0.5)
    days = share * 30
    yield holds("the same share of 30 days", f"{days:.0f} days", days > 15)
    try:
        refused = f"allowed: {replace(Policy.default(), access=30 * DAY).access} s"
    except ValueError as error:
        refused = f"refused: {error}"
    yield holds("a policy with 30 days on this site", refused, refused.startswith("refused"))


@proves("C98")
def an_intercepted_token_works_until_its_end_and_no_longer(sandbox: Sandbox) -> Iterator[Evidence]:
    token = revocation.log_in(sandbox, sandbox.person(), BY_KEY["expiry"], LIFE)
    thief = revocation.Credential(token.strategy, sandbox.browser("Thief (lab) curl/1"), ends=token.ends)
    thief.browser.access = token.browser.access
    observation = revocation.watch_unrevoked(thief, max_seconds=LIFE + 1)
    ended = observation.reason == "Token expired" and (observation.last_ok or 0) <= (observation.left or 0)
    yield holds("the stolen token from another client", observation.explanation, observation.works and ended)
    issued = sandbox.logged_in("jwt").access
    life = rotation.lifetime(issued)
    yield holds("the lifetime of an access token that this site issues", f"{life} s", life == 15 * 60)


@proves("C101")
def the_remedies_side_by_side(sandbox: Sandbox) -> Iterator[Evidence]:
    observations = {observation.strategy.key: observation for observation in revocation.run_round(sandbox, "ban", LIFE)}
    yield _worked_on("short expiry and refresh", observations["expiry"])
    yield _worked_on("short expiry alone", observations["short"])
    yield _dead_at_once(observations["denylist"])
    yield _dead_at_once(observations["version"])
    played = rotation.play_scene(sandbox, "thief-first", 10)
    alarm = next((step.number for step in played.steps if step.alarm), 0)
    yield holds("stored and rotated refresh tokens, stolen", f"alarm at step {alarm} of {len(played.steps)}", alarm > 0)
