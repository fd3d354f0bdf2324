"""The output of the running site about requests that it refuses: lines of JSON, at most one of each logger."""

import json
import re
import socket
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.running import WEB_PROCESSES, Site, until
from tests.site.visitor import PATIENCE, Visitor

pytestmark = pytest.mark.site
CLOSE = "Connection: close\r\n\r\n"
REFUSED = {
    "a foreign host": f"GET / HTTP/1.1\r\nHost: evil.example\r\n{CLOSE}",
    "a broken host": f"GET / HTTP/1.1\r\nHost: a b\r\n{CLOSE}",
    "another site": f"POST / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 0\r\n{CLOSE}",
    "no token": f"POST /accounts/register/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{CLOSE}",
    "no length": f"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n{CLOSE}0\r\n\r\n",
    "too many fields": "POST /accounts/register/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2200\r\n"
    f"Content-Type: application/x-www-form-urlencoded\r\nCookie: __Host-csrftoken={'a' * 32}\r\n{CLOSE}{'a&' * 1100}",
    "too large": f"POST /jwt/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n{CLOSE}",
    "nothing there": f"GET /nothing HTTP/1.1\r\nHost: localhost\r\n{CLOSE}",
    "another method": f"PUT /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{CLOSE}",
    "no http": f"GET / HTP/1.1\r\n{CLOSE}",
}


def written(site: Site, since: int) -> list[str]:
    """The lines that the web processes wrote after the first `since` bytes of the log.

    The launcher puts the time and a name before other processes' lines, and before the web processes' standard
    error, which must be empty.
    """
    lines = site.log.read_bytes()[since:].decode().splitlines()
    assert not [line for line in lines if re.match(r"\S+ web +\| ", line)]
    return [line for line in lines if not re.match(r"\S+ \w+ +\| ", line)]


def send(site: Site, request: str) -> int:
    with socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) as connection:
        connection.sendall(request.encode())
        return int(connection.recv(4096).split()[1])


@pytest.mark.parametrize("refused", REFUSED)
def test_a_refused_request_is_json_in_the_output_and_a_line_of_each_logger(site: Site, refused: str) -> None:
    since = site.log.stat().st_size
    status = send(site, REFUSED[refused])
    assert 400 <= status < 500
    wanted = "gunicorn.error" if refused == "no http" else "site.request"
    until(lambda: any(f'"{wanted}"' in line for line in written(site, since)))
    time.sleep(0.2)  # more lines may follow
    lines: list[dict[str, Any]] = [json.loads(line) for line in written(site, since)]
    count = Counter(line["logger"] for line in lines)
    assert count.most_common(1)[0][1] == 1, count
    if "host" in refused:
        assert count == {"site.request": 1}


def test_a_good_request_is_one_line(site: Site) -> None:
    since = site.log.stat().st_size
    assert Visitor(site).get("/healthz").status == 200
    until(lambda: written(site, since))
    assert [json.loads(line)["status"] for line in written(site, since)] == [200]


def test_the_launcher_does_not_copy_what_the_web_processes_write(site: Site) -> None:
    assert site.process
    output = Path(f"/proc/{site.process.pid}/fd/1").readlink()
    web = site.process_ids("config.wsgi")
    assert len(web) == 1 + WEB_PROCESSES
    for pid in web:
        assert Path(f"/proc/{pid}/fd/1").readlink() == output
        # The launcher reads standard error: its end says that the web processes are gone.
        assert str(Path(f"/proc/{pid}/fd/2").readlink()).startswith("pipe:")
