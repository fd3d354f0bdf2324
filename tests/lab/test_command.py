"""`make prove`: a command with its set-up, on a machine where nothing was started, and beside a running site."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.running import ROOT, Prepared, Site


@pytest.fixture
def fresh() -> Iterator[Site]:
    """A site that was never started."""
    site = Site()
    yield site
    site.destroy()


def prove(site: Site, *words: str) -> "subprocess.CompletedProcess[str]":
    """What `make prove` runs, under this site's configuration."""
    command = [sys.executable, "-m", "config.command", "prove", *words]
    return subprocess.run(command, cwd=ROOT, env=site.environment, capture_output=True, text=True)


def stores() -> str:
    """The command lines of all stores that run on this machine."""
    return subprocess.check_output(["ps", "-A", "-ww", "-o", "args="], text=True)


@pytest.mark.exhaustive
def test_on_a_fresh_clone_it_sets_everything_up_and_leaves_no_store_behind(fresh: Site) -> None:
    Prepared().copy_to(fresh.folder / "var", with_database=False)
    done = prove(fresh, "C14", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"] == {"proved": 1, "contradicted": 0, "not proved yet": 0}
    assert str(fresh.store_socket) not in stores()


def test_beside_a_running_site_it_uses_that_site_s_store_and_leaves_it_running(site: Site) -> None:
    done = prove(site, "C14")
    assert done.returncode == 0, done.stderr
    assert "1 claim in " in done.stdout
    assert str(site.store_socket) in stores()
    assert site.is_ready()
