"""No command starts a process with a setting that the checks refuse, and the error names the variable."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.test_settings import GOOD, without
from tests.running import ROOT, Store, free_port, until
from tests.sampling import sampled

PYTHON = sys.executable
GUNICORN = str(Path(PYTHON).parent / "gunicorn")
[PROCFILE] = re.findall(r"^web: gunicorn (.*)$", (ROOT / "Procfile").read_text(), re.M)
# wsgi.py as `startproject` writes it. It runs no checks by itself.
THEIR_WSGI = "from django.core.wsgi import get_wsgi_application\n\napplication = get_wsgi_application()\n"
WAYS = {
    "the Procfile's web line": [GUNICORN, *PROCFILE.split()],
    "an adopter's own wsgi.py": [GUNICORN, "--bind", "127.0.0.1:PORT", "their_wsgi"],
    "housekeeping": [PYTHON, "manage.py", "housekeeping"],
    "runserver": [PYTHON, "manage.py", "runserver", "--noreload", "PORT"],
    "make run": [PYTHON, "-m", "config.run"],
    "make prove": [PYTHON, "-m", "config.command", "check"],
}
KEYS = {name: GOOD[name] for name in ("SECRET_KEY", "JWT_ACCESS_KEYS", "JWT_REFRESH_KEYS")}
DEMO = KEYS | {"DEMO": "1", "ALLOWED_HOSTS": "localhost,127.0.0.1"}
# The environment, lines that are added to the settings, and the names that the refusal must contain.
REFUSALS: dict[str, tuple[dict[str, str], str, tuple[str, ...]]] = {
    "a word for a key": (
        GOOD | {"JWT_ACCESS_KEYS": "secret", "JWT_REFRESH_KEYS": "secret", "DEMO": "0"},
        "",
        ("JWT_ACCESS_KEYS", "JWT_REFRESH_KEYS"),
    ),
    "a key for both kinds": (GOOD | {"JWT_REFRESH_KEYS": GOOD["JWT_ACCESS_KEYS"]}, "", ("JWT_REFRESH_KEYS",)),
    "a placeholder": (GOOD | {"SECRET_KEY": "change-me-" * 6}, "", ("SECRET_KEY",)),
    "no host prefix": (GOOD, 'SESSION_COOKIE_NAME = "sessionid"', ("SESSION_COOKIE_NAME",)),
    "no host prefix, token": (GOOD, 'JWT_REFRESH_COOKIE_NAME = "refresh"', ("JWT_REFRESH_COOKIE_NAME",)),
    "lifetimes": (GOOD, "JWT_ABSOLUTE_LIFETIME = 60", ("JWT_ABSOLUTE_LIFETIME", "SIMPLE_JWT")),
    "a lifetime of nothing": (
        GOOD,
        "from datetime import timedelta\nSIMPLE_JWT |= {'ACCESS_TOKEN_LIFETIME': timedelta(0)}",
        ("ACCESS_TOKEN_LIFETIME", "timedelta(minutes=15)"),
    ),
    "a key without effect": (GOOD, "SIMPLE_JWT |= {'ROTATE_REFRESH_TOKENS': False}", ("ROTATE_REFRESH_TOKENS",)),
    "no origin gate": (GOOD, 'MIDDLEWARE.remove("security.origin.OriginGate")', ("MIDDLEWARE", "OriginGate")),
    "nothing of ours": (GOOD, "MIDDLEWARE = MIDDLEWARE[:5]", ("MIDDLEWARE", "OriginGate")),
    "a demo in public": (GOOD | {"DEMO": "1"}, "", ("DEMO",)),
    "preload alone": (GOOD | {"HSTS_PRELOAD": "1"}, "", ("HSTS_PRELOAD",)),
    "no secret": (without("SECRET_KEY"), "", ("SECRET_KEY",)),
    "no keys": (without("JWT_ACCESS_KEYS"), "", ("JWT_ACCESS_KEYS",)),
    "a store that evicts": (GOOD, "", ("REDIS_URL",)),
}
# `make run` makes the secrets that are missing.
LEFT_OUT = {("no secret", "make run"), ("no secret", "make prove"), ("no keys", "make run"), ("no keys", "make prove")}
# Without this project's server and middleware only the commands of `manage.py` refuse this, `migrate` too.
LEFT_OUT.add(("nothing of ours", "an adopter's own wsgi.py"))
CASES = [(way, refusal) for way in WAYS for refusal in REFUSALS if (refusal, way) not in LEFT_OUT]
# Each way once, each with a different refusal. With the first, an attacker could forge an administrator's token.
ALWAYS_TRIED = [
    ("the Procfile's web line", "a word for a key"),
    ("an adopter's own wsgi.py", "no host prefix, token"),
    ("housekeeping", "no origin gate"),
    ("runserver", "no keys"),
    ("make run", "lifetimes"),
    ("make prove", "a demo in public"),
]


class Start:
    """A starting process, in a folder of its own."""

    def __init__(self, folder: Path, way: str, environment: dict[str, str], settings: str = "") -> None:
        self.port, self.log = free_port(), folder / "log"
        (folder / "their_settings.py").write_text(f"from config.settings import *\n{settings}\n")
        (folder / "their_wsgi.py").write_text(THEIR_WSGI)
        command = [word.replace("PORT", str(self.port)) for word in WAYS[way]]
        own = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{folder}:{ROOT}",
            "DJANGO_SETTINGS_MODULE": "their_settings",
            "ENV_FILE": str(folder / ".env"),
            "VAR_DIR": str(folder / "var"),
            "PORT": str(self.port),
            "RANGE": "0",
            "SERVICES": "0",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=own | environment, stdout=log, stderr=log, start_new_session=True
            )

    def answers(self) -> bool:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2).status == 200
        except OSError:
            return False

    def end(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture
def evicting(tmp_path: Path) -> Iterator[str]:
    """The address of a store that evicts keys when it is full."""
    store = Store(tmp_path / "store" / "v.sock")
    store.start()
    store.client().config_set("maxmemory", "100mb")
    store.client().config_set("maxmemory-policy", "allkeys-lru")
    yield f"unix://{store.path}"
    store.kill()


@pytest.mark.parametrize(("way", "refusal"), sampled(CASES, ALWAYS_TRIED), ids=lambda word: word.replace(" ", "-"))
def test_no_process_serves_with_a_refused_setting(
    tmp_path: Path, request: pytest.FixtureRequest, way: str, refusal: str
) -> None:
    environment, settings, names = REFUSALS[refusal]
    if refusal == "a store that evicts":
        environment = environment | {"REDIS_URL": request.getfixturevalue("evicting")}
    start = Start(tmp_path, way, environment, settings)
    try:
        end = time.monotonic() + 60
        while start.process.poll() is None:
            assert not start.answers(), "it serves"
            assert time.monotonic() < end, start.log.read_text()
            time.sleep(0.05)
    finally:
        start.end()
    assert start.process.returncode not in (0, None)
    said = start.log.read_text()
    assert all(name in said for name in names), said
    assert KEYS["SECRET_KEY"] not in said
    # For another project's wsgi.py gunicorn prints a traceback.
    assert way == "an adopter's own wsgi.py" or "Traceback" not in said


SERVING = ["the Procfile's web line", "an adopter's own wsgi.py"]


@pytest.mark.parametrize("way", SERVING)
def test_with_good_settings_it_serves(tmp_path: Path, way: str) -> None:
    start = Start(tmp_path, way, DEMO)
    try:
        until(lambda: start.process.poll() is not None or start.answers(), 60)
        assert start.process.poll() is None, start.log.read_text()
    finally:
        start.end()


@pytest.mark.exhaustive
@pytest.mark.parametrize("way", ["make run", "runserver", "housekeeping", "make prove"])
def test_with_good_settings_the_others_do_their_work(tmp_path: Path, way: str) -> None:
    run = [PYTHON, "-m", "config.command", "check"]
    environment = DEMO | {"PATH": os.environ["PATH"], "ENV_FILE": os.devnull, "VAR_DIR": str(tmp_path / "var")}
    prepared = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert prepared.returncode == 0, prepared.stderr
    if way == "make prove":
        return
    start = Start(tmp_path, way, DEMO)
    try:
        if way == "housekeeping":
            time.sleep(3)
        else:
            until(lambda: start.process.poll() is not None or start.answers(), 60)
        assert start.process.poll() is None, start.log.read_text()
    finally:
        start.end()


WRONG = [
    ("WEB_WORKERS", "abc"),
    ("WEB_WORKERS", "0"),
    ("PORT", "eighty"),
    ("PORT", "99999"),
    ("WEB_HOST", "localhost:9000"),
    ("WEB_HOST", "unix:/tmp/socket"),
]


@pytest.mark.parametrize(("name", "value"), sampled(WRONG, [WRONG[0], WRONG[4]]))
@pytest.mark.parametrize("place", ["environment", "file"])
def test_the_web_process_names_a_wrong_variable_of_its_own_in_one_line(
    tmp_path: Path, name: str, value: str, place: str
) -> None:
    environment = dict(GOOD)
    if place == "file":
        (tmp_path / ".env").write_text(f"{name}={value}\n")
        # An empty variable does not override the file.
        environment |= {name: ""}
    else:
        environment |= {name: value}
    start = Start(tmp_path, "the Procfile's web line", environment)
    assert start.process.wait(60) == 1
    (line,) = start.log.read_text().splitlines()
    assert name in line


def test_the_web_process_listens_where_the_file_says(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / ".env").write_text(f"PORT={port}\nWEB_HOST=localhost\nWEB_WORKERS=1\n")
    start = Start(tmp_path, "the Procfile's web line", DEMO | {"PORT": ""})
    start.port = port
    try:
        until(lambda: start.process.poll() is not None or start.answers(), 60)
        assert start.process.poll() is None, start.log.read_text()
    finally:
        start.end()
