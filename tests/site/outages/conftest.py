"""One site for all tests of outages. Its store runs in a separate process, so it can be stopped without the site."""

from collections.abc import Iterator

import pytest

from config.stores import THROTTLE
from tests.running import Site, Store
from tests.site.backstage import Backstage
from tests.site.outages.away import store_elsewhere, well_again


@pytest.fixture(autouse=True)
def empty_store() -> None:
    """Overrides the fixture that empties the store: these tests keep their logins."""


@pytest.fixture(scope="package")
def store() -> Iterator[Store]:
    """A store that the site did not start: the site goes on when this store stops."""
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
    if not store.answers():  # the previous test failed midway
        store.restart()
    well_again(site)
    store.client(THROTTLE).flushdb()
