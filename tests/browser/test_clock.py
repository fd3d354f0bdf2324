"""All processes of a test have the same time, also if the clock is moved. Runs on another day rely on this."""

import time
from email.utils import parsedate_to_datetime

import pytest
import redis
from playwright.sync_api import Page

from tests.running import Site
from tests.site.backstage import Backstage
from tests.site.visitor import Visitor

pytestmark = pytest.mark.browser


def test_the_tests_the_site_its_store_and_the_browser_have_one_clock(
    page: Page, site: Site, backstage: Backstage
) -> None:
    page.goto(f"{site.url}/accounts/register/done/")
    served = parsedate_to_datetime(Visitor(site).get("/healthz").headers["Date"]).timestamp()
    stored, _ = site_time(site)
    for told in (served, backstage.ask("clock"), stored, page.evaluate("Date.now() / 1000")):
        assert abs(told - time.time()) < 60


def site_time(site: Site) -> tuple[int, int]:
    """The time by the store's clock, in seconds since 1970 and microseconds."""
    told: tuple[int, int] = redis.Redis(unix_socket_path=str(site.store_socket)).time()
    return told
