"""The duration of a failed login shows who has an account on the weak server, and not on ours."""

import pytest

from tests.running import Range

pytestmark = pytest.mark.browser


KINDS = ("unknown", "wrong", "inactive")


def test_the_times_are_apart_on_the_weak_and_not_on_ours(attack_range: Range) -> None:
    results = attack_range.run("enumeration/")
    assert [case for case in results.values() if not case["as_expected"]] == []
    weak, ours = (results[f"enumeration/{variant}"]["detail"] for variant in ("weak", "ours"))
    assert weak["auc"]["wrong/unknown"] >= 0.9
    assert {len(weak[kind]) for kind in KINDS[:2]} == {16}
    for way in (ours, ours["session"]):
        assert {len(way[kind]) for kind in KINDS} == {16}
        assert way["auc"].keys() == {"wrong/unknown", "inactive/unknown", "inactive/wrong"}
        assert all(0.1 < share < 0.9 for share in way["auc"].values())
