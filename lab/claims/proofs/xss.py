"""What a hostile script in the page gets of a credential. The attack range tries it in a real Chromium."""

from collections.abc import Iterator

from lab.claims.attacks import fails, proves_by_attack, run, succeeds
from lab.claims.evidence import Evidence
from lab.claims.sandbox import Sandbox


@proves_by_attack("C29")
def each_place_that_a_client_has(_: Sandbox) -> Iterator[Evidence]:
    """The client can keep and use the credential in each place. A script gets something different from each."""
    places = "local-storage", "closure", "cookie"
    cases = run(*(f"xss/{place}/{payload}" for place in places for payload in ("ride", "read", "patch")))
    for place in places:
        yield succeeds(cases[f"xss/{place}/ride"])
    yield succeeds(cases["xss/local-storage/read"])
    yield succeeds(cases["xss/local-storage/patch"])
    yield fails(cases["xss/closure/read"])
    yield succeeds(cases["xss/closure/patch"])
    yield fails(cases["xss/cookie/read"])
    yield fails(cases["xss/cookie/patch"])


@proves_by_attack("C52")
def theft_and_riding(_: Sandbox) -> Iterator[Evidence]:
    stolen, kept = "xss/local-storage/read", ("xss/cookie/read", "xss/cookie/patch")
    ridden = "xss/local-storage/ride", "xss/cookie/ride"
    cases = run(stolen, *kept, *ridden)
    yield succeeds(cases[stolen])
    for name in kept:
        yield fails(cases[name])
    for name in ridden:
        yield succeeds(cases[name], ends_the_claim=True)


@proves_by_attack("C54")
def what_javascript_can_reach(_: Sandbox) -> Iterator[Evidence]:
    """Credentials that a script can read, one that it can only catch as it is sent, and one that it cannot get."""
    reached = [f"xss/{place}/read" for place in ("local-storage", "session-storage", "global")]
    reached += ["xss/readable-cookie/read", "xss/closure/patch"]
    out_of_reach = "xss/cookie/read", "xss/cookie/patch"
    cases = run(*reached, *out_of_reach)
    for name in reached:
        yield succeeds(cases[name])
    for name in out_of_reach:
        yield fails(cases[name])


@proves_by_attack("C55", "C84", "C114")
def a_token_in_local_storage(_: Sandbox) -> Iterator[Evidence]:
    """The same script runs on a page that keeps the token in localStorage, and on this project's page."""
    cases = run("xss/local-storage/read", "xss/ours/read-token")
    yield succeeds(cases["xss/local-storage/read"])
    yield fails(cases["xss/ours/read-token"])


@proves_by_attack("C56")
def a_token_in_session_storage(_: Sandbox) -> Iterator[Evidence]:
    cases = run("xss/session-storage/read", "xss/session-storage/new-tab")
    yield succeeds(cases["xss/session-storage/read"])
    yield fails(cases["xss/session-storage/new-tab"])


@proves_by_attack("C57")
def a_token_in_a_variable(_: Sandbox) -> Iterator[Evidence]:
    """A token in a variable can be stolen. But a plain read, which gets a token from storage, gets none from a
    closure."""
    stolen, kept = ("xss/global/read", "xss/closure/patch"), ("xss/closure/read", "xss/closure/vendor")
    cases = run(*stolen, *kept, "xss/local-storage/read")
    for name in stolen:
        yield succeeds(cases[name])
    for name in kept:
        yield fails(cases[name])
    yield succeeds(cases["xss/local-storage/read"])


@proves_by_attack("C58")
def an_http_only_cookie(_: Sandbox) -> Iterator[Evidence]:
    """No attack gets the cookie out of the browser. A script in the page can use the cookie, which is not theft."""
    ways = [f"xss/cookie/{payload}" for payload in ("read", "patch", "refresh", "vendor")]
    cases = run(*ways, "xss/cookie/ride")
    for name in ways:
        yield fails(cases[name])
    yield succeeds(cases["xss/cookie/ride"])


@proves_by_attack("C59")
def a_vendors_script(_: Sandbox) -> Iterator[Evidence]:
    cases = run("xss/local-storage/vendor", "xss/closure/vendor", "xss/cookie/vendor")
    yield succeeds(cases["xss/local-storage/vendor"])
    yield fails(cases["xss/closure/vendor"])
    yield fails(cases["xss/cookie/vendor"])


@proves_by_attack("C89")
def a_cookie_without_http_only(_: Sandbox) -> Iterator[Evidence]:
    cases = run("xss/readable-cookie/read", "xss/cookie/read", "xss/ours/read-session")
    yield succeeds(cases["xss/readable-cookie/read"])
    yield fails(cases["xss/cookie/read"])
    yield fails(cases["xss/ours/read-session"])


@proves_by_attack("C95")
def memory_is_no_safe(_: Sandbox) -> Iterator[Evidence]:
    """A theft that the claim rules out; other thefts, also from this project's page; and reads that memory prevents."""
    others = "xss/closure/refresh", "xss/ours/patch-token", "xss/ours/refresh-token"
    reads = "xss/closure/read", "xss/ours/read-token"
    cases = run("xss/closure/patch", *others, *reads)
    yield fails(cases["xss/closure/patch"])
    for name in others:
        yield succeeds(cases[name], ends_the_claim=True)
    for name in reads:
        yield fails(cases[name], ends_the_claim=True)


@proves_by_attack("C96")
def a_refresh_token_in_an_http_only_cookie(_: Sandbox) -> Iterator[Evidence]:
    reads = "xss/ours/steal-refresh", "xss/ours/read-token"
    cases = run(*reads, "xss/ours/refresh-token")
    for name in reads:
        yield fails(cases[name])
    yield succeeds(cases["xss/ours/refresh-token"], ends_the_claim=True)


@proves_by_attack("C110")
def what_both_need_against_a_script(_: Sandbox) -> Iterator[Evidence]:
    """Each credential is stolen without the protection that the claim names, and is not stolen with it."""
    stolen = "xss/readable-cookie/read", "xss/local-storage/read"
    kept = "xss/cookie/read", "xss/ours/read-session", "xss/ours/steal-refresh"
    cases = run(*stolen, *kept)
    for name in stolen:
        yield succeeds(cases[name])
    for name in kept:
        yield fails(cases[name])
