"""Another origin makes the victim's browser send a request: which cookies are sent, and what a defence refuses.

`SOAK=1` tries every cell of the matrix; without it, each cell without a defence and some of the others.
"""

import os
from itertools import product
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.attack_range.asking import FORM, send
from tests.running import Range

pytestmark = pytest.mark.browser
SOAK = bool(os.environ.get("SOAK"))
CREDENTIALS = ("session-unset", "session-lax", "session-strict", "session-none", "token-cookie", "bearer")
REQUESTS = ("link", "form", "fetch", "image", "port", "sibling")
DEFENCES = ("none", "token", "origin", "metadata")
COOKIES = set(CREDENTIALS) - {"bearer"}
# Outcomes without a defence. The other port and the sibling host are same-site, so SameSite does not stop them.
GOES_ALONG = {
    "link": COOKIES - {"session-strict"},
    "form": {"session-unset", "session-none", "token-cookie"},
    "fetch": set(),
    "image": set(),
    "port": COOKIES,
    "sibling": COOKIES,
}
# What keeps each of them from ours.
STOPPED_BY = {
    "link": "method",
    "form": "no cookie sent",
    "fetch": "no cookie sent",
    "image": "no cookie sent",
    "port": "origin gate",
    "sibling": "origin gate",
}
FEW = [
    ("session-unset", "link", "none"),
    ("session-unset", "form", "none"),
    ("session-lax", "form", "none"),
    ("session-strict", "sibling", "none"),
    ("session-strict", "port", "metadata"),
    ("session-strict", "port", "origin"),
    ("session-none", "form", "token"),
    ("bearer", "sibling", "none"),
]
SINGLE = (
    "csrf/bearer/sibling/cors-open",
    "csrf/refresh-strict/",
    "csrf/login/",
    "csrf/planted/",
    "csrf/ours-session/link",
    "csrf/ours-session/port",
    "csrf/ours-token/sibling",
    "csrf/ours-origin/",
    "csrf/legitimate/",
)


def check(cells: list[tuple[str, str, str]], results: dict[str, dict[str, Any]]) -> None:
    """Checks that each cell of the matrix has the expected outcome, for the right reason."""
    for credential, request, defence in cells:
        case = results[f"csrf/{credential}/{request}/{defence}"]
        arrives = credential in GOES_ALONG[request]
        passes = defence == "none" or (defence == "metadata" and request in ("port", "sibling"))
        assert case["succeeded"] is (arrives and passes), case
        assert bool(case["detail"]["arrived"]) is arrives, case
        assert case["as_expected"], case
        assert case["detail"]["fetch_site"] == ("same-site" if request in ("port", "sibling") else "cross-site"), case


def test_a_forged_request_changes_what_its_credential_and_the_defence_let_it(
    chromium: None, attack_range: Range
) -> None:
    check(FEW, attack_range.run(*map("csrf/{0[0]}/{0[1]}/{0[2]}".format, FEW)))


@pytest.mark.soak
@pytest.mark.exhaustive
@pytest.mark.parametrize("credential", CREDENTIALS)
def test_the_whole_matrix(chromium: None, attack_range: Range, credential: str) -> None:
    cells = list(product([credential], REQUESTS, DEFENCES if SOAK else ["none"]))
    check(cells, attack_range.run(*map("csrf/{0[0]}/{0[1]}/{0[2]}".format, cells)))


def test_only_the_preflight_of_a_request_with_a_header_arrives(chromium: None, attack_range: Range) -> None:
    case = attack_range.run("csrf/bearer/fetch/none")["csrf/bearer/fetch/none"]
    assert (case["detail"]["methods"], case["detail"]["arrived"]) == (["OPTIONS"], [])
    assert case["detail"]["preflight_only"] is True


def test_each_attack_beside_the_matrix_works_on_the_weak_and_not_on_ours(chromium: None, attack_range: Range) -> None:
    results = attack_range.run(*SINGLE)
    assert [case for case in results.values() if not case["as_expected"]] == []
    succeeded = {name for name, case in results.items() if case["succeeded"]}
    assert succeeded == {
        "csrf/bearer/sibling/cors-open",
        "csrf/refresh-strict/sibling",
        "csrf/login/weak",
        "csrf/planted/weak",
        "csrf/legitimate/session",
        "csrf/legitimate/token",
    }
    # The gate refuses requests that carry a credential of the project.
    for name in ("csrf/ours-session/port", "csrf/ours-token/sibling"):
        assert results[name]["detail"]["arrived"], name
        assert results[name]["detail"]["status"] == 403, name
        assert results[name]["detail"]["refused_by"] == "origin gate", name
    assert results["csrf/ours-session/link"]["detail"]["refused_by"] == "method"


@pytest.mark.exhaustive
def test_each_kind_of_request_fails_on_ours_and_the_window_closes(chromium: None, attack_range: Range) -> None:
    results = attack_range.run("csrf/ours-session/", "csrf/ours-token/", "csrf/session-unset/form-late/none")
    assert len(results) == 2 * len(REQUESTS) + 1
    assert [case for case in results.values() if case["succeeded"] or not case["as_expected"]] == []
    for flow, (request, layer) in product(("session", "token"), STOPPED_BY.items()):
        assert results[f"csrf/ours-{flow}/{request}"]["detail"]["refused_by"] == layer, (flow, request)


def test_an_amount_that_is_too_long_for_a_number_is_refused_with_a_sentence(attack_range: Range) -> None:
    host = f"victim.localhost:{attack_range.port}"
    login = urlencode({"name": "Alice", "password": "wonderland", "credential": "session-lax"}).encode()
    cookies = send(attack_range, host, "/weak/csrf/login", "POST", login, (FORM,)).headers.get_all("Set-Cookie") or []
    [cookie] = [one.partition(";")[0] for one in cookies if one.startswith("__Host-bank-session=")]
    order = urlencode({"to": "Mallory", "amount": "1" * 5000}).encode()
    answer = send(attack_range, host, "/weak/csrf/transfer/none", "POST", order, (FORM, ("Cookie", cookie)))
    assert answer.status == 400
    assert "There is not enough money for this transfer." in answer.text
