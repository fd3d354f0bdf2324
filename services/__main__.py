"""`python -m services`: starts the gateway and the processes behind it, and stops them when it is stopped.

With `--after-the-site` it first waits until the site beside it answers, for at most `SITE_WAIT` seconds.
"""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import django
from django.core.exceptions import ImproperlyConfigured

from services import gateway
from services.places import HOST, PORTS, SERVICES, WORKERS, Places

# Seconds to wait for the site, and for the processes to end after SIGTERM, before they are killed.
SITE_WAIT, END = 10, 2
PR_SET_PDEATHSIG = 1
# The variables that the services need. The others may hold secrets of the site.
NEEDED = ("PATH", "HOME", "LANG", "TZ", "PORT", "SERVICES_PORT", "VAR_DIR", "LD_PRELOAD", "FAKETIME", "PYTHONPATH")


def main() -> None:
    """Exits with a message of one sentence when the services must not or cannot start."""
    os.nice(10)  # otherwise a site that starts at the same time starts more slowly
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    from config import environment

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        environment.take_env_file()
        places = Places.of_environment()
        if "--after-the-site" in sys.argv:
            wait_for_site()
        refuse_outside_demo()
        refuse_busy_ports(places)
        with only_here(places):
            run(places, gateway.command(places))
    except (ValueError, ImproperlyConfigured) as error:
        sys.exit(str(error))


def refuse_outside_demo() -> None:
    """Raises `ValueError` outside the demo, because the services write headers of requests to log files.

    Raises `ImproperlyConfigured` for settings with which the site would not start either.
    """
    from django.conf import settings

    from security import checks

    if not settings.DEMO:
        raise ValueError("The services are part of the demo only. Set DEMO=1, or turn the services off: SERVICES=0")
    django.setup()
    checks.refuse_mistakes()


@contextmanager
def only_here(places: Places) -> Iterator[None]:
    """Locks the folder for these processes. Raises `ValueError` when other services use it.

    Two sets of services in one folder would replace each other's socket of `auth`.
    """
    places.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (places.folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"Other services run in {places.folder}. Stop them, or choose another VAR_DIR.") from None
        yield


def refuse_busy_ports(places: Places) -> None:
    """Raises `ValueError`, which names the port, when one of the ports is in use."""
    for name in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, places.port(name)))
            except OSError:
                says = f"Port {places.port(name)}, for the {name} of the services, is in use."
                raise ValueError(f"{says} Choose another SERVICES_PORT, or turn the services off: SERVICES=0") from None


def wait_for_site() -> None:
    """Returns when the site's port accepts connections, or after `SITE_WAIT` seconds.

    On a machine with one core the site would otherwise start more slowly.
    """
    address = (os.environ.get("WEB_HOST") or HOST).strip("[]"), int(os.environ.get("PORT") or 8000)
    end = time.monotonic() + SITE_WAIT
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(address, 1):
            return
        time.sleep(0.1)


def run(places: Places, gateway_command: gateway.Command) -> None:
    """Starts all processes, and stops them when this process ends. When one of them ends, the others go on."""
    children = {name: start_python(name) for name in ("auth", *SERVICES, *WORKERS)}
    children["gateway"] = start(*gateway_command)
    print(f"The services: {places.url('gateway')}/", flush=True)
    try:
        while children:
            time.sleep(0.2)
            for name, child in list(children.items()):
                if child.poll() is not None:
                    print(f"{name} ended (rc={child.returncode})", flush=True)
                    del children[name]
    finally:
        end_all(list(children.values()))


def start_python(name: str) -> "subprocess.Popen[bytes]":
    """Starts one of the Python processes. `orders` and `billing` do not get the secrets in the site's environment."""
    command = [sys.executable, "-m", "gunicorn", "--config", "services/gunicorn.py", "services.wsgi"]
    environment = of_the_services() if name in SERVICES else dict(os.environ)
    return start(command, environment | {"SERVICE": name})


def of_the_services() -> dict[str, str]:
    """The environment of `orders` and `billing`: no secret, and the issuer and audience of the site's access tokens."""
    from django.conf import settings

    found = {name: os.environ[name] for name in NEEDED if name in os.environ}
    claims = {"TOKEN_ISSUER": "ISSUER", "TOKEN_AUDIENCE": "AUDIENCE"}
    return found | {name: str(settings.SIMPLE_JWT[claim]) for name, claim in claims.items()}


def start(command: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Starts a process that ends when this one ends, even when this one is killed."""
    libc = ctypes.CDLL(None)
    # macOS has no `prctl`. There the Python processes end because gunicorn.py watches their parent.
    follow = partial(libc.prctl, PR_SET_PDEATHSIG, signal.SIGTERM) if hasattr(libc, "prctl") else None
    return subprocess.Popen(command, env=environment, preexec_fn=follow)  # noqa: S603


def end_all(children: list["subprocess.Popen[bytes]"]) -> None:
    """Sends SIGTERM to all of them, and kills those that have not ended after `END` seconds."""
    for child in children:
        child.terminate()
    end = time.monotonic() + END
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(max(0.1, end - time.monotonic()))
        child.kill()
        child.wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
