"""`make hops`: the counts of its table, which do not depend on the machine."""

import subprocess
import sys

from tests.running import ROOT, Services


def test_look_ups_and_signatures_are_those_of_the_design(services: Services) -> None:
    command = [sys.executable, "manage.py", "hops", "--requests", "2"]
    done = subprocess.run(
        command, cwd=ROOT, env=services.environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    assert {cells[0]: cells[1:5] for cells in lines[2:]} == {
        # Look-ups by `auth` and by the service; tokens signed and verified. `auth` verifies an access token only once.
        "Shared session": ["1", "0", "1", "1"],
        "Token checked at the gateway": ["1", "0", "1", "1"],
        "Token checked by each service": ["0", "0", "0", "1"],
    }
    assert all(float(cell) > 0 for cells in lines[2:] for cell in cells[5:] if cell != "–")


def test_without_services_it_says_how_to_start_them(services: Services) -> None:
    environment = services.environment | {"SERVICES_PORT": "3"}
    command = [sys.executable, "manage.py", "hops", "--requests", "1"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, "make run starts the services" in done.stderr) == (1, True)
