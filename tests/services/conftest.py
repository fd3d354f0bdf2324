"""A site with its services, once behind each gateway."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import PORTS, Services, Site, free_ports
from tests.sampling import sampled
from tests.services.client import Client
from tests.site.backstage import Backstage

GATEWAYS = sampled(["caddy", "nginx"], {"caddy"})


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    """A site whose settings name the services' ports."""
    with Site(SERVICES_PORT=str(free_ports(len(PORTS)))) as site:
        yield site


@pytest.fixture(scope="package", params=GATEWAYS)
def services(request: pytest.FixtureRequest, site: Site) -> Iterator[Services]:
    """The services behind one gateway. Without nginx tests are skipped, but in CI they fail."""
    if request.param == "nginx" and not shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"):
        says = "nginx is not installed."
        pytest.fail(says) if os.environ.get("CI") else pytest.skip(says)
    with Services(site, GATEWAY=request.param) as services:
        yield services


@pytest.fixture(scope="package")
def backstage(site: Site) -> Iterator[Backstage]:
    with Backstage(site) as backstage:
        yield backstage


@pytest.fixture
def alice(site: Site, services: Services, backstage: Backstage, request: pytest.FixtureRequest) -> Client:
    """A user for this test only, logged in by both flows."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name).lower()
    [email] = backstage.ask("people", name[-60:], 1, "alice@example.com")
    client = Client(services, email)
    client.log_in()
    return client


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.site)
