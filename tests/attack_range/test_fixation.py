"""A session id that an attacker chose is worth nothing after the login."""

import pytest

from tests.running import Range

pytestmark = pytest.mark.browser


def test_a_planted_id_is_logged_in_on_the_weak_and_not_on_ours(chromium: None, attack_range: Range) -> None:
    results = attack_range.run("fixation/")
    assert [case for case in results.values() if not case["as_expected"]] == []
    assert results["fixation/weak"]["detail"] == {"before": 401, "after": 200}
    ours = results["fixation/ours"]["detail"]
    # Chromium accepts the look-alike cookie. If it did not, the attack on ours would prove nothing.
    assert ours["planted"] > 0
    assert set(ours["statuses"]) == {401}
