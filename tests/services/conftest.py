"""A site with the services beside it, once behind each gateway."""

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
    """Its pages know where the services are."""
    with Site(SERVICES_PORT=str(free_ports(len(PORTS)))) as site:
        yield site


@pytest.fixture(scope="package", params=GATEWAYS)
def services(request: pytest.FixtureRequest, site: Site) -> Iterator[Services]:
    """In CI nginx must be there: nothing there is to be skipped."""
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
    """A user of this test alone, logged in both ways."""
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
