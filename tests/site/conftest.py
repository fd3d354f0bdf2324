"""Sites of one's own, to break, and a PostgreSQL of one's own."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.running import Site
from tests.site.postgres import Postgres, programs

Sites = Callable[..., Site]


@pytest.fixture
def new_site() -> Iterator[Sites]:
    """Makes sites that are gone after the test, whatever it did to them."""
    made: list[Site] = []

    def make(**environment: str) -> Site:
        made.append(Site(**environment))
        return made[-1]

    yield make
    for site in made:
        site.destroy()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server. In CI its absence is a failure: nothing there is to be skipped."""
    folder = programs()
    if folder is None:
        says = "PostgreSQL's server programs (initdb, pg_ctl) are not installed."
        pytest.fail(says) if os.environ.get("CI") else pytest.skip(says)
    server = Postgres(folder)
    try:
        server.start()
        yield server
    finally:
        server.destroy()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.site)
