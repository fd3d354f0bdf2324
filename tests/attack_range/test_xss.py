"""An injected script steals credentials that JavaScript can read, and uses those that it cannot. Our pages run none."""

import pytest

from tests.running import Range

pytestmark = pytest.mark.browser

# For each place of a credential, whether these scripts succeed: read, patch fetch, ride, refresh, vendor.
PAYLOADS = ("read", "patch", "ride", "refresh", "vendor")
MATRIX = {
    "local-storage": (True, True, True, True, True),
    "session-storage": (True, True, True, True, True),
    "global": (True, True, True, True, True),
    "closure": (False, True, True, True, False),
    "cookie": (False, False, True, False, False),
}
# One of each payload, and each place once.
CELLS = [
    "xss/local-storage/read",
    "xss/session-storage/refresh",
    "xss/global/vendor",
    "xss/closure/read",
    "xss/closure/patch",
    "xss/cookie/read",
    "xss/cookie/ride",
]


def succeeded(attack_range: Range, *cases: str) -> dict[str, bool]:
    """Returns whether each case succeeded. Fails if one of them was aborted."""
    results = attack_range.run(*cases)
    assert [case for case in results.values() if not case["as_expected"]] == []
    return {name: case["succeeded"] for name, case in results.items()}


def test_a_script_steals_what_it_can_reach_and_rides_what_it_cannot(chromium: None, attack_range: Range) -> None:
    found = succeeded(attack_range, *CELLS)
    assert found == {cell: cell not in ("xss/closure/read", "xss/cookie/read") for cell in CELLS}


@pytest.mark.exhaustive
@pytest.mark.parametrize("place", MATRIX)
def test_every_payload_at_every_place(place: str, chromium: None, attack_range: Range) -> None:
    cases = {f"xss/{place}/{payload}": expected for payload, expected in zip(PAYLOADS, MATRIX[place], strict=True)}
    assert succeeded(attack_range, *cases) == cases


def test_a_session_cookie_without_httponly_is_stolen(chromium: None, attack_range: Range) -> None:
    assert succeeded(attack_range, "xss/readable-cookie/read") == {"xss/readable-cookie/read": True}


def test_another_tab_does_not_have_what_lies_in_session_storage(chromium: None, attack_range: Range) -> None:
    assert succeeded(attack_range, "xss/session-storage/new-tab") == {"xss/session-storage/new-tab": False}


@pytest.mark.parametrize("flow", ["session", "token"])
def test_a_payload_stored_as_a_name_does_not_run_on_our_pages(flow: str, chromium: None, attack_range: Range) -> None:
    result = attack_range.run(f"xss/ours/stored-{flow}")[f"xss/ours/stored-{flow}"]
    assert not result["succeeded"], result
    # Each of the two defences is enough alone; without both the payload runs.
    directive = {"session": "script-src-attr", "token": "require-trusted-types-for"}[flow]
    assert result["detail"] == {"escaped": True, "policy_refused": directive, "ran_without_both": True}


def test_a_script_that_did_get_in_finds_no_credential_on_our_pages(chromium: None, attack_range: Range) -> None:
    cases = ("xss/ours/read-session", "xss/ours/read-token", "xss/ours/steal-refresh")
    assert succeeded(attack_range, *cases) == dict.fromkeys(cases, False)


def test_our_protection_ends_at_what_a_script_does_inside_the_page(chromium: None, attack_range: Range) -> None:
    results = attack_range.run("xss/ours/ride-session", "xss/ours/patch-token", "xss/ours/refresh-token")
    assert [case["id"] for case in results.values() if case["succeeded"] and case["limit"]] == [*results]


def test_users_with_unusual_names_log_in_and_see_them_unchanged(chromium: None, attack_range: Range) -> None:
    cases = ("xss/legitimate/session", "xss/legitimate/token")
    assert succeeded(attack_range, *cases) == dict.fromkeys(cases, True)
