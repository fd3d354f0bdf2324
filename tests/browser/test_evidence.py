"""A failed test leaves pictures and console messages in `var/browser/`, in a folder named after the test."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import EVIDENCE
from tests.running import ROOT, Site

pytestmark = [pytest.mark.browser, pytest.mark.exhaustive]


@pytest.fixture
def folders(site: Site) -> Iterator[list[Path]]:
    """What the three tests of `failing.py` left."""
    for folder in EVIDENCE.glob("failing.py*"):
        shutil.rmtree(folder)
    command = [sys.executable, "-m", "pytest", "-q", "tests/browser/failing.py"]
    environment = os.environ | {"RUNNING_SITE": site.url}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert "1 failed, 2 passed, 1 error" in done.stdout, done.stdout + done.stderr
    found = sorted(EVIDENCE.glob("failing.py*"))
    yield found
    for folder in found:
        shutil.rmtree(folder)


def test_a_failed_test_leaves_a_picture_and_what_the_console_said(folders: list[Path]) -> None:
    assert [folder.name for folder in folders] == [
        "failing.py-test_that_fails",
        "failing.py-test_whose_page_complains",
    ]
    for folder, said in zip(folders, ("info: a word of this page", "error: what nobody expected"), strict=True):
        assert sorted(file.name for file in folder.iterdir()) == ["1-console.txt", "1-page-1.png"]
        assert (folder / "1-page-1.png").read_bytes().startswith(b"\x89PNG")
        console = (folder / "1-console.txt").read_text()
        assert said in console
        assert "/accounts/register/" in console
