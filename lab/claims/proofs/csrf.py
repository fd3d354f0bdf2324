"""Requests that another site forges: which of them arrive with a credential and change something. The attack range
tries them in a real Chromium.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from lab.claims.attacks import Tried, fails, proves_by_attack, run, succeeds
from lab.claims.evidence import Evidence, holds
from lab.claims.sandbox import Sandbox

FROM_ANOTHER_SITE, FROM_THE_SAME_SITE = ("link", "form", "fetch", "image"), ("port", "sibling")
KINDS = FROM_ANOTHER_SITE + FROM_THE_SAME_SITE
# The kinds that succeed against some weak code. The others always fail, so they prove nothing about a defence.
CAN_SUCCEED = ("link", "form", *FROM_THE_SAME_SITE)
# The kinds that a script sends. Only a script can set a header.
BY_SCRIPT = ("fetch", *FROM_THE_SAME_SITE)
VICTIM = "victim.localhost"


def undefended(credential: str, kinds: tuple[str, ...] = KINDS) -> list[str]:
    """The ids of the cases in which the server has no defence, so that only the browser can stop the request."""
    return [f"csrf/{credential}/{kind}/none" for kind in kinds]


@proves_by_attack("C51")
def cookies_go_along(_: Sandbox) -> Iterator[Evidence]:
    sent, bearer = undefended("session-unset", ("link", "form")), undefended("bearer")
    cases = run(*sent, *bearer)
    for name in sent:
        yield succeeds(cases[name])
    for name in bearer:
        yield fails(cases[name])


@proves_by_attack("C109")
def what_each_needs_against_forgery(_: Sandbox) -> Iterator[Evidence]:
    """Forgery works with a cookie without SameSite and fails with SameSite=Strict. With a token in a header it fails
    without any defence, while CORS is closed. C63 shows what happens when CORS is opened."""
    sent, kept = undefended("session-unset", ("link", "form")), undefended("session-strict", FROM_ANOTHER_SITE)
    bearer = undefended("bearer")
    cases = run(*sent, *kept, *bearer)
    for name in sent:
        yield succeeds(cases[name])
    for name in kept:
        yield fails(cases[name])
    for name in bearer:
        yield holds(f"{cases[name].tried}, while CORS is closed", cases[name].seen, not cases[name].succeeded)


@proves_by_attack("C60")
def a_forged_request(_: Sandbox) -> Iterator[Evidence]:
    [name] = undefended("session-unset", ("form",))
    case = run(name)[name]
    yield succeeds(case)
    origin, arrived = str(case.detail.get("origin", "")), case.detail.get("arrived", [])
    yield holds("the Origin header, as it arrived", origin, bool(origin) and urlsplit(origin).hostname != VICTIM)
    yield holds("the credentials that arrived with the request", arrived, bool(arrived))


@proves_by_attack("C61", "C90")
def a_cookie_without_same_site(_: Sandbox) -> Iterator[Evidence]:
    """Chromium sends the cookie with a link, and with a form in the first two minutes. It does not send the cookie with
    background requests, or with a form after that."""
    sent, kept = undefended("session-unset", ("link", "form")), undefended("session-unset", ("fetch", "image"))
    late = "csrf/session-unset/form-late/none"
    cases = run(*sent, *kept, late)
    for name in sent:
        yield succeeds(cases[name])
    for name in [*kept, late]:
        yield fails(cases[name], ends_the_claim=True)


@proves_by_attack("C62")
def a_strict_cookie(_: Sandbox) -> Iterator[Evidence]:
    kept = undefended("session-strict", FROM_ANOTHER_SITE)
    sent = undefended("session-strict", FROM_THE_SAME_SITE)
    cases = run(*kept, *sent)
    for name in kept:
        yield fails(cases[name])
    for name in sent:
        yield succeeds(cases[name], ends_the_claim=True)


@proves_by_attack("C63")
def a_bearer_header(_: Sandbox) -> Iterator[Evidence]:
    closed, opened = undefended("bearer"), "csrf/bearer/sibling/cors-open"
    cases = run(*closed, opened)
    for name in closed:
        yield fails(cases[name])
    scripts = [cases[name] for name in undefended("bearer", BY_SCRIPT)]
    arrived = [f"{kind}: {_methods_of(case)}" for kind, case in zip(BY_SCRIPT, scripts, strict=True)]
    only_asked = all(case.detail.get("preflight_only") is True for case in scripts)
    yield holds("Requests that arrived when scripts elsewhere tried to send a valid token", arrived, only_asked)
    yield succeeds(cases[opened], ends_the_claim=True)


def _methods_of(case: Tried) -> str:
    return ", ".join(map(str, case.detail.get("methods", []))) or "nothing"


@proves_by_attack("C64")
def a_token_in_a_cookie(_: Sandbox) -> Iterator[Evidence]:
    """The two rows of the matrix are the same, and some forgery succeeds in them."""
    cases = run(*undefended("session-unset"), *undefended("token-cookie"))
    lines = [[cases[name] for name in undefended(credential)] for credential in ("session-unset", "token-cookie")]
    for kind, session, token in zip(KINDS, *lines, strict=True):
        seen = f"session: {_word_for(session)}, token: {_word_for(token)}"
        yield holds(f"{kind}: the outcome", seen, session.succeeded is token.succeeded)
    arrived = [kind for kind, token in zip(KINDS, lines[1], strict=True) if token.succeeded]
    yield holds("forged requests that changed something with the token’s cookie", arrived, bool(arrived))


def _word_for(case: Tried) -> str:
    return "changed" if case.succeeded else "refused"


@proves_by_attack("C65")
def each_attack_on_its_own(_: Sandbox) -> Iterator[Evidence]:
    """This project's token flow is built this way. Thefts and forgeries fail, and permitted uses work. A script in the
    page can still act."""
    attacks = ["xss/ours/stored-token", "xss/ours/read-token", "xss/ours/steal-refresh"]
    attacks += [f"csrf/ours-token/{kind}" for kind in CAN_SUCCEED]
    legitimate, inside = ("xss/legitimate/token", "csrf/legitimate/token"), ("patch", "refresh")
    cases = run(*attacks, *legitimate, *(f"xss/ours/{payload}-token" for payload in inside))
    for name in attacks:
        yield fails(cases[name])
    for name in legitimate:
        yield succeeds(cases[name])
    for payload in inside:
        yield succeeds(cases[f"xss/ours/{payload}-token"], ends_the_claim=True)


@proves_by_attack("C97")
def a_strict_refresh_cookie(_: Sandbox) -> Iterator[Evidence]:
    """Requests from another site and from a sibling host go to an address that does not check the Origin. Another
    request from the sibling goes to this project's address, which checks it."""
    cases = run("csrf/refresh-strict/form", "csrf/refresh-strict/sibling", "csrf/ours-token/sibling")
    yield fails(cases["csrf/refresh-strict/form"])
    yield succeeds(cases["csrf/refresh-strict/sibling"], ends_the_claim=True)
    yield fails(cases["csrf/ours-token/sibling"], ends_the_claim=True)
