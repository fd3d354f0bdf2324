"""`make run`: the files it makes and keeps, its output, and that no process is left behind."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from secrets import token_urlsafe

import jwt
import psutil
import pytest
from django.test import override_settings
from dotenv import dotenv_values

from config import run
from jwt_demo import keys
from tests.config.test_settings import GOOD
from tests.running import PORTS, ROOT, WEB_PROCESSES, Site, free_port, free_port_pair, free_ports, listening, until
from tests.sampling import sampled
from tests.site.conftest import Sites
from tests.site.holder import Holder
from tests.site.visitor import Visitor

linux = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc")


@pytest.fixture(scope="module")
def steady() -> Iterator[Site]:
    """A site that no test changes. It starts without files prepared by other sites."""
    site = Site()
    try:
        site.launch()
        until(site.is_ready, 40)
        yield site
    finally:
        site.destroy()


@pytest.fixture(scope="module")
def admin() -> Iterator[Visitor]:
    """An administrator of a site that tests stop and start again."""
    with Site() as site:
        yield Visitor(site).log_in()


def secrets_of(site: Site) -> list[str]:
    """SECRET_KEY, and the keys of both rings."""
    env = dotenv_values(site.folder / ".env")
    assert env.keys() == {"SECRET_KEY", "DEMO", "ALLOWED_HOSTS"}
    rings = keys.read(site.folder / "var" / "keys.json")
    [access], [refresh] = rings["access"].dated, rings["refresh"].dated
    assert (access.key.algorithm, refresh.key.algorithm) == ("EdDSA", "HS256")
    return [str(env["SECRET_KEY"]), access.secret.removeprefix("ed25519:"), refresh.secret]


def assert_nothing_is_left(site: Site) -> None:
    until(lambda: not site.processes())
    # A process that was never seen as a child of the launcher can be found by its port only.
    until(lambda: not takes_connections(site.port))


def takes_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_first_start_makes_secrets_that_nobody_else_has(steady: Site, admin: Visitor) -> None:
    for site in (steady, admin.site):
        for file in (".env", "var/keys.json"):
            assert stat.S_IMODE((site.folder / file).stat().st_mode) == 0o600
        for secret in secrets_of(site):
            assert len(secret) >= 43  # 32 bytes
            assert len(set(secret)) > 20
            assert secret not in site.log.read_text()
    assert len({*secrets_of(steady), *secrets_of(admin.site)}) == 6


def test_it_prints_addresses_and_accounts(steady: Site) -> None:
    printed = steady.log.read_text()
    addresses = re.findall(rf"http://localhost:{steady.port}(/\S*)", printed)
    assert {"/", "/admin/", "/accounts/mail/"} <= set(addresses)
    for address in addresses:
        assert Visitor(steady).get(address).status in (200, 302), address
    for person in ("alice", "bob", "admin"):
        assert re.search(rf"{person}@example\.com\s+demo-only-{person}\s", printed)


@pytest.mark.exhaustive
def test_a_second_start_finds_its_users_and_its_sessions(admin: Visitor) -> None:
    fields = {"email": "carol@example.com", "role": "member", "usable_password": "true"}
    passwords = {"password1": "correct horse carol", "password2": "correct horse carol"}
    assert admin.submit("/admin/accounts/user/add/", **fields, **passwords).status == 302
    files = [admin.site.folder / name for name in (".env", "var/keys.json")]
    before = [file.read_bytes() for file in files]
    assert admin.site.stop() == 0
    admin.site.start()
    assert [file.read_bytes() for file in files] == before
    assert "carol@example.com" in admin.get("/admin/accounts/user/").text


@pytest.mark.parametrize("number", sampled([signal.SIGINT, signal.SIGHUP], {signal.SIGINT}))
def test_a_signal_as_a_terminal_sends_it_ends_everything(admin: Visitor, number: signal.Signals) -> None:
    site = admin.site
    assert len(site.processes()) >= 8  # launcher, three wrappers, web and its workers, housekeeping, store
    written = site.log.stat().st_size
    os.killpg(site.process.pid, number)
    assert site.process.wait(20) == 0
    assert_nothing_is_left(site)
    assert not site.store_socket.exists()
    assert "Traceback" not in site.log.read_text()[written:]
    site.start()
    assert admin.get("/admin/").status == 200


DEATHS = [
    ("gunicorn", signal.SIGKILL),
    ("gunicorn", signal.SIGTERM),  # the process ends with status 0, but the site is down
    ("housekeeping", signal.SIGKILL),
    ("valkey-server", signal.SIGKILL),
]


@pytest.mark.exhaustive
@pytest.mark.parametrize(("which", "number"), sampled(DEATHS, [DEATHS[1]]))
def test_when_one_process_dies_all_end_and_nothing_is_lost(admin: Visitor, which: str, number: signal.Signals) -> None:
    site = admin.site
    os.kill(site.process_ids(which)[0], number)
    assert site.process.wait(20) != 0
    assert_nothing_is_left(site)
    site.start()
    assert admin.get("/admin/").status == 200


@pytest.mark.exhaustive
def test_a_killed_launcher_leaves_nothing_behind_and_the_next_start_works(admin: Visitor) -> None:
    admin.site.process.kill()
    admin.site.process.wait()
    assert_nothing_is_left(admin.site)
    admin.site.start()
    assert admin.get("/admin/").status == 200


@pytest.mark.exhaustive
def test_sigterm_to_the_launcher_alone_ends_everything(admin: Visitor) -> None:
    assert admin.site.stop(signal.SIGTERM) == 0
    assert_nothing_is_left(admin.site)
    assert not admin.site.store_socket.exists()
    admin.site.start()


# This program sends the signal before the launcher knows the process's id.
EARLY = """
import os, signal, sys
from config.processes import FollowingProcess, Processes

class Early(FollowingProcess):
    def run(self, *arguments):
        os.kill(os.getppid(), signal.SIGTERM)
        super().run(*arguments)

processes = Processes()
processes._process_ctor = Early
processes.add_process("one", "exec sleep 1234")
processes.add_process("two", "exec sleep 1234")
processes.loop()
sys.exit(processes.returncode != 143)
"""


def test_a_signal_that_comes_before_all_have_started_ends_everything(new_site: Sites) -> None:
    site = new_site()
    with site.log.open("ab") as log:
        site.process = subprocess.Popen(
            [sys.executable, "-c", EARLY], cwd=ROOT, stdout=log, stderr=log, start_new_session=True
        )
    assert site.process.wait(20) == 0, site.log.read_text()
    assert_nothing_is_left(site)


def test_a_second_site_on_the_same_data_is_refused(steady: Site, new_site: Sites) -> None:
    second = new_site(VAR_DIR=steady.environment["VAR_DIR"], ENV_FILE=steady.environment["ENV_FILE"])
    second.launch()
    assert second.process.wait(20) != 0
    assert "Another store already runs on" in second.log.read_text()
    assert "Traceback" not in second.log.read_text()
    assert_nothing_is_left(second)
    assert Visitor(steady).log_in().get("/admin/").status == 200


def test_only_this_user_can_open_the_stores(steady: Site) -> None:
    assert stat.S_IMODE(steady.store_socket.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(steady.store_socket.stat().st_mode) == 0o600
    for file in (steady.folder / "var").glob("db.sqlite3*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


@linux
def test_it_listens_on_loopback_only_and_the_store_on_no_port_at_all(steady: Site) -> None:
    assert set().union(*map(listens_on, steady.process_ids("valkey-server"))) == set()
    assert set().union(*map(listens_on, steady.processes())) == {f"0100007F:{steady.port:04X}"}


def listens_on(pid: int) -> set[str]:
    """The addresses on which a process listens for TCP, as in /proc/net/tcp."""
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return {line[1] for line in lines if line[3] == "0A" and line[9] in inodes}


@pytest.mark.exhaustive
def test_a_folder_with_odd_characters_is_no_obstacle(new_site: Sites) -> None:
    site = new_site()
    site.environment["VAR_DIR"] = str(site.folder / "50%41 c# ?x=1")
    site.start()
    Visitor(site).log_in()
    made = [path.name for path in site.folder.iterdir()]
    assert sorted(made) == [".env", "50%41 c# ?x=1", "log"]


# ── The keys of tokens ─────────────────────────────────────────────────────────────────────────


def test_a_file_of_keys_that_cannot_be_used_or_is_gone_ends_no_login(admin: Visitor) -> None:
    """The site does not start, and says why in one sentence. Once the file is back, every login continues."""
    site = admin.site
    file, holder = site.folder / "var" / "keys.json", Holder(site)
    assert holder.log_in("alice@example.com", "demo-only-alice").status == 200
    assert site.stop() == 0
    good = file.read_bytes()
    file.chmod(0o640)
    assert_start_is_refused(site, "chmod 600")
    file.chmod(0o600)
    file.write_bytes(good[:-20])
    assert_start_is_refused(site, "It is incomplete, or not JSON.")
    assert file.read_bytes() == good[:-20]
    file.unlink()
    assert_start_is_refused(site, "Bring them back, or run manage.py rotate_keys refresh --force")
    assert not file.exists()
    file.write_bytes(good)
    file.chmod(0o600)
    site.start()
    assert holder.whoami() == 200
    assert holder.rotate().status == 200


def assert_start_is_refused(site: Site, says: str) -> None:
    written = site.log.stat().st_size
    site.launch()
    assert site.process.wait(20) not in (0, None)
    [said] = [line for line in site.log.read_text()[written:].splitlines() if line]
    assert said.startswith(f"JWT_KEY_FILE {site.folder / 'var' / 'keys.json'}")
    assert says in said
    assert_nothing_is_left(site)


@pytest.mark.exhaustive
def test_keys_in_an_env_file_from_before_go_on_signing(new_site: Sites) -> None:
    site, secret = new_site(), token_urlsafe(48)
    env = {"SECRET_KEY": token_urlsafe(48), "JWT_ACCESS_KEYS": secret, "JWT_REFRESH_KEYS": token_urlsafe(48)}
    env |= {"DEMO": "1", "ALLOWED_HOSTS": "localhost"}
    text = "".join(f"{name}={value}\n" for name, value in env.items())
    (site.folder / ".env").write_text(text)
    site.start()
    assert (site.folder / ".env").read_text() == text
    assert not (site.folder / "var" / "keys.json").exists()
    holder = Holder(site)
    assert holder.log_in("alice@example.com", "demo-only-alice").status == 200
    header = jwt.get_unverified_header(holder.access)
    assert (header["alg"], header["kid"]) == ("HS256", keys.Key.of(secret).kid)
    assert holder.whoami() == 200


# ── The attack range beside it ─────────────────────────────────────────────────────────────────


def range_port(site: Site) -> int:
    return int(site.environment["RANGE_PORT"])


def ask_range(site: Site, path: str, body: bytes | None = None) -> int:
    """The status of the attack range's answer, or 0 if there is no answer."""
    connection = HTTPConnection("127.0.0.1", range_port(site), timeout=60)
    try:
        connection.request("POST" if body else "GET", path, body, {"Host": f"range.localhost:{range_port(site)}"})
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


def start_with_range(new_site: Sites) -> Site:
    site = new_site(RANGE="1", RANGE_PORT=str(free_port_pair()))
    site.start()
    until(lambda: ask_range(site, "/api/cases") == 200, 60)
    return site


def test_a_demo_starts_the_attack_range_and_when_it_dies_the_site_goes_on(new_site: Sites) -> None:
    site = start_with_range(new_site)
    assert f"  http://range.localhost:{range_port(site)}/ " in site.log.read_text()
    assert set().union(*map(listens_on, site.process_ids("attack_range"))) == {
        f"0100007F:{number:04X}" for number in (range_port(site), range_port(site) + 1)
    }
    os.kill(site.process_ids("attack_range")[0], signal.SIGKILL)
    until(lambda: "ended (rc=" in site.log.read_text())
    until(lambda: not site.process_ids("attack_range") and not site.process_ids("range/store.sock"))
    assert Visitor(site).log_in().get("/admin/").status == 200
    assert site.stop() == 0
    assert_nothing_is_left(site)


def test_an_attack_range_that_cannot_start_says_why_and_the_site_goes_on(new_site: Sites) -> None:
    site = new_site(RANGE="1", RANGE_PORT=str(free_port_pair()))
    with socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        busy.bind(("127.0.0.1", range_port(site) + 1))
        busy.listen()
        site.start()
        until(lambda: "ended (rc=1)" in site.log.read_text(), 60)
    assert f"Port {range_port(site) + 1} cannot be used" in site.log.read_text()
    assert "Traceback" not in site.log.read_text()
    assert site.is_ready()
    assert site.stop() == 0
    assert_nothing_is_left(site)


@pytest.mark.browser
@pytest.mark.parametrize("number", sampled([signal.SIGKILL, signal.SIGTERM], {signal.SIGKILL}))
def test_nothing_of_the_range_outlives_the_launcher_in_the_middle_of_an_attack(
    new_site: Sites, number: signal.Signals
) -> None:
    if not shutil.which("chromium"):
        pytest.skip("There is no Chromium on the PATH.")
    site = start_with_range(new_site)
    with ThreadPoolExecutor(1) as pool:
        attack = pool.submit(ask_range, site, "/api/run", json.dumps({"cases": ["replay/"] * 50}).encode())
        until(lambda: any("--type=renderer" in line for line in site.processes().values()), 60)
        [chromium, *_] = [pid for pid, line in site.processes().items() if "--remote-debugging-pipe" in line]
        home = psutil.Process(chromium).environ()["HOME"]
        assert in_home(home)
        assert not attack.done()
        site.process.send_signal(number)
        site.process.wait(20)
        until(lambda: not in_home(home))
    assert_nothing_is_left(site)


def in_home(home: str) -> list[int]:
    """The processes whose HOME is this folder: Chromium's, whatever their parent is."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("HOME") == home:
                found.append(process.pid)
    return found


@pytest.mark.parametrize(
    ("demo", "wishes", "started"),
    [
        (True, ("", ""), {"range": 8110, "services": 8120}),
        (True, ("1", "1"), {"range": 8110, "services": 8120}),
        (True, ("0", "1"), {"services": 8120}),
        (True, ("1", "0"), {"range": 8110}),
        (False, ("1", "1"), {}),
    ],
)
def test_range_and_services_are_started_in_a_demo_that_does_not_do_without(
    monkeypatch: pytest.MonkeyPatch, demo: bool, wishes: tuple[str, str], started: dict[str, int]
) -> None:
    ports = {"PORT": "8100", "RANGE_PORT": "", "SERVICES_PORT": ""}
    for name, value in (dict(zip(("RANGE", "SERVICES"), wishes, strict=True)) | ports).items():
        monkeypatch.setenv(name, value)
    with override_settings(DEMO=demo):
        assert run.ports_beside() == started


def test_without_them_there_is_none_of_them(steady: Site) -> None:
    assert (steady.environment["RANGE"], steady.environment["SERVICES"]) == ("0", "0")
    assert not re.search("range|services", steady.log.read_text(), re.I)
    assert steady.process_ids("attack_range") == []
    assert steady.process_ids("-m services") == []


WRONG_BESIDE = [
    {"RANGE": "perhaps"},
    {"SERVICES": "perhaps"},
    {"SERVICES": "1", "GATEWAY": "apache"},
    {"SERVICES": "1", "SERVICES_PORT": "eighty"},
    {"SERVICES": "1", "SERVICES_PORT": "65531"},
    {"SERVICES": "1", "SERVICES_PORT": "8196", "PORT": "8201"},
    {"SERVICES": "1", "SERVICES_PORT": "8206", "RANGE": "1", "RANGE_PORT": "8211", "PORT": "8201"},
    {"RANGE": "1", "RANGE_PORT": "eighty"},
    {"RANGE": "1", "RANGE_PORT": "65535"},
    {"RANGE": "1", "RANGE_PORT": "8200", "PORT": "8201"},
]


@pytest.mark.parametrize("environment", sampled(WRONG_BESIDE, WRONG_BESIDE[:2]), ids=str)
def test_a_wrong_variable_of_what_stands_beside_is_named_in_one_line(
    new_site: Sites, environment: dict[str, str]
) -> None:
    site = new_site(**environment)
    site.launch()
    assert site.process.wait(60) not in (0, None)
    [said] = [line for line in site.log.read_text().splitlines() if line]
    assert said.startswith([*environment][min(1, len(environment) - 1)])
    assert_nothing_is_left(site)


# ── The services beside it ─────────────────────────────────────────────────────────────────────


def services_port(site: Site) -> int:
    return int(site.environment["SERVICES_PORT"])


def services_answer(site: Site) -> bool:
    """Whether all services accept connections, and the gateway answers with the help of `auth` and a service."""
    if len(listening(services_port(site))) < len(PORTS):
        return False
    connection = HTTPConnection("127.0.0.1", services_port(site), timeout=10)
    try:
        connection.request("GET", "/session/billing/prices")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def with_services(new_site: Sites, **environment: str) -> Site:
    return new_site(SERVICES="1", SERVICES_PORT=str(free_ports(len(PORTS))), **environment)


def assert_nothing_is_left_of_the_services(site: Site) -> None:
    until(lambda: not listening(services_port(site)))
    until(lambda: not processes_of_services(site))


def processes_of_services(site: Site) -> list[int]:
    """The processes with these ports or this folder in their environment, whatever their parent is."""
    found, own = [], {str(services_port(site)), str(site.folder / "var" / "services")}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environment = process.environ()
            names = ("SERVICES_PORT", "FOLDER") if "SERVICE" in environment else ("FOLDER",)
            if own & {environment.get(name) for name in names}:
                found.append(process.pid)
    return found


def test_a_demo_starts_the_services_and_when_they_die_the_site_goes_on(new_site: Sites) -> None:
    site = with_services(new_site)
    site.start()
    until(lambda: services_answer(site), 60)
    assert f"  {site.url}/lab/gateway/ " in site.log.read_text()
    assert f" on port {services_port(site)}\n" in site.log.read_text()
    # The site's web server has as many processes as without the services.
    assert len(site.process_ids("config.wsgi")) == 1 + WEB_PROCESSES
    started = set(processes_of_services(site))
    assert len(started) == 2 * len(("auth", "orders", "billing", "first worker", "second worker")) + 1
    os.kill(site.process_ids("-m services")[0], signal.SIGKILL)
    until(lambda: "ended (rc=" in site.log.read_text())
    assert_nothing_is_left_of_the_services(site)
    assert Visitor(site).log_in().get("/admin/").status == 200
    assert site.stop() == 0
    assert_nothing_is_left(site)


@linux
@pytest.mark.exhaustive
def test_the_services_listen_on_loopback_only_and_auth_on_no_port_at_all(new_site: Sites) -> None:
    site = with_services(new_site)
    site.start()
    until(lambda: services_answer(site), 60)
    ports = range(services_port(site), services_port(site) + len(PORTS))
    seen = [listens_on(pid) for pid in processes_of_services(site)]
    assert set().union(*seen) == {f"0100007F:{number:04X}" for number in ports}
    socket_of_auth = site.folder / "var" / "services" / "auth.sock"
    assert stat.S_IMODE(socket_of_auth.stat().st_mode) & 0o077 == 0
    assert stat.S_IMODE(socket_of_auth.parent.stat().st_mode) == 0o700


# Seconds: three times as long as a second start may take.
SECOND_START = 18


@pytest.mark.parametrize("number", sampled([signal.SIGKILL, signal.SIGTERM], {signal.SIGKILL}))
def test_nothing_of_the_services_outlives_the_launcher_and_a_second_start_is_quick(
    new_site: Sites, number: signal.Signals
) -> None:
    site = with_services(new_site)
    site.start()
    until(lambda: services_answer(site), 60)
    os.killpg(site.process.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
    assert site.process.wait(20) == 0
    assert_nothing_is_left(site)
    assert_nothing_is_left_of_the_services(site)
    assert "Traceback" not in site.log.read_text()
    site.launch()
    until(site.is_ready, SECOND_START)
    until(lambda: services_answer(site), 60)
    assert site.processes()  # remembers the processes, to find them when their parent is gone
    site.process.send_signal(number)
    site.process.wait(20)
    assert_nothing_is_left(site)
    assert_nothing_is_left_of_the_services(site)


BUSY = sampled(PORTS, {"billing"})


@pytest.mark.parametrize("name", BUSY)
def test_a_busy_port_of_the_services_is_named_in_one_line_and_the_site_goes_on(new_site: Sites, name: str) -> None:
    site = with_services(new_site)
    with socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        busy.bind(("127.0.0.1", services_port(site) + PORTS.index(name)))
        busy.listen()
        site.start()
        until(lambda: "ended (rc=1)" in site.log.read_text(), 60)
        assert listening(services_port(site)) == [name]
    [said] = [line for line in site.log.read_text().splitlines() if " is in use" in line]
    assert f"Port {services_port(site) + PORTS.index(name)}, for the {name} of the services, is in use." in said
    assert "SERVICES_PORT" in said
    assert "Traceback" not in site.log.read_text()
    assert site.is_ready()
    assert site.stop() == 0
    assert_nothing_is_left(site)


# The error of `python -m services` where it must not or cannot start.
REFUSED_SERVICES = [
    ({"DEMO": "0"}, "The services are part of the demo only."),
    ({"GATEWAY": "apache"}, "GATEWAY must be one of caddy, nginx, not 'apache'."),
    ({"SERVICES_PORT": "eighty"}, "SERVICES_PORT must be a number from 1 to "),
    ({"SERVICES_PORT": "65531"}, "SERVICES_PORT must be a number from 1 to "),
    (
        {"SERVICES_PORT": "8196", "PORT": "8201"},
        "SERVICES_PORT and the 5 ports after it must be others than PORT 8201.",
    ),
    ({"PORT": "99999"}, "PORT must be a number from 1 to "),
    ({"SECRET_KEY": ""}, "SECRET_KEY"),
    ({"ENV_FILE": "/proc/self/mem"}, "ENV_FILE /proc/self/mem cannot be read"),
]


@pytest.mark.parametrize(("environment", "sentence"), sampled(REFUSED_SERVICES, REFUSED_SERVICES[:2]))
def test_services_that_must_not_start_say_why_in_one_sentence(
    new_site: Sites, environment: dict[str, str], sentence: str
) -> None:
    demo = GOOD | {"DEMO": "1", "ALLOWED_HOSTS": "localhost"}
    site = new_site(**(demo | {"SERVICES_PORT": str(free_ports(len(PORTS)))} | environment))
    result = subprocess.run(
        [sys.executable, "-m", "services"], cwd=ROOT, env=site.environment, capture_output=True, text=True, timeout=60
    )
    assert_one_line(result, sentence)


# ── Each error is one line ─────────────────────────────────────────────────────────────────────


WRONG = [
    ("DATABASE_URL", "postgres://someone:hidden-word@%2Fnowhere/site"),
    ("JWT_ACCESS_KEYS", "too-short"),
    ("PORT", "eighty"),
    ("VAR_DIR", "/proc/nowhere"),
]
# tests/config tests the sentences about variables; these cases show that `make run` prints them too.
WRONG_TOO = [
    ("DATABASE_URL", "nonsense"),
    ("DATABASE_URL", "mysql://someone:hidden-word@localhost/site"),
    ("DATABASE_URL", "postgres://someone:hidden-word@localhost:port/site"),
    ("DATABASE_URL", "postgres://"),
    ("DATABASE_URL", "sqlite:////nowhere/at/all.sqlite3"),
    ("REDIS_URL", "nonsense"),
    ("REDIS_URL", "redis://:hidden-word@localhost:port"),
    ("REDIS_URL", "unix:///nowhere/valkey.sock"),
    ("SECRET_KEY", ""),
    ("SECRET_KEY", "too-short"),
    ("SECRET_KEY", "change-me-change-me-change-me-change-me"),
    ("JWT_REFRESH_KEYS", "too-short"),
    ("JWT_KEY_FILE", "/nowhere/keys.json"),
    ("ALLOWED_HOSTS", "*"),
    ("TRUSTED_PROXIES", "many"),
    ("PORT", "99999"),
    ("VAR_DIR", "/proc/" + "deep" * 30),
]


@pytest.mark.parametrize(("name", "value"), sampled(WRONG + WRONG_TOO, WRONG))
def test_a_wrong_setting_is_named_in_one_line(new_site: Sites, name: str, value: str) -> None:
    site = new_site()
    if name in site.environment:
        site.environment[name] = value
    else:
        (site.folder / ".env").write_text(f"{name}={value}\n")
        site.environment |= {"DEMO": "1"} | ({} if name == "ALLOWED_HOSTS" else {"ALLOWED_HOSTS": "localhost"})
    site.launch()
    assert site.process.wait(20) not in (0, None)
    said = [line for line in site.log.read_text().splitlines() if line]
    assert len(said) == (2 if name == "ALLOWED_HOSTS" else 1), said
    assert all(name in line and "hidden-word" not in line for line in said), said
    assert_nothing_is_left(site)


@pytest.mark.parametrize("named_in", ["command", "file"])
def test_make_run_says_that_a_port_is_busy(new_site: Sites, named_in: str) -> None:
    site = new_site()
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        del site.environment["PORT"]
        if named_in == "file":
            (site.folder / ".env").write_text(f"PORT={port}\n")
        # `-o`: the requirements are installed already, for this test uses them.
        make = ["make", "-o", f"{sys.prefix}/.run", "run", f"VENV={sys.prefix}"]
        make += [f"PORT={port}"] if named_in == "command" else []
        result = subprocess.run(make, cwd=ROOT, env=site.environment, capture_output=True, text=True)
    assert_one_line(result, f"Port {port} is in use")


# How a Python that cannot be used differs from this one.
FAKES = {
    "Python 3.11 or newer is needed": "sys.version_info = (3, 9, 1, 'final', 0)",
    "venv module": "sys.modules['ensurepip'] = None",
}


@pytest.mark.parametrize("sentence", FAKES)
def test_make_run_says_what_is_wrong_with_python(tmp_path: Path, sentence: str) -> None:
    fake = tmp_path / "fake-python"
    fake.write_text(
        f"""#!/bin/sh
        [ "$1" = -c ] && exec "{sys.executable}" -c "import sys; {FAKES[sentence]}; exec(sys.argv[1])" "$2"
        echo Python 3.9.1
        [ "$1" = -V ]
        """
    )
    fake.chmod(0o755)
    assert_one_line(make_run(tmp_path, f"PYTHON={fake}"), sentence)


def test_make_run_says_that_there_is_no_python(tmp_path: Path) -> None:
    assert_one_line(make_run(tmp_path, "PYTHON=no-such-python"), "no-such-python")


def make_run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `make run` in a folder where nothing is installed yet."""
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, folder)
    return subprocess.run(
        ["make", "run", f"PORT={free_port()}", *arguments],
        cwd=folder,
        # Without the variables of a `make test` that runs this test: its options would apply here too.
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        capture_output=True,
        text=True,
    )


def assert_one_line(result: subprocess.CompletedProcess[str], sentence: str) -> None:
    assert result.returncode != 0
    said = [line for line in (result.stdout + result.stderr).splitlines() if not line.startswith("make: ***")]
    assert len(said) == 1, said
    assert sentence in said[0]
