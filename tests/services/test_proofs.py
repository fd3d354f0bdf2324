"""The claims about the services, proved by the command while a site and its services run."""

import json
import subprocess
import sys

import pytest

from tests.running import ROOT, Services

CLAIMS = ["C46", "C50", "C77", "C91", "C104", "C111"]


@pytest.mark.exhaustive
def test_every_claim_about_the_services_comes_out_as_expected(services: Services) -> None:
    command = [sys.executable, "manage.py", "prove", *CLAIMS, "--json"]
    done = subprocess.run(command, cwd=ROOT, env=services.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(done.stdout)["results"]
    assert [(one["id"], one["status"]) for one in results] == [(name, "proved") for name in CLAIMS], done.stdout
    assert [one["id"] for one in results if not one["evidence"]] == []
