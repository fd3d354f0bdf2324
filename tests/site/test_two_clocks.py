"""Two machines that serve one site, on one database and with the same keys, and whose clocks differ."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import clocks
from tests.running import ROOT, Site, free_port, until
from tests.site.arena import PASSWORD, Arena
from tests.site.holder import Holder
from tests.site.postgres import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL
GUNICORN = str(Path(sys.executable).parent / "gunicorn")
GRACE = 10


class Machine:
    """A second web server of a site, whose clock is `ahead` seconds fast."""

    def __init__(self, site: Site, ahead: int) -> None:
        self.port = free_port()
        environment = site.environment | {"PORT": str(self.port), "SITE_URL": site.url}
        environment |= clocks.moved(ahead)
        with (site.folder / "machine.log").open("ab") as log:
            self.process = subprocess.Popen(
                [GUNICORN, "--config", "config/gunicorn.py", "config.wsgi"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
            )

    def answers(self) -> bool:
        assert self.process.poll() is None
        try:
            return urllib.request.urlopen(f"http://localhost:{self.port}/healthz", timeout=2).status == 200
        except OSError:
            return False


@pytest.fixture(params=[20, -20])
def machine(request: pytest.FixtureRequest, pg_site: Site) -> Iterator[Machine]:
    """A second machine of the site. Without libfaketime tests are skipped, but in CI they fail."""
    if clocks.library() is None:
        says = "libfaketime is not installed."
        pytest.fail(says) if os.environ.get("CI") else pytest.skip(says)
    machine = Machine(pg_site, request.param)
    try:
        until(machine.answers, 60)
        yield machine
    finally:
        machine.process.terminate()
        machine.process.wait(20)


def at(machine: object, holder: Holder) -> Holder:
    """The same client, sent to this machine by a load balancer."""
    return Holder(machine, holder.refresh, holder.access)


def test_what_one_machine_issues_the_other_takes(pg_site: Site, pg_arena: Arena, machine: Machine) -> None:
    [email] = pg_arena.people(f"clocks{machine.port}-", 1)
    for one, other in ((pg_site, machine), (machine, pg_site)):
        holder = Holder(one)
        assert holder.log_in(email, PASSWORD).status == 200
        for place in (one, other, one, other, other):
            holder = at(place, holder)
            assert holder.whoami() == 200
            assert holder.keep(holder.rotate()).status == 200


def test_the_grace_period_is_the_same_on_both(pg_site: Site, pg_arena: Arena, machine: Machine) -> None:
    [email] = pg_arena.people(f"grace{machine.port}-", 1)
    asked = []
    for one, other in ((pg_site, machine), (machine, pg_site)):
        holder, bystander = Holder(one), Holder(one)
        assert holder.log_in(email, PASSWORD).status == bystander.log_in(email, PASSWORD).status == 200
        answer = at(one, holder).rotate()
        again = at(other, holder).rotate()
        assert (answer.status, again.status) == (200, 200)
        assert again.cookie("__Host-refresh") == answer.cookie("__Host-refresh") != holder.refresh
        asked.append((other, holder, bystander))
    time.sleep(GRACE + 1)
    for other, holder, bystander in asked:
        late = at(other, holder).rotate()
        assert (late.status, late.json) == (401, {"error": "Refresh token already used"})
        assert bystander.whoami() == 200
        assert bystander.rotate().status == 200
