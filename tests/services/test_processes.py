"""The processes' environment, files, ports and logs."""

import json
import socket
import stat
import subprocess
import sys

import psutil

from services import hops
from services.places import SERVICES, WORKERS
from tests.running import PORTS, ROOT, Services, Site
from tests.services.client import Client, as_lines, ask
from tests.services.test_identity import lines_of, token_for, written

# The variables that a process needs to run, and those about the site: its ports, and its tokens' issuer and audience.
KNOWN = {"PATH", "HOME", "LANG", "TZ", "LD_PRELOAD", "FAKETIME", "PYTHONPATH", "SERVICE"}
KNOWN |= {"PORT", "SERVICES_PORT", "VAR_DIR", "TOKEN_ISSUER", "TOKEN_AUDIENCE"}


def test_a_service_gets_no_secret_of_the_site(services: Services) -> None:
    for name in SERVICES:
        processes = services.processes(name)
        assert len(processes) >= 2, "gunicorn, and the process that serves"
        for pid in processes:
            assert psutil.Process(pid).environ().keys() <= KNOWN, name
    gateway = psutil.Process(services.pid("gateway")).environ()
    assert not [name for name in gateway if "SECRET" in name or "KEY" in name or "URL" in name]


def test_all_of_them_listen_on_loopback_and_auth_at_no_port(services: Services) -> None:
    everywhere = {
        port for port in (services.port(name) for name in PORTS) for host in other_addresses() if opens(host, port)
    }
    assert everywhere == set()
    for name in ("auth", *SERVICES, *WORKERS):
        for pid in services.processes(name):
            listening = [c.laddr for c in psutil.Process(pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
            assert {address.ip for address in listening} <= {"127.0.0.1"}
            assert bool(listening) == (name != "auth")
    pids = [psutil.Process(services.pid("gateway")), *psutil.Process(services.pid("gateway")).children()]
    found = [c.laddr for p in pids for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert {(address.ip, address.port) for address in found} == {
        ("127.0.0.1", services.port("gateway")),
        ("127.0.0.1", services.port("careless gateway")),
    }


def other_addresses() -> set[str]:
    """The addresses of this machine that are not loopback."""
    found = [address for addresses in psutil.net_if_addrs().values() for address in addresses]
    return {a.address for a in found if a.family == socket.AF_INET and not a.address.startswith("127.")}


def opens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((host, port)) == 0


def test_what_they_keep_is_for_the_user_who_started_them(services: Services) -> None:
    assert stat.S_IMODE(services.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((services.folder / "auth.sock").stat().st_mode) == 0o700


def test_only_the_lab_restarts_a_worker(services: Services) -> None:
    for name in WORKERS:
        before = ask(services, name, "/process").json["pid"]
        assert ask(services, name, "/restart", method="POST").status == 403
        assert ask(services, name, "/restart", b"X-Control: ", method="POST").status == 403
        assert ask(services, name, "/restart", b"X-Control: " + b"0" * 64, method="POST").status == 403
        for path in ("/restart", "/memory/visit", "/memory/kept"):
            assert ask(services, name, path).status == 405
            assert ask(services, name, path, method="POST", body=b"[]").status == 403
        assert ask(services, name, "/process").json["pid"] == before


def test_they_do_not_start_outside_the_demo(site: Site) -> None:
    environment = site.environment | {"DEMO": "0", "SECRET_KEY": "k" * 64, "ALLOWED_HOSTS": "localhost"}
    command = [sys.executable, "-m", "services"]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "The services are part of the demo only." in ended.stderr


# ── What is written down ───────────────────────────────────────────────────────────────────────


def test_no_credential_is_in_any_log(services: Services, alice: Client) -> None:
    internal = token_for(services, alice, "orders")[0]
    secrets = [alice.member.session, alice.holder.access, alice.holder.refresh, internal, "c" * 32]
    for design in ("session", "token", "each"):
        for credential in ("session", "token"):
            headers = as_lines(alice.credential(credential) | {"X-CSRFToken": "c" * 32, "X-Internal-Token": internal})
            for secret in secrets[:4]:
                answer = ask(services, "gateway", f"/{design}/orders/?access_token={secret}", *headers)
                assert answer.status in (200, 401)
    hidden = [
        line + alice.member.session.encode() for line in (b"X-Api-Key: ", b"Referer: http://a/#t=", b"Origin: http://")
    ]
    ask(services, "orders", f"/{alice.member.session}/", *hidden, b"X-Request-Id: " + b"e" * 32)
    ask(services, "gateway", f"/each/orders/{alice.member.session}/", *as_lines(alice.credential("session")))
    ask(services, "orders", "/", method=alice.member.session)
    for name in ("orders", "billing", "careless gateway"):
        ask(services, name, f"/billing/?access_token={internal}", *headers)
    written(services, "gateway", answer)
    logs = [*services.folder.glob("*.log*"), services.log]
    assert {log.name for log in logs} >= {"gateway.log", "auth.log", "orders.log", "billing.log"}
    for log in logs:
        text = log.read_text()
        # Only the signature is looked for: with a signature the rest of a token can be rebuilt.
        assert not [secret for secret in secrets if secret.split(".")[-1] in text], log.name


def test_a_header_of_a_client_begins_no_line_and_names_no_other_request(services: Services, alice: Client) -> None:
    before, forged = len(lines_of(services, "orders")), "f" * 32
    for value in (b"\x1b[31mred", b"a\x7fb", b'"}\\n{"request_id":"', "ü☃".encode()):
        lines = [b"User-Agent: " + value, b"X-Request-ID: " + forged.encode(), b"X_Request_ID: " + forged.encode()]
        assert alice.get("each", "orders/", *lines).status in (200, 400)
    written(services, "orders", alice.get("each"))
    lines_since = lines_of(services, "orders")[before:]
    assert len(lines_since) >= 2
    for line in lines_since:
        assert line.isprintable()
        assert json.loads(line)["request_id"] != forged


def test_who_comes_around_the_gateway_writes_no_line_without_an_id_of_its_form(services: Services) -> None:
    before = lines_of(services, "orders")
    for value in (b"", b"x", b"1", b"a" * 33 + b"!", b"a" * 4000):
        assert ask(services, "orders", "/", b"X-Request-ID: " + value).status == 401
    assert lines_of(services, "orders") == before


def test_a_log_is_bounded(services: Services) -> None:
    headers = [b"X-Request-ID: " + b"a" * 32, *[b"X-%d: " % number + b"y" * 2000 for number in range(50)]]
    ask(services, "billing", "/", *headers)
    # Long values are cut off.
    length = len(lines_of(services, "billing")[-1])
    assert length < 15_000
    for _ in range(2 * hops.LARGEST // length + 10):
        ask(services, "billing", "/", *headers)
    sizes = {path.name: path.stat().st_size for path in services.folder.glob("billing.log*")}
    assert sizes.keys() == {"billing.log", "billing.log.1"}
    assert max(sizes.values()) <= hops.LARGEST
