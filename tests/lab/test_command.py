"""`make prove`, where no site was started yet, and while a site runs."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from lab.management.commands.prove import Command
from tests.lab.test_attacks import Server
from tests.running import PORTS, ROOT, Prepared, Site, free_port_pair, free_ports, listening


@pytest.fixture
def fresh() -> Iterator[Site]:
    """A site that was never started."""
    site = Site()
    yield site
    site.destroy()


def prove(site: Site, *words: str) -> "subprocess.CompletedProcess[str]":
    """Runs the command of `make prove` with this site's configuration."""
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


def never_started(**environment: str) -> Iterator[Site]:
    """A site that was never started. The files that take long to make are prepared."""
    site = Site(**environment)
    Prepared().copy_to(site.folder / "var", with_database=False)
    yield site
    site.destroy()


@pytest.fixture
def with_range() -> Iterator[Site]:
    """A site whose commands may start the attack range."""
    yield from never_started(RANGE="1", RANGE_PORT=str(free_port_pair()))


@pytest.fixture
def with_services() -> Iterator[Site]:
    """A site whose commands may start the services."""
    yield from never_started(SERVICES="1", SERVICES_PORT=str(free_ports(len(PORTS))))


def listens(site: Site) -> bool:
    """Whether a process listens at the range's port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(site.environment["RANGE_PORT"]))) == 0


@pytest.mark.exhaustive
def test_it_starts_the_attack_range_for_the_proofs_that_ask_it_and_ends_it(with_range: Site) -> None:
    done = prove(with_range, "C88", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["counts"] == {"proved": 1, "contradicted": 0, "not proved yet": 0}
    assert not listens(with_range)
    assert str(with_range.folder) not in stores()


@pytest.mark.exhaustive
def test_where_the_attack_range_cannot_start_the_other_claims_are_proved(with_range: Site) -> None:
    with Server(int(with_range.environment["RANGE_PORT"])) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        done = prove(with_range, "C88", "C14", "--json")
        other.shutdown()
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["counts"] == {"proved": 1, "contradicted": 0, "not proved yet": 1}
    assert "so there is no attack range" in done.stderr


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("", True),
        ("--record", True),
        ("C14 c55", True),
        ("--part tokens", True),
        ("C14 --json", False),
        ("--part sessions", False),
        ("C55 --part sessions", False),
        ("C0", False),
    ],
)
def test_the_range_is_started_for_no_other_claim(words: str, asked: bool) -> None:
    assert ("range" in Command().asks(words.split())) is asked


@pytest.mark.exhaustive
def test_it_starts_the_services_for_the_proofs_that_ask_them_and_ends_them(with_services: Site) -> None:
    done = prove(with_services, "C50", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["counts"] == {"proved": 1, "contradicted": 0, "not proved yet": 0}
    assert listening(int(with_services.environment["SERVICES_PORT"])) == []
    assert str(with_services.folder) not in stores()


@pytest.mark.exhaustive
def test_where_the_services_cannot_start_the_other_claims_are_proved(with_services: Site) -> None:
    busy = int(with_services.environment["SERVICES_PORT"]) + PORTS.index("billing")
    with Server(busy) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        done = prove(with_services, "C50", "C14", "--json")
        other.shutdown()
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["counts"] == {"proved": 1, "contradicted": 0, "not proved yet": 1}
    assert f"Port {busy}, for the billing of the services, is in use." in done.stderr
    assert listening(int(with_services.environment["SERVICES_PORT"])) == []


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("", True),
        # Only the attack range's outcomes are recorded.
        ("--record", False),
        ("C14 c50", True),
        ("--part choice", True),
        ("C14 C55 --json", False),
        ("--part sessions", False),
        ("C50 --part sessions", False),
        ("C0", False),
    ],
)
def test_the_services_are_started_for_no_other_claim(words: str, asked: bool) -> None:
    assert ("services" in Command().asks(words.split())) is asked


def test_beside_a_running_site_it_uses_that_site_s_store_and_leaves_it_running(site: Site) -> None:
    done = prove(site, "C14")
    assert done.returncode == 0, done.stderr
    assert "1 claim in " in done.stdout
    assert str(site.store_socket) in stores()
    assert site.is_ready()
