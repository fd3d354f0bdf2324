"""What a contestant of `make bench` is: how it is prepared and started, and the addresses at which users log in.

A contestant is started in the folder `ROOT`, with `environment` as its complete environment. It listens on
127.0.0.1, and is ready when `nothing` answers 200. All contestants share one Valkey, with separate database numbers.
"""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe

from config.environment import ROOT

USERS = 64
PASSWORD = "correct horse of the bench"  # noqa: S105
# The number of databases of Valkey, its option `--databases`.
STORE_DATABASES = 6
STOCK, EXPRESS, EXPRESS_BCRYPT = 3, 4, 5
# The CSRF cookie and header of a client: any 32 letters, as long as both are the same.
CSRF_TOKEN = "b" * 32
# Made once for this process: a credential stays valid when a contestant is restarted.
SECRETS = {name: token_urlsafe(48) for name in ("SECRET_KEY", "JWT_ACCESS_KEYS", "JWT_REFRESH_KEYS")}
SITE = "login.example.org"
# The headers of a browser, as a proxy in front of the site forwards them.
BEHIND_PROXY = {
    "Host": SITE,
    "Origin": f"https://{SITE}",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "203.0.113.7",
}


class CannotRun(Exception):
    """A contestant cannot be prepared. The message says why in one sentence."""


@dataclass(frozen=True)
class Place:
    """Where a contestant runs.

    `folder` holds everything that the contestant writes. Contestants with the same `result_key` may use one folder, one
    after the other. `store` is the Unix socket of its Valkey.
    """

    folder: Path
    store: Path
    port: int
    workers: int = 1


@dataclass(frozen=True)
class Flow:
    """One way to log in at one contestant. An address that the contestant does not have is "".

    `login`, `refresh` and `logout` take a POST. `login` takes JSON with `login_field` and `password`, and `access` is
    the name of the access token in its answer. The refresh token is in the cookie `refresh_cookie`, or in
    `refresh_field` of the answers, and then of the bodies of `refresh` and `logout` too. `csrf` names the cookie and
    the header that login and logout of a session need. A flow without a login uses the credentials of
    the variant `log_in_by`.
    """

    kind: str
    variant: str = ""
    login: str = ""
    whoami: str = ""
    profile: str = ""
    refresh: str = ""
    logout: str = ""
    login_field: str = "email"
    access: str = ""
    refresh_cookie: str = ""
    refresh_field: str = ""
    csrf: tuple[str, str] | None = None
    log_in_by: str = ""


@dataclass(frozen=True)
class Contestant:
    """A project or server that is compared.

    `headers` are sent with every request. `missing` returns why it cannot run on this machine, or "". `prepare` makes
    its database and users, once for a folder; the store must be running. It raises `CannotRun`. `beside` returns the
    commands of the processes that it needs besides `command`. `store_databases` are its database numbers, the one of
    the sessions first. The results name it by `result_key`.
    """

    key: str
    name: str
    note: str
    flows: tuple[Flow, ...]
    nothing: str
    prepare: Callable[[Place], None]
    command: Callable[[Place], list[str]]
    environment: Callable[[Place], dict[str, str]]
    headers: dict[str, str] = field(default_factory=lambda: dict(BEHIND_PROXY))
    missing: Callable[[], str] = lambda: ""
    beside: Callable[[Place], list[list[str]]] = lambda place: []
    store_databases: tuple[int, ...] = ()
    result_key: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "result_key", self.result_key or self.key)


def email(number: int) -> str:
    """The e-mail address, or user name, of user `number`: 0 to `USERS` - 1."""
    return f"user{number}@example.com"


def of_this_machine() -> dict[str, str]:
    """The variables that every contestant takes from the environment of this process."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def run(contestant_environment: dict[str, str], *command: str) -> None:
    """Runs a command that prepares a contestant. Raises `CannotRun` with the end of its output if it fails."""
    done = subprocess.run(
        command, cwd=ROOT, env=contestant_environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise CannotRun(f"{' '.join(command[:4])} failed: {' '.join(done.stdout.split())[-300:]}")


def make_folder(place: Place) -> None:
    """Prepares a contestant that has no database."""
    place.folder.mkdir(parents=True, exist_ok=True)


def bare_environment(place: Place) -> dict[str, str]:
    """The environment of a server without a framework."""
    return {
        **of_this_machine(),
        "ENV_FILE": os.devnull,
        "NODE_ENV": "production",
        "PORT": str(place.port),
        "WEB_WORKERS": str(place.workers),
    }
