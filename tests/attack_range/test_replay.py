"""A credential that was used up is refused when it is sent again."""

import pytest

from tests.running import Range

pytestmark = pytest.mark.browser


def test_a_replay_works_on_the_weak_and_not_on_ours(chromium: None, attack_range: Range) -> None:
    results = attack_range.run("replay/")
    assert [case for case in results.values() if not case["as_expected"]] == []
    assert {name for name, case in results.items() if case["succeeded"]} == {
        "replay/session/weak",
        "replay/refresh/weak",
        "replay/legitimate",
    }
    # The copied refresh token, its successor, and the access token that was issued with the successor.
    assert results["replay/refresh/ours"]["detail"]["statuses"] == [401, 401, 401]
