"""A site whose store runs elsewhere, so that the store can end and the site goes on: one for all tests of outages."""

from collections.abc import Iterator

import pytest

from config.stores import THROTTLE
from tests.running import Site, Store
from tests.site.backstage import Backstage
from tests.site.outages.away import store_elsewhere, well_again


@pytest.fixture(autouse=True)
def empty_store() -> None:
    """These logins are to stay."""


@pytest.fixture(scope="package")
def store() -> Iterator[Store]:
    """A store that is not the site's own: whose end does not end the site."""
    with store_elsewhere() as store:
        yield store


@pytest.fixture(scope="package")
def site(store: Store) -> Iterator[Site]:
    site = Site()
    (site.folder / ".env").write_text(f"DEMO=1\nALLOWED_HOSTS=localhost,127.0.0.1\nREDIS_URL=unix://{store.path}\n")
    with site:
        yield site


@pytest.fixture(scope="package")
def backstage(site: Site) -> Iterator[Backstage]:
    with Backstage(site) as backstage:
        yield backstage


@pytest.fixture(autouse=True)
def nobody_throttled(site: Site, store: Store) -> None:
    """Every test begins with a store that answers and without counted failures."""
    if not store.answers():  # the test before failed in the middle
        store.restart()
    well_again(site)
    store.client(THROTTLE).flushdb()
