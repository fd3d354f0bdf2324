"""The contestants that run on Node.js: Express with two kinds of password hash, and Node.js alone."""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.contestant import (
    EXPRESS,
    EXPRESS_BCRYPT,
    PASSWORD,
    SECRETS,
    USERS,
    Contestant,
    Flow,
    Place,
    bare_environment,
    make_folder,
    of_this_machine,
    run,
)

HERE = Path(__file__).parent
NODE = 18  # the one in Debian 12


def no_node() -> str:
    """Why Node.js cannot run here, or "" if it can."""
    if not shutil.which("node"):
        return "There is no node on the PATH."
    shown = subprocess.run(["node", "-v"], capture_output=True, text=True).stdout.strip()
    found = re.match(r"v(\d+)\.", shown)
    if found is None or int(found[1]) < NODE:
        return f"Node.js {NODE} or newer is needed; the one on the PATH is {shown or 'of no known version'}."
    return ""


def no_npm() -> str:
    """Why Express cannot run here, or "" if it can."""
    return no_node() or ("" if shutil.which("npm") else "There is no npm on the PATH.")


def install_packages() -> None:
    """Installs the packages of benchmarks/express/package-lock.json if that file has changed. Raises `CannotRun`."""
    folder = HERE / "express"
    installed = folder / "node_modules" / ".package-lock.json"
    with (folder / "package-lock.json").open() as lock:
        # npm empties the folder first. Without the lock, a second npm would remove what the first has just installed.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed.exists() and installed.stat().st_mtime >= os.fstat(lock.fileno()).st_mtime:
            return
        run(dict(os.environ), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder))
        installed.touch()


def _express_environment(place: Place, hasher: str, database: int) -> dict[str, str]:
    return {
        **of_this_machine(),
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
    run(environment(place) | users, "node", str(HERE / "express" / "users.js"))


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
BARE_NODE = Contestant(
    key="bare-node",
    name="Node.js alone",
    note="a function of three lines under node:http",
    flows=(),
    nothing="/",
    prepare=make_folder,
    command=lambda place: ["node", str(HERE / "bare" / "server.js")],
    environment=bare_environment,
    missing=no_node,
)
