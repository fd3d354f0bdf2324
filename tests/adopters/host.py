"""Another project, made by `django-admin startproject`, that takes parts of this one as docs/take-a-part.md says."""

import json
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.running import ROOT, Store, free_port, of_this_machine, until
from tests.site.visitor import Visitor

README, PARTS = (ROOT / "README.md").read_text(), (ROOT / "docs" / "take-a-part.md").read_text()
HERE = Path(__file__).resolve().parent
SETTINGS = """
import os
SECRET_KEY, DEBUG, ALLOWED_HOSTS = os.environ["SECRET_KEY"], False, ["localhost"]
LOGGING = {"version": 1, "handlers": {"out": {"class": "logging.StreamHandler"}}, "root": {"handlers": ["out"]}}
INSTALLED_APPS += ["rest_framework", "shop"]
REST_FRAMEWORK = {
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "EXCEPTION_HANDLER": "shop.views.exception_handler",
}
"""
URLS = """
from django.urls import include
urlpatterns += [path("", include("shop.urls"))]
"""


def typed(title: str, language: str = "python", document: str = PARTS) -> list[str]:
    """The lines that a section of a document has its reader type, one text for each block."""
    section = document.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.S)


class Host:
    """The project, its store and its server. `with Host() as host:` makes it, and ends and removes all of it."""

    # What `/` may answer when the server is up.
    alive = (200,)

    def __init__(self, settings: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="host-"))
        self.store, self.port = Store(self.folder / "v" / "v.sock"), free_port()
        self.settings, self.urls = self.folder / "host" / "settings.py", self.folder / "host" / "urls.py"
        self.environment = of_this_machine() | {"SECRET_KEY": secrets.token_urlsafe(48)}
        self.process: subprocess.Popen[bytes] | None = None
        self.own_settings = SETTINGS + settings

    def __enter__(self) -> "Host":
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self.store.process:
            self.store.kill()
        shutil.rmtree(self.folder)

    def _make(self) -> None:
        self.run("-m", "django", "startproject", "host", ".")
        for app in ("shop", "people"):
            self.copy(HERE / app)
        self.type(self.settings, self.own_settings)
        self.type(self.urls, URLS)
        self.manage("makemigrations")
        self.manage("migrate")

    def copy(self, app: Path) -> None:
        """Puts the folder of an app beside those of the project."""
        shutil.copytree(app, self.folder / app.name, ignore=shutil.ignore_patterns("__pycache__"))

    def type(self, file: Path, lines: str) -> None:
        """Adds lines at the end of a file, with the test's own server in the place of Redis."""
        lines = lines.replace("redis://localhost:6379/", f"unix://{self.store.path}?db=")
        file.write_text(f"{file.read_text()}\n{lines}\n")

    def take(self, title: str, *apps: str) -> None:
        """Does what a section of the page says: copies the apps, types the lines, makes keys, migrates."""
        for app in apps:
            if not (self.folder / app).exists():
                self.copy(ROOT / app)
        for lines in typed(title):
            if "CACHES = " in lines and "CACHES = " in self.settings.read_text():
                continue  # what is for a project that has taken no other part
            self.type(self.urls if "urlpatterns" in lines else self.settings, lines)
        if "jwt_demo" in apps:
            self.manage("rotate_keys")
        self.manage("migrate")

    def run(self, *arguments: str) -> str:
        """What a command in the project's folder prints."""
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def manage(self, *arguments: str) -> str:
        return self.run("manage.py", *arguments)

    def sh(self, command: str) -> None:
        """Runs a command of the page, with the tests' own Python."""
        command = command.replace("python ", f"{sys.executable} ")
        subprocess.run(["bash", "-e", "-c", command], cwd=self.folder, env=self.environment, check=True)

    def shell(self, code: str) -> Any:
        """Runs code in the project, with `User`; gives what it leaves in `found`."""
        head = "import json; from django.contrib.auth import get_user_model; User = get_user_model(); found = None\n"
        return json.loads(self.manage("shell", "-c", f"{head}{code}\nprint(json.dumps(found))").splitlines()[-1])

    def start(self) -> None:
        """Starts the server, and waits until it answers."""
        options = ["--no-control-socket", "--threads", "8", "--bind", f"127.0.0.1:{self.port}"]
        command = [sys.executable, "-m", "gunicorn", *options, "host.wsgi"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        until(self.answers)

    def answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.log
        try:
            return Visitor(self).get("/").status in self.alive
        except OSError:
            return False

    @property
    def log(self) -> str:
        """What the server has printed."""
        return (self.folder / "log").read_text()

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(20)

    def restart(self) -> None:
        self.stop()
        self.start()


class Fresh(Host):
    """The project of a reader who has typed what `startproject` needs and both parts, and nothing else."""

    # There is no home page, and settings may name another host.
    alive = (404, 400)

    def _make(self) -> None:
        self.environment["PATH"] = f"{Path(sys.executable).parent}:{self.environment['PATH']}"
        self.run("-m", "django", "startproject", "host", ".")
        self.store.start()
        self.take("Sessions", "security", "sessions_demo")
        self.take("Tokens", "security", "jwt_demo")

    def bash(self, commands: str) -> str:
        """What commands of a reader print, who stands in the project's folder; what they complain of fails the test."""
        commands = commands.replace("localhost:8000", f"localhost:{self.port}").replace("curl ", "curl -sS ")
        line = ["bash", "-e", "-c", commands]
        done = subprocess.run(line, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.replace(f"localhost:{self.port}", "localhost:8000")
