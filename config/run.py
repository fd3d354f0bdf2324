"""`make run`: prepares a fresh clone, then runs the Procfile until Ctrl-C.

Each step skips what is already done, so a second start takes seconds.
"""

import os
import secrets
import socket
import sys
from pathlib import Path

import trustme
from django.core.exceptions import ImproperlyConfigured
from environs import EnvError
from honcho.environ import parse_procfile

from config import environment
from config.environment import ROOT
from config.processes import Processes

# The return codes after Ctrl-C and SIGTERM.
ASKED_TO_END = (130, 143)
# The lines of the Procfile that run only beside a demo.
BESIDE = ("range", "services")


def main() -> int:
    """Prepares and runs the site; returns the exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        environment.take_env_file()
        refuse_busy_port(environment.port())
        write_env(environment.ENV_FILE)
        beside = ports_beside()
        prepare()
    except (EnvError, ImproperlyConfigured) as error:
        sys.exit(str(error))
    greet(beside)
    return serve(beside)


def refuse_busy_port(port: int) -> None:
    """Exits with one sentence if this port is in use or reserved."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            sys.exit(f"Port {port} is reserved for root. Choose one above 1023: make run PORT=8000")
        except OSError:
            sys.exit(f"Port {port} is in use. Stop what listens there, or choose another: make run PORT={port + 1}")


def write_env(path: Path) -> None:
    """Makes a `.env` for a demo on this machine. If there is one, adds only a missing SECRET_KEY."""
    wanted = {"SECRET_KEY": secrets.token_urlsafe(48)}
    text = path.read_text() if path.exists() else ""
    if not text:
        wanted |= {"DEMO": "1", "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]"}
    present = {line.partition("=")[0].strip() for line in text.splitlines()}
    missing = [f"{name}={value}\n" for name, value in wanted.items() if name not in present | os.environ.keys()]
    if missing:
        path.touch(mode=0o600)
        path.write_text((text and text.rstrip("\n") + "\n") + "".join(missing))


def prepare() -> None:
    """Makes directories, keys, tables, static files and demo users. Exits if a store does not answer."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    from config import static
    from security import checks

    make_places()
    django.setup()
    refuse_silence()
    make_keys()
    checks.refuse_mistakes()
    call_command("migrate", verbosity=0, interactive=False)
    static.collect()
    if settings.HTTPS:
        certify(settings.VAR_DIR / "tls")
    if settings.DEMO:
        from accounts import demo

        demo.ensure_users()


def make_places() -> None:
    """Makes the folder and the database file. Exits with one sentence if they cannot be made."""
    from django.conf import settings

    from config import store, stores

    if len(os.fsencode(settings.STORE_SOCKET)) > store.LONGEST_SOCKET:
        sys.exit(f"VAR_DIR is too long for the path of a Unix socket; choose a shorter one: {settings.VAR_DIR}")
    try:
        settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
        if file := stores.sqlite_path(settings.DATABASES["default"]):
            file.touch(mode=0o600)
    except OSError as error:
        sys.exit(f"{error.filename} cannot be made ({error.strerror}): see VAR_DIR and DATABASE_URL.")


def refuse_silence() -> None:
    """Exits with one sentence if the database, or the Redis of REDIS_URL, does not answer."""
    from django.db import OperationalError, connection
    from django_redis import get_redis_connection
    from redis.exceptions import RedisError

    try:
        connection.ensure_connection()
        if os.environ.get("REDIS_URL"):
            get_redis_connection("default").ping()
    except (OperationalError, ImproperlyConfigured) as error:
        sys.exit(f"The database that DATABASE_URL names does not answer: {str(error).splitlines()[0]}")
    except RedisError as error:
        sys.exit(f"The store that REDIS_URL names does not answer: {error}")


def make_keys() -> None:
    """Makes the keys that sign tokens, if there are none. Exits with one sentence if the file cannot be used."""
    from jwt_demo import key_rotation, keys

    path = keys.key_file().path
    try:
        key_rotation.ensure_keys(path)
    except keys.UNREADABLE as error:
        sys.exit(f"JWT_KEY_FILE {path} cannot be used. {keys.reason(error)}")


def certify(folder: Path) -> None:
    """Makes a certificate for localhost, once, and the authority that signs it, which a browser can trust."""
    if not (folder / "site.pem").exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = trustme.CA(organization_name="made by make run HTTPS=1")
        issued = authority.issue_cert("localhost", "127.0.0.1", "::1")
        authority.cert_pem.write_to_path(str(folder / "authority.pem"))
        issued.private_key_pem.write_to_path(str(folder / "site.key"))
        for number, part in enumerate(issued.cert_chain_pems):
            part.write_to_path(str(folder / "site.pem"), append=number > 0)
    os.environ["TLS_FOLDER"] = str(folder)


def ports_beside() -> dict[str, int]:
    """The first ports of the attack range and of the services, by name, if they are to run. Only beside a demo."""
    from django.conf import settings

    ports = {}
    if settings.DEMO and environment.is_wanted("RANGE"):
        ports["range"] = environment.range_port()
    if settings.DEMO and environment.is_wanted("SERVICES"):
        ports["services"] = environment.services_port()
    return ports


def greet(beside: dict[str, int]) -> None:
    """Prints the addresses of the site and of what runs beside it, and the demo users."""
    from django.apps import apps
    from django.conf import settings

    from accounts.demo import USERS

    site = settings.SITE_URL
    print(f"\n  {site}/\n  {site}/admin/")
    if apps.is_installed("lab"):
        print(f"  {site}/claims/   claims about sessions and tokens, each with a proof to run")
    if "range" in beside:
        print(f"  http://range.localhost:{beside['range']}/   attacks in a browser, on weak code and on this project")
    if "services" in beside:
        print(f"  {site}/lab/gateway/   two services behind a gateway on port {beside['services']}")
    if settings.DEMO:
        print(f"  {site}/accounts/mail/   the mails that the demo does not send\n")
        for user in USERS:
            print(f"  {user.email:20} {user.password:20} {user.role}")
    print("\n  Ctrl-C ends everything.\n", flush=True)


def serve(beside: dict[str, int]) -> int:
    """Runs the Procfile. If a process of the site ends, all end. The end of one beside the site ends no other."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["PYTHONUNBUFFERED"] = "1"
    manager = Processes()
    left_out = {"store"} if os.environ.get("REDIS_URL") else set()
    left_out |= set(BESIDE) - beside.keys()
    for name, command in parse_procfile((ROOT / "Procfile").read_text()).processes.items():
        if name not in left_out:
            manager.add_process(name, command, cwd=str(ROOT), optional=name in BESIDE, direct=name == "web")
    manager.loop()
    # If a process ends by itself, even with status 0, the site is down.
    return 0 if manager.returncode in ASKED_TO_END else manager.returncode or 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
