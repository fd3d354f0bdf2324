"""Two servers of one site and a verifier, each in its own process."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from jwt_demo import keys
from tests.running import ROOT, Prepared, Store, free_port, of_this_machine, until

PREPARE = "from config import run; run.prepare()"
HOUSEKEEPING = ["manage.py", "housekeeping"]
SERVE = ["-m", "gunicorn", "--config", "config/gunicorn.py", "config.wsgi"]


class Servers:
    """The two servers, each with its own port, on the same database, store and file of keys.

    `with Servers() as servers:` starts them with housekeeping; at its end all of it is stopped and removed.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="servers-"))
        self.var, self.log = self.folder / "var", self.folder / "log"
        self.store = Store(self.var / "store" / "valkey.sock")
        self.ports = [free_port(), free_port()]
        # Both servers must name the same issuer in tokens, or each would refuse the other's.
        self.issuer = f"http://localhost:{self.ports[0]}"
        own = {"ENV_FILE": os.devnull, "VAR_DIR": str(self.var), "SITE_URL": self.issuer, "RANGE": "0", "DEMO": "1"}
        served = {"WEB_WORKERS": "1", "ALLOWED_HOSTS": "localhost", "SECRET_KEY": secrets.token_urlsafe(48)}
        settings = {"DJANGO_SETTINGS_MODULE": "tests.site.rehearsal.settings"}
        self.environment = of_this_machine() | own | served | settings
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Servers":
        try:
            Prepared().copy_to(self.var, with_database=True)
            self.store.start()
            self._run("-c", PREPARE)
            self._launch(HOUSEKEEPING, self.ports[0])
            for port in self.ports:
                self._launch(SERVE, port)
            for port in self.ports:
                until(lambda port=port: self._is_ready(port), 60)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if self.store.process:
            self.store.kill()
        shutil.rmtree(self.folder)

    def _run(self, *arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _launch(self, arguments: list[str], port: int) -> None:
        environment = self.environment | {"PORT": str(port)}
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.processes.append(process)

    def _is_ready(self, port: int) -> bool:
        assert all(process.poll() is None for process in self.processes), self.log.read_text()
        try:
            return urllib.request.urlopen(f"http://localhost:{port}/readyz", timeout=2).status == 200
        except OSError:
            return False

    def manage(self, *arguments: str) -> str:
        """Runs `manage.py` with the servers' configuration; returns its output."""
        return self._run("manage.py", *arguments)

    @contextmanager
    def rotating(self) -> Iterator[None]:
        """Rotates both rings. The block runs once the key file is written, shortly before the new keys are active."""
        before = self.key_file.stat().st_ino
        with ThreadPoolExecutor(1) as pool:
            rotation = pool.submit(self.manage, "rotate_keys")
            until(lambda: rotation.done() or self.key_file.stat().st_ino != before, 60)
            yield
        rotation.result()

    @property
    def key_file(self) -> Path:
        return self.var / "keys.json"

    def newest(self, kind: str) -> keys.DatedKey:
        """The newest key of a ring in the key file."""
        return keys.read(self.key_file)[kind].dated[-1]


class VerifierProcess:
    """The verifier, for several threads. `with VerifierProcess(servers) as verifier:` starts and ends its process."""

    def __init__(self, servers: Servers) -> None:
        addresses = [f"http://localhost:{port}/.well-known/jwks.json" for port in servers.ports]
        command = [sys.executable, "-m", "tests.site.rehearsal.verifier", servers.issuer, *addresses]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=of_this_machine(), stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True
        )
        self.lock = threading.Lock()

    def __enter__(self) -> "VerifierProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def refuses(self, token: str) -> str:
        """Why it refuses this token, "" if it does not."""
        with self.lock:
            assert self.process.stdin
            assert self.process.stdout
            self.process.stdin.write(f"{token}\n")
            self.process.stdin.flush()
            # Its end is no leave: a process that has died says nothing, and a good token is one empty line.
            line = self.process.stdout.readline()
        assert line, "The verifier has ended."
        return line.strip()
