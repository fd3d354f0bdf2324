"""A throw-away PostgreSQL cluster on a Unix socket."""

import getpass
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

# Most tests on PostgreSQL repeat what SQLite shows already, so all of them are left to the longer runs.
ON_POSTGRESQL = [pytest.mark.postgres, pytest.mark.exhaustive]
FAST = "-c listen_addresses='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=16MB"


def programs() -> Path | None:
    """The folder of the newest `initdb` and `pg_ctl`, or `None` if there is none."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    folders += [Path(found).resolve().parent] if found else []
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


class Postgres:
    """One server, which can be killed and started again with its data."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        # PostgreSQL refuses to run as root.
        self.user = "postgres" if os.geteuid() == 0 else getpass.getuser()
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self.data = self.folder / "data"
        if os.geteuid() == 0:
            shutil.chown(self.folder, self.user)
        self._run("initdb", "-D", str(self.data), "-A", "trust", "-E", "UTF8", "--no-sync")

    def _run(self, program: str, *arguments: str) -> None:
        prefix = ["runuser", "-u", self.user, "--"] if os.geteuid() == 0 else []
        command = [*prefix, str(self.programs / program), *arguments]
        # Not a pipe: the server would inherit it, and the test would wait until the server ends.
        with (self.folder / "log").open("ab") as log:
            result = subprocess.run(command, cwd=self.folder, stdout=log, stderr=log)
        assert result.returncode == 0, (self.folder / "log").read_text()

    def start(self) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-w", "-o", f"{FAST} -k {self.folder}", "start")

    def stop(self) -> None:
        """Stops the server at once, as a crash would; it recovers at the next start."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-m", "immediate", "stop")

    def create(self, name: str) -> str:
        """Creates an empty database; returns its URL."""
        with psycopg.connect(host=str(self.folder), user=self.user, dbname="postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"postgres://{quote(self.user)}@{quote(str(self.folder), safe='')}/{name}"

    def destroy(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)
