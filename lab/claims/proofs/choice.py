"""Which flow suits which application: the rules of `lab.experiments.decision`, and measurements of their reasons."""

import time
from collections.abc import Iterator
from functools import partial

import jwt
from django.conf import settings
from rest_framework_simplejwt.exceptions import TokenBackendError

from accounts.models import User
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.conf import simple_jwt
from jwt_demo.keys import ring
from jwt_demo.tokens import Backend
from lab.claims.evidence import Evidence, holds, limit, proves
from lab.claims.sandbox import Answer, Browser, Sandbox
from lab.claims.services import proves_by_services
from lab.experiments import gateway
from lab.experiments.decision import Outcome, decide
from lab.experiments.remember_me import reopen
from sessions_demo.record import USER_ID
from sessions_demo.store import SessionStore

KINDS = ("browser", "script", "apps", "both")


def _rule_says(*expected: Outcome, **answers: str) -> Evidence:
    outcome = decide(answers).outcome
    return holds(" and ".join(f"{name}: {value}" for name, value in answers.items()), outcome, outcome in expected)


@proves("C75")
def sessions_for_server_rendered_pages(sandbox: Sandbox) -> Iterator[Evidence]:
    """The rule; and a page that a browser gets with only the cookie that it sends by itself."""
    yield _rule_says(Outcome.SESSION, clients="browser", servers="one")
    yield _rule_says(Outcome.SESSION, clients="browser", servers="several")
    browser = sandbox.logged_in("session")
    page = browser.get("/session/profile/", headers={"X-CSRFToken": None})
    sent = [cookie["name"] for cookie in page.exchange.cookies_sent]
    yield holds("the profile page, requested as by a link, without a script", page.status, page.status == 200)
    yield holds("cookies that the browser sent by itself", sent, settings.SESSION_COOKIE_NAME in sent)


@proves_by_services("C77")
def tokens_for_many_services(sandbox: Sandbox) -> Iterator[Evidence]:
    """The rule gives tokens for every kind of client; and each of two services verifies a token alone."""
    for clients in KINDS:
        outcome = decide({"clients": clients, "services": "many"}).outcome
        yield holds(f"clients: {clients} and services: many", outcome, outcome.has_tokens)
    own = gateway.credentials(sandbox)
    for service in gateway.SERVICES:
        gateway.send(gateway.BY_EACH, service, headers=own.token)  # fetches the keys, once in five minutes
        trip = gateway.send(gateway.BY_EACH, service, headers=own.token)
        hop = trip.hop(service)
        asked = hop.count("redis", "fetch") if hop else -1
        good = trip.status == 200 and trip.user_id == own.user_id and trip.hop("auth") is None
        yield holds(f"look-ups of {service}, which verifies the token alone", asked, good and asked == 0)


@proves("C78")
def sessions_on_one_server(sandbox: Sandbox) -> Iterator[Evidence]:
    """The rule, for pages and for a script."""
    yield _rule_says(Outcome.SESSION, clients="browser", servers="one", services="one")
    yield _rule_says(Outcome.SESSION, clients="script", servers="one", services="one")


@proves("C79")
def how_long_an_old_role_works(sandbox: Sandbox) -> Iterator[Evidence]:
    """The rule; and how long each kind of credential still has a role that was taken away."""
    yield _rule_says(Outcome.SESSION, clients="browser", permissions="often")
    yield _rule_says(Outcome.DENYLIST, clients="both", permissions="often", servers="several")
    person = sandbox.person(role=User.Role.ADMIN)
    session, token = sandbox.logged_in("session", person), sandbox.logged_in("jwt", person)
    person.user.role = User.Role.MEMBER
    person.user.save()
    demoted = time.monotonic()
    answers = {"session": session.get("/session/api/whoami")}
    answers |= {check: _whoami_with_token(token, check) for check in ("denylist", "version")}
    for name, answer in answers.items():
        waited = time.monotonic() - demoted
        yield holds(f"whoami after the demotion, {name}", f"{answer.status} after {waited:.2f} s", answer.status == 401)
    old = _whoami_with_token(token, "expiry")
    left = _claims(token.access)["exp"] - time.time()
    still = f"{old.status} as {old.json.get('role')}, for {left:.0f} s more"
    yield holds(
        "whoami after the demotion, a token that is not looked up", still, old.json.get("role") == "admin" and left > 0
    )


def _whoami_with_token(browser: Browser, check: str) -> Answer:
    return browser.get(f"/lab/whoami/{check}", headers={"Authorization": f"Bearer {browser.access}"})


def _claims(token: str) -> dict[str, int]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


@proves("C80")
def tenant_in_the_token(sandbox: Sandbox) -> Iterator[Evidence]:
    """The rule; and two tenants that share a key, with an audience each. The token of one leads to its own data and is
    refused by the service of the other."""
    for clients in ("script", "apps", "both"):
        yield _rule_says(Outcome.TOKENS, clients=clients, tenants="many", servers="several")
    data, key = {"north": "the orders of north", "south": "the orders of south"}, ring("access").active
    services = {
        name: Backend("at+jwt", partial(ring, "access"), simple_jwt.ISSUER, f"/tenants/{name}/") for name in data
    }
    times = {"iat": int(time.time()), "exp": int(time.time()) + 60}
    tokens = {name: service.encode({"sub": "1", "tenant": name, **times}) for name, service in services.items()}
    for name, other in (("north", "south"), ("south", "north")):
        found = data[services[name].decode(tokens[name])["tenant"]]
        yield holds(f"the token of {name}, at its own service", found, found == data[name])
        refused = _try_token(services[other], tokens[name])
        yield holds(f"the token of {name}, at the service of {other}", refused, refused == "refused")
    careless = jwt.decode(tokens["north"], key.verifying, [key.algorithm], options={"verify_aud": False})
    yield limit(
        "a service of south that does not check the audience",
        f"let {careless['tenant']} in",
        careless["tenant"] == "north",
    )


def _try_token(service: Backend, token: str) -> str:
    try:
        return f"let {service.decode(token)['tenant']} in"
    except TokenBackendError:
        return "refused"


@proves("C81")
def tokens_for_third_parties(sandbox: Sandbox) -> Iterator[Evidence]:
    """The rule; and both a JWT and a random text that the server looks up can be an access token."""
    yield _rule_says(Outcome.TOKENS, clients="partners")
    yield _rule_says(Outcome.DENYLIST, clients="partners", revocation="now")
    person = sandbox.person()
    whoami = sandbox.logged_in("jwt", person).get("/jwt/api/whoami")
    yield holds("a JWT as the bearer token", f"{whoami.status}, user {whoami.json.get('userId')}", whoami.status == 200)
    opaque = sandbox.logged_in("session", person).cookie(settings.SESSION_COOKIE_NAME)
    found = SessionStore(opaque).load().get(USER_ID)
    seen = f"user {found}, from {len(opaque)} random characters"
    yield limit("a random text in its place, looked up", seen, found == str(person.user.pk))


@proves("C82")
def sessions_for_high_stakes(sandbox: Sandbox) -> Iterator[Evidence]:
    """The rule; a step-up that asks for the password and replaces the id; and a logout that ends the session."""
    yield _rule_says(Outcome.SESSION, clients="browser", stakes="high")
    person, cookie = sandbox.person(), settings.SESSION_COOKIE_NAME
    browser = sandbox.logged_in("session", person)
    before = reopen(sandbox, browser, [cookie])
    wrong = browser.post("/session/auth/reauthenticate", {"password": "a wrong one"}).status
    yield holds("the step-up with a wrong password", wrong, wrong == 401)
    reauthenticated = browser.post("/session/auth/reauthenticate", {"password": person.password}).status
    changed = browser.cookie(cookie) != before.cookie(cookie)
    yield holds(
        "the step-up with the right password",
        f"{reauthenticated}, another id: {changed}",
        reauthenticated == 200 and changed,
    )
    old, new = before.get("/session/api/whoami").status, browser.get("/session/api/whoami").status
    yield holds("whoami with the old id, with the new id", [old, new], (old, new) == (401, 200))
    kept = reopen(sandbox, browser, [cookie])
    browser.post("/session/auth/logout")
    ended = kept.get("/session/api/whoami").status
    yield holds("a copy of the cookie, after the logout", ended, ended == 401)


@proves("C83")
def choice_for_new_projects(sandbox: Sandbox) -> Iterator[Evidence]:
    """The rules for the two cases; a rotation; and a case where current best practice disagrees."""
    yield _rule_says(Outcome.TOKENS, clients="script", servers="several")
    yield _rule_says(Outcome.SESSION, clients="browser", servers="one")
    browser, name = sandbox.logged_in("jwt"), jwt_conf.JWT_REFRESH_COOKIE_NAME
    before = browser.cookie(name)
    status = browser.post("/jwt/auth/refresh").status
    rotated = status == 200 and browser.cookie(name) not in ("", before)
    yield holds("a refresh", f"{status}, another refresh token: {rotated}", rotated)
    other = decide({"clients": "script", "servers": "several", "revocation": "now"}).outcome
    yield limit("the same app, when a login must end at once", other, other is Outcome.BACKEND)


@proves("C113")
def choice_by_kind_of_client(sandbox: Sandbox) -> Iterator[Evidence]:
    """The rules for the usual case of each kind of client."""
    yield _rule_says(Outcome.SESSION, clients="browser")
    yield _rule_says(Outcome.TOKENS, clients="both")
    yield _rule_says(Outcome.TOKENS, clients="apps")
    yield _rule_says(Outcome.TOKENS, clients="apps", services="many")


@proves("C116")
def choice_for_simple_apps(sandbox: Sandbox) -> Iterator[Evidence]:
    """The rules for a simple web app on one server, and for the others on one server and on several."""
    yield _rule_says(Outcome.SESSION, clients="browser", servers="one")
    for servers in ("one", "several"):
        for clients in ("both", "apps"):
            yield _rule_says(Outcome.TOKENS, clients=clients, servers=servers)
        yield _rule_says(Outcome.TOKENS, clients="apps", services="many", servers=servers)
