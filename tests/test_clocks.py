"""Runs the browser tests that show or count dates on other days. `make test-clocks` runs the whole suite on each."""

import os

import pytest

from tests import clocks
from tests.browser.conftest import CHROMIUM

# The pages with dates, and the cookies with ends; of the rest each test that is about time freezes its clock.
FILES = [
    "test_clock.py",
    "test_jwt_panel.py",
    "test_jwt_page.py",
    "test_sessions.py",
    "test_tour.py",
    "test_lab_tour.py",
]
NAMES = [
    "have_one_clock",
    "panel_is_sound",
    "outside_and_inside",
    "holds_the_cookie",
    "devices",
    "mailbox",
    "inspect",
    "remember",
]


@pytest.mark.exhaustive
@pytest.mark.browser
@pytest.mark.parametrize("clock", clocks.CLOCKS)
def test_pages_with_dates_are_sound_on_other_days(clock: str) -> None:
    if clocks.library() is None or CHROMIUM is None:
        sentence = "libfaketime or Chromium is not installed."
        pytest.fail(sentence) if os.environ.get("CI") else pytest.skip(sentence)
    assert clocks.run(clock, *(f"tests/browser/{name}" for name in FILES), "-k", " or ".join(NAMES)) == 0


def test_a_clock_that_there_is_not_is_named(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "library", lambda: clocks.ROOT)
    with pytest.raises(SystemExit, match=r"There is no clock noon\. There are: leap-day"):
        clocks.main(["noon"])
    monkeypatch.setattr(clocks, "library", lambda: None)
    with pytest.raises(SystemExit, match="apt install faketime"):
        clocks.main([])
