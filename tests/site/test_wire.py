"""The commands of docs/wire.md answer as it shows, and little has to be typed to take a part."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import ROOT, Site
from tests.sampling import sampled

pytestmark = pytest.mark.site
# What every answer of the site carries, or says about the connection.
LEFT_OUT = {
    *("server", "date", "connection", "content-type", "content-length", "vary", "allow", "content-security-policy"),
    *("x-frame-options", "x-content-type-options", "referrer-policy", "cross-origin-opener-policy", "server-timing"),
}


def section(document: str, title: str) -> str:
    return (ROOT / "docs" / document).read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]


def as_shown(answer: str) -> str:
    """An answer without the headers that the page leaves out."""
    head, _, body = answer.replace("\r\n", "\n").partition("\n\n")
    lines = [line for line in head.split("\n") if line.partition(":")[0].lower() not in LEFT_OUT]
    return "\n".join(lines) + "\n\n" + body


@pytest.fixture(scope="module")
def https_site() -> Iterator[Site]:
    """As `make run HTTPS=1` starts it."""
    with Site(HTTPS="1") as site:
        yield site


WIRES = [(name, flow, number) for name in ("site", "https_site") for flow, number in (("session", 5), ("token", 6))]


# What is wanted over https alone is wanted of a session.
@pytest.mark.parametrize(("name", "flow", "number"), sampled(WIRES, WIRES[:2]))
def test_every_command_of_the_wire_answers_as_shown(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, flow: str, number: int
) -> None:
    site: Site = request.getfixturevalue(name)
    text = section("wire.md", f"A {flow}").replace("http://localhost:8000", site.url)
    steps = re.findall(r"```sh\n(.*?)```\n```http\n(.*?)\n```", text, re.S)
    assert len(steps) == text.count("```sh") == number
    curl = f"curl -sS --cacert {site.folder}/var/tls/authority.pem " if site.https else "curl -sS "
    script = "\necho; echo =====\n".join(commands.replace("curl ", curl) for commands, _ in steps)
    result = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert not result.stderr
    for answer, (commands, shown) in zip(result.stdout.split("\n=====\n"), steps, strict=True):
        pattern = re.escape(shown.strip()).replace("…", ".+")
        assert re.fullmatch(pattern, as_shown(answer).strip()), f"{commands}\n{as_shown(answer)}\nis not\n{shown}"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("title", ["Sessions", "Tokens"])
def test_to_take_a_part_there_is_little_to_type(title: str) -> None:
    """That it is enough is what tests/adopters shows."""
    lines = [
        line
        for block in re.findall(r"```python\n(.*?)```", section("take-a-part.md", title), re.S)
        for line in block.splitlines()
    ]
    lines = [line for line in lines if line]
    assert len(lines) <= 15
    plain = [line for line in lines if not re.match(r"CACHES|json|redis|options|JWT_\w+_KEYS|import|from|url|#", line)]
    assert len(plain) <= 10
