"""What `make bench` compares: how each contestant is prepared and started, and the addresses at which users log in.

A contestant is started in the folder `ROOT`, with `environment` as its complete environment. It listens on
127.0.0.1, and is ready once `nothing` is answered with 200. All use one Valkey, each its own database numbers.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import quote

from config.environment import ROOT
from config.stores import DENYLIST, SESSIONS, TRACE

HERE = Path(__file__).parent
USERS = 64
PASSWORD = "correct horse of the bench"  # noqa: S105
# How many databases the one Valkey needs: its option `--databases`.
STORE_DATABASES = 6
STOCK, EXPRESS, EXPRESS_BCRYPT = 3, 4, 5
# What a client sends as the CSRF cookie and in the header: any 32 letters, as long as they are the same.
CSRF_TOKEN = "b" * 32
# Made once for this process: a credential from before a restart of a contestant is still good after it.
SECRETS = {name: token_urlsafe(48) for name in ("SECRET_KEY", "JWT_ACCESS_KEYS", "JWT_REFRESH_KEYS")}
# Keys for access tokens whose public half verifies, by their algorithm.
PAIRS = {"EdDSA": f"ed25519:{token_urlsafe(32)}", "ES256": f"es256:{token_urlsafe(32)}"}
SITE = "login.example.org"
# As a browser sends it and a proxy in front passes it on.
BEHIND_PROXY = {
    "Host": SITE,
    "Origin": f"https://{SITE}",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "203.0.113.7",
}
NODE = 18  # the one in Debian 12


class CannotRun(Exception):
    """A contestant that could not be prepared, and why, in one sentence."""


@dataclass(frozen=True)
class Place:
    """Where a contestant runs.

    `folder` takes everything that it writes. Contestants of one `result_key` may share it, one after the other: the
    second is prepared sooner. `store` is the Unix socket of the one Valkey.
    """

    folder: Path
    store: Path
    port: int
    workers: int = 1


@dataclass(frozen=True)
class Flow:
    """One way to log in at one contestant, with its addresses; "" where there is none.

    `login`, `refresh` and `logout` take a POST. `login` takes JSON with `login_field` and `password`, and `access` is
    the name of the access token in its answer. The refresh token is in the cookie `refresh_cookie`, or in
    `refresh_field` of the answers, and then of the bodies of `refresh` and `logout` too. `csrf` names the cookie and
    the header that login and logout of a session need. A flow without a login is for credentials of `log_in_by`,
    another variant.
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
    """One of those that are compared.

    `headers` goes with every request. `missing` says why it cannot run on this machine, "" if it can. `prepare` makes
    its database and users, once for a folder; the store must run. Raises `CannotRun`. `beside` is the commands of
    processes that it needs next to `command`. `store_databases` are its own, that of the sessions first. In the
    results it counts as `result_key`.
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
    """What user `number` logs in with, from 0 to `USERS`."""
    return f"user{number}@example.com"


def _of_this_machine() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def _run(contestant_environment: dict[str, str], *command: str) -> None:
    done = subprocess.run(
        command, cwd=ROOT, env=contestant_environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise CannotRun(f"{' '.join(command[:4])} failed: {' '.join(done.stdout.split())[-300:]}")


# ── This project ──────────────────────────────────────────────────────────────────────────────


def _ours_environment(place: Place, settings: str = "config.settings", **more: str) -> dict[str, str]:
    """As `.env.example` asks for it: https, a proxy in front, no demo."""
    return {
        **_of_this_machine(),
        **SECRETS,
        "DJANGO_SETTINGS_MODULE": settings,
        "ENV_FILE": os.devnull,
        "VAR_DIR": str(place.folder),
        "REDIS_URL": f"unix://{quote(str(place.store))}",
        "PORT": str(place.port),
        "WEB_WORKERS": str(place.workers),
        "DEMO": "0",
        "ALLOWED_HOSTS": SITE,
        "SITE_URL": f"https://{SITE}",
        "EMAIL_URL": "smtp://mail.example.org",
        "TRUSTED_PROXIES": "1",
        **more,
    }


def _demo_environment(place: Place) -> dict[str, str]:
    """As `make run` has it, but for the store, which is the one of all."""
    demo = {"DEMO": "1", "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]", "SITE_URL": "", "EMAIL_URL": "", "RANGE": "0"}
    return _ours_environment(place, **demo, TRUSTED_PROXIES="0")


def _prepare_ours(environment: Callable[[Place], dict[str, str]], place: Place) -> None:
    _run(environment(place), sys.executable, "-c", "from config import run; run.prepare()")
    _run(environment(place), sys.executable, "-m", "benchmarks.users")


def _ours_command(place: Place) -> list[str]:
    return [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py", "config.wsgi"]


def _housekeeping(place: Place) -> list[list[str]]:
    # Without it the denylist's lease runs out every three seconds, and requests write the list anew.
    return [[sys.executable, "manage.py", "housekeeping"]]


def _ours_flows(check: str) -> tuple[Flow, ...]:
    return (
        Flow(
            "session",
            login="/session/auth/login",
            whoami="/session/api/whoami",
            profile="/session/api/profile",
            logout="/session/auth/logout",
            csrf=("__Host-csrftoken", "X-CSRFToken"),
        ),
        Flow(
            "token",
            check,
            login="/jwt/auth/login",
            whoami="/jwt/api/whoami",
            profile="/jwt/api/profile",
            refresh="/jwt/auth/refresh",
            logout="/jwt/auth/logout",
            access="accessToken",
            refresh_cookie="__Host-refresh",
        ),
    )


def _ours(variant: str, **more: str) -> Contestant:
    """This project; with `more` in its environment for a variant, which needs a start of its own.

    Without, access tokens are signed with HS256, as those of the others are, and checked as the site does by default.
    """
    key = f"ours-{variant.lower()}" if more else "ours"

    def environment(place: Place) -> dict[str, str]:
        return _ours_environment(place, **more)

    return Contestant(
        key=key,
        name="This project",
        note="DEMO=0, gunicorn, 8 requests at once a worker; housekeeping beside it; a log line for each request",
        flows=_ours_flows(variant)[1:] if more else _ours_flows(variant),
        nothing="/healthz",
        prepare=partial(_prepare_ours, environment),
        command=_ours_command,
        environment=environment,
        beside=_housekeeping,
        store_databases=(SESSIONS, DENYLIST),
        result_key="ours",
    )


OURS_DEMO = Contestant(
    key="ours-demo",
    name="This project, demo",
    note="as `make run` starts it: DEMO=1, with the lab, which times every request",
    flows=_ours_flows("denylist"),
    nothing="/healthz",
    prepare=partial(_prepare_ours, _demo_environment),
    command=lambda place: [sys.executable, "-m", "config.run"],
    environment=_demo_environment,
    headers={"Host": "localhost", "Origin": "http://localhost"},
    store_databases=(SESSIONS, DENYLIST, TRACE),
)

# ── Stock Django ──────────────────────────────────────────────────────────────────────────────


def _stock_environment(place: Place) -> dict[str, str]:
    return {
        **_of_this_machine(),
        "DJANGO_SETTINGS_MODULE": "benchmarks.stock.settings",
        "SECRET_KEY": SECRETS["SECRET_KEY"],
        "HOST": SITE,
        "DATABASE_FILE": str(place.folder / "db.sqlite3"),
        "REDIS_URL": f"unix://{quote(str(place.store))}?db={STOCK}",
    }


def _prepare_stock(place: Place) -> None:
    place.folder.mkdir(parents=True, exist_ok=True)
    _run(_stock_environment(place), sys.executable, "manage.py", "migrate", "--verbosity", "0")
    _run(_stock_environment(place), sys.executable, "-m", "benchmarks.users")


def _stock_command(place: Place) -> list[str]:
    """gunicorn with as many threads and the same parser as this project has, and its own worker."""
    same = [
        "--worker-class",
        "gthread",
        "--threads",
        "8",
        "--preload",
        "--http-parser",
        "python",
        "--no-control-socket",
    ]
    here = ["--workers", str(place.workers), "--bind", f"127.0.0.1:{place.port}", "--no-control-socket"]
    return [sys.executable, "-m", "gunicorn", *same, *here, "benchmarks.stock.wsgi"]


STOCK_FLOWS = (
    Flow(
        "session",
        "DRF",
        login="/session/drf/login",
        whoami="/session/drf/whoami",
        profile="/session/drf/profile",
        logout="/session/drf/logout",
        login_field="username",
        csrf=("csrftoken", "X-CSRFToken"),
    ),
    Flow("session", "no DRF, no SQL", whoami="/session/whoami", log_in_by="DRF"),
    Flow("session", "no DRF", profile="/session/profile", log_in_by="DRF"),
    Flow(
        "token",
        "DRF",
        login="/token/login",
        whoami="/token/drf/whoami",
        profile="/token/drf/profile",
        refresh="/token/refresh",
        logout="/token/blacklist",
        login_field="username",
        access="access",
        refresh_field="refresh",
    ),
    Flow("token", "stateless", whoami="/token/stateless/whoami", log_in_by="DRF"),
    Flow("token", "no DRF, no SQL", whoami="/token/whoami", log_in_by="DRF"),
)
STOCK_DJANGO = Contestant(
    key="stock",
    name="Stock Django",
    note="contrib.sessions on django-redis, SimpleJWT with its blacklist, as their documentation says; gunicorn, 8 "
    "threads a worker",
    flows=STOCK_FLOWS,
    nothing="/healthz",
    prepare=_prepare_stock,
    command=_stock_command,
    environment=_stock_environment,
    store_databases=(STOCK,),
)

# ── Express ───────────────────────────────────────────────────────────────────────────────────


def no_node() -> str:
    """Why nothing of Node.js can run here, "" if it can."""
    if not shutil.which("node"):
        return "There is no node on the PATH."
    shown = subprocess.run(["node", "-v"], capture_output=True, text=True).stdout.strip()
    found = re.match(r"v(\d+)\.", shown)
    if found is None or int(found[1]) < NODE:
        return f"Node.js {NODE} or newer is needed; the one on the PATH is {shown or 'of no known version'}."
    return ""


def no_npm() -> str:
    """Why Express cannot run here, "" if it can."""
    return no_node() or ("" if shutil.which("npm") else "There is no npm on the PATH.")


def install_packages() -> None:
    """Installs what benchmarks/express/package-lock.json names, if it has changed since. Raises `CannotRun`."""
    folder = HERE / "express"
    installed = folder / "node_modules" / ".package-lock.json"
    with (folder / "package-lock.json").open() as lock:
        # npm empties the folder first: of two at once, one would remove what the other has just installed.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed.exists() and installed.stat().st_mtime >= os.fstat(lock.fileno()).st_mtime:
            return
        _run(dict(os.environ), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder))
        installed.touch()


def _express_environment(place: Place, hasher: str, database: int) -> dict[str, str]:
    return {
        **_of_this_machine(),
        "NODE_ENV": "production",
        "PORT": str(place.port),
        "WORKERS": str(place.workers),
        "HASH": hasher,
        "DATABASE_FILE": str(place.folder / "db.sqlite3"),
        "STORE_SOCKET": str(place.store),
        "STORE_DATABASE": str(database),
        "SESSION_SECRET": SECRETS["SECRET_KEY"],
        "ACCESS_TOKEN_SECRET": SECRETS["JWT_ACCESS_KEYS"],
        "REFRESH_TOKEN_SECRET": SECRETS["JWT_REFRESH_KEYS"],
    }


def _prepare_express(environment: Callable[[Place], dict[str, str]], place: Place) -> None:
    install_packages()
    place.folder.mkdir(parents=True, exist_ok=True)
    users = {"USERS": str(USERS), "PASSWORD": PASSWORD}
    _run(environment(place) | users, "node", str(HERE / "express" / "users.js"))


def _express_token_flow(variant: str, prefix: str) -> Flow:
    return Flow(
        "token",
        variant,
        login=f"{prefix}/login",
        whoami=f"{prefix}/whoami",
        profile=f"{prefix}/profile",
        refresh=f"{prefix}/refresh",
        logout=f"{prefix}/logout",
        access="accessToken",
        refresh_field="refreshToken",
    )


EXPRESS_SESSION = Flow(
    "session",
    login="/session/login",
    whoami="/session/whoami",
    profile="/session/profile",
    logout="/session/logout",
)


def _express(key: str, name: str, note: str, flows: tuple[Flow, ...], hasher: str, database: int) -> Contestant:
    environment = partial(_express_environment, hasher=hasher, database=database)
    return Contestant(
        key=key,
        name=name,
        note=note,
        flows=flows,
        nothing="/healthz",
        prepare=partial(_prepare_express, environment),
        command=lambda place: ["node", str(HERE / "express" / "server.js")],
        environment=environment,
        missing=no_npm,
        store_databases=(database,),
    )


EXPRESS_ARGON2 = _express(
    "express",
    "Express",
    "express-session on connect-redis, jsonwebtoken, SQLite by libsql; Argon2id with the parameters of this project",
    (
        EXPRESS_SESSION,
        _express_token_flow("string secret", "/jwt/string"),
        _express_token_flow("KeyObject", "/jwt/key"),
    ),
    "argon2",
    EXPRESS,
)
EXPRESS_WITH_BCRYPT = _express(
    "express-bcrypt",
    "Express, bcrypt",
    "the same with bcrypt at cost 10, as the usual tutorial has it: for the login alone, and weaker than Argon2id",
    (Flow("session", login="/session/login"),),
    "bcrypt",
    EXPRESS_BCRYPT,
)

# ── The servers alone ─────────────────────────────────────────────────────────────────────────


def _bare_environment(place: Place) -> dict[str, str]:
    return {
        **_of_this_machine(),
        "ENV_FILE": os.devnull,
        "NODE_ENV": "production",
        "PORT": str(place.port),
        "WEB_WORKERS": str(place.workers),
    }


def _make_folder(place: Place) -> None:
    place.folder.mkdir(parents=True, exist_ok=True)


BARE_GUNICORN = Contestant(
    key="bare-gunicorn",
    name="gunicorn alone",
    note="a WSGI function of three lines under this project's gunicorn",
    flows=(),
    nothing="/",
    prepare=_make_folder,
    command=lambda place: [*_ours_command(place)[:-1], "benchmarks.bare.wsgi"],
    environment=_bare_environment,
)
BARE_NODE = Contestant(
    key="bare-node",
    name="Node.js alone",
    note="a function of three lines under node:http",
    flows=(),
    nothing="/",
    prepare=_make_folder,
    command=lambda place: ["node", str(HERE / "bare" / "server.js")],
    environment=_bare_environment,
    missing=no_node,
)

CONTESTANTS: dict[str, Contestant] = {
    contestant.key: contestant
    for contestant in (
        _ours("denylist"),
        *(_ours(check, settings="benchmarks.ours_settings", BENCH_REVOCATION=check) for check in ("expiry", "version")),
        *(_ours(algorithm, JWT_ACCESS_KEYS=key) for algorithm, key in PAIRS.items()),
        OURS_DEMO,
        STOCK_DJANGO,
        EXPRESS_ARGON2,
        EXPRESS_WITH_BCRYPT,
        BARE_GUNICORN,
        BARE_NODE,
    )
}
