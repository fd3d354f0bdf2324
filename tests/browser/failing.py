"""Tests that fail on purpose. No run collects this file; `test_evidence.py` runs it by its name."""

import os
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from playwright.sync_api import Page

from tests.running import Site


@pytest.fixture(scope="session")
def site() -> SimpleNamespace:
    """The site that runs already: starting another one would take longer than the three tests."""
    return SimpleNamespace(url=os.environ["RUNNING_SITE"])


def test_that_passes(visit: Callable[..., Page], site: Site) -> None:
    for page in (visit(), visit()):
        page.goto(f"{site.url}/accounts/register/")


def test_that_fails(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/accounts/register/")
    page.evaluate("console.info('a word of this page')")
    assert page.title() == "another"


def test_whose_page_complains(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/accounts/register/")
    page.evaluate("console.error('what nobody expected')")
