"""The clients that readers may copy, downloaded from their page and run unchanged."""

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.claims.sandbox import FLOWS
from lab.experiments import clients
from tests.running import Site, until
from tests.site.visitor import Visitor

INTERPRETERS = {"sh": "bash", "py": sys.executable, "mjs": "node"}
ASKED = {
    "session": [
        "GET session/api/",
        "POST session/auth/login",
        "GET session/api/whoami",
        "GET session/api/profile",
        "POST session/auth/logout",
    ],
    "jwt": [
        "POST jwt/auth/login",
        "GET jwt/api/whoami",
        "GET jwt/api/profile",
        "POST jwt/auth/refresh",
        "POST jwt/auth/logout",
    ],
}


def requests(log: bytes) -> list[str]:
    """The requests to both flows."""
    lines = [json.loads(line[line.index(b"{") :]) for line in log.splitlines() if b'"route": ' in line]
    return [
        f"{line['method']} {line['route']}" for line in lines if (line["route"] or "").startswith(("session/", "jwt/"))
    ]


@pytest.fixture(scope="module")
def page_text(site: Site) -> str:
    return Visitor(site).get("/lab/clients/").text


@pytest.mark.parametrize("suffix", INTERPRETERS)
@pytest.mark.parametrize("flow", FLOWS)
def test_a_client_runs_exactly_as_the_page_shows_it(
    site: Site, page_text: str, tmp_path: Path, flow: str, suffix: str
) -> None:
    if suffix == "mjs" and not shutil.which("node"):
        pytest.skip("There is no Node here; the browser tests run the same file.")
    name = f"{flow}.{suffix}"
    link = re.search(rf'href="([^"]+)" download="{re.escape(name)}"', page_text)
    assert link
    text = Visitor(site).get(link[1]).text
    assert html.escape(text, quote=True).replace("&#x27;", "&#39;") in page_text.replace("&#x27;", "&#39;")
    (tmp_path / name).write_text(text)
    before = site.log.stat().st_size
    command = [INTERPRETERS[suffix], name, site.url, "alice@example.com", "demo-only-alice"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    for word in ("member", "alice@example.com", "Logged out"):
        assert word in done.stdout
    until(lambda: len(requests(site.log.read_bytes()[before:])) >= len(ASKED[flow]))
    assert requests(site.log.read_bytes()[before:]) == ASKED[flow]


def test_a_wrong_password_is_a_failure(site: Site, tmp_path: Path) -> None:
    """A client that cannot fail would prove nothing."""
    for program in clients.programs():
        if program.suffix != "mjs":
            path = tmp_path / program.name
            path.write_text(program.text)
            command = [INTERPRETERS[program.suffix], path, site.url, "nobody@example.com", "wrong"]
            assert subprocess.run(command, capture_output=True, timeout=30, check=False).returncode != 0, program.name
