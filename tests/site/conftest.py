"""Fixtures: sites that one test may break, a site that all races share, and one on PostgreSQL."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.running import Site
from tests.site.arena import Arena
from tests.site.backstage import Backstage
from tests.site.postgres import ON_POSTGRESQL, Postgres, programs

Sites = Callable[..., Site]


@pytest.fixture
def new_site() -> Iterator[Sites]:
    """Makes sites that are removed after the test, in whatever state it left them."""
    made: list[Site] = []

    def make(**environment: str) -> Site:
        made.append(Site(**environment))
        return made[-1]

    yield make
    for site in made:
        site.destroy()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server. Without its programs tests are skipped, but in CI they fail."""
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


@pytest.fixture(scope="session")
def pg_site(postgres: Postgres) -> Iterator[Site]:
    """A site on PostgreSQL."""
    with Site(DATABASE_URL=postgres.create("site")) as site:
        yield site


@pytest.fixture(scope="session")
def pg_backstage(pg_site: Site) -> Iterator[Backstage]:
    with Backstage(pg_site) as backstage:
        yield backstage


@pytest.fixture
def sqlite_arena(site: Site, backstage: Backstage) -> Arena:
    return Arena(site, backstage)


@pytest.fixture
def pg_arena(pg_site: Site, pg_backstage: Backstage) -> Arena:
    return Arena(pg_site, pg_backstage)


@pytest.fixture(params=["sqlite", pytest.param("pg", marks=ON_POSTGRESQL)])
def arena(request: pytest.FixtureRequest) -> Arena:
    """The running site with its two web processes, on SQLite and on PostgreSQL."""
    return request.getfixturevalue(f"{request.param}_arena")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.site)
