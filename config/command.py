"""`python -m config.command prove C9`: a management command, with everything set up that it needs.

As `make run` does, on a fresh clone too. Beside a running site it uses that site's store, attack range and services.
Without one it starts a store, and for the proofs what they ask, and ends all of it with the command.
"""

import http.client
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line, get_commands, load_command_class
from environs import EnvError
from honcho.environ import parse_procfile

from config import environment, run

# Seconds until a store must answer: it may have to read what it kept.
START = 20
# Seconds until what is started beside must: it makes databases at its first start. And those after which it is ended by
# force.
BESIDE_START, BESIDE_END = 60, 10


def main(words: list[str]) -> None:
    """Prepares the site and runs the command; exits with its status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # A SIGTERM to this process must end the store too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        environment.take_env_file()
        run.write_env(environment.ENV_FILE)
        run.prepare()
        beside = run.ports_beside()
    except (EnvError, ImproperlyConfigured) as error:
        sys.exit(str(error))
    with running_store(), ExitStack() as stack:
        for name in asked(words) & beside.keys():
            stack.enter_context(running_beside(name, beside[name]))
        execute_from_command_line(["manage.py", *words])


@contextmanager
def running_store() -> Iterator[None]:
    """A store that answers. Exits with the store's own sentence when there cannot be one."""
    if answers():
        yield
        return
    # In a session of its own, Ctrl-C does not end it under a command that is still at work.
    store = subprocess.Popen(
        [sys.executable, "-m", "config.store"], cwd=environment.ROOT, start_new_session=True, stdout=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + START
        while not answers():
            if store.poll() is not None or time.monotonic() > end:
                sys.exit("The store did not start.")
            time.sleep(0.05)
        yield
    finally:
        store.terminate()
        store.wait()


def answers() -> bool:
    """Whether the store that the settings name does."""
    from django_redis import get_redis_connection
    from redis.exceptions import RedisError

    try:
        return bool(get_redis_connection("default").ping())
    except RedisError:
        return False


def asked(words: list[str]) -> set[str]:
    """Which of those beside the site the command asks, as it says of these words itself."""
    app = get_commands().get(words[0]) if words else None
    command = load_command_class(app, words[0]) if isinstance(app, str) else app
    return set(getattr(command, "asks", lambda _: ())(words[1:]))


@contextmanager
def running_beside(name: str, port: int) -> Iterator[None]:
    """The attack range, or the services. Without them where they do not start: they have then said why."""
    if ANSWERS[name](port):
        yield
        return
    process = start_beside(name)
    try:
        end = time.monotonic() + BESIDE_START
        while process.poll() is None and time.monotonic() < end and not ANSWERS[name](port):
            time.sleep(0.1)
        yield
    finally:
        end_group(process)


def range_answers(port: int) -> bool:
    """Whether the range does, on this port."""
    return "cases" in json_at(port, "/api/cases", f"range.localhost:{port}")


def services_answer(port: int) -> bool:
    """Whether the gateway on this port does, and with it `auth` and a service behind it."""
    return "prices" in json_at(port, "/session/billing/prices", f"localhost:{port}")


ANSWERS: dict[str, Callable[[int], bool]] = {"range": range_answers, "services": services_answer}


def json_at(port: int, path: str, host: str) -> dict[str, object]:
    """What a server there answers, if it is an object in JSON; otherwise nothing."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
            connection.request("GET", path, headers={"Host": host})
            found = json.load(connection.getresponse())
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    return found if isinstance(found, dict) else {}


def start_beside(name: str) -> subprocess.Popen[bytes]:
    """Starts it by its line of the Procfile, but for the options there: no site starts beside it."""
    line = parse_procfile((environment.ROOT / "Procfile").read_text()).processes[name]
    command = [word for word in shlex.split(line) if not word.startswith("--")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # In a session of its own, so that all that it starts can be ended with it.
    return subprocess.Popen(  # noqa: S603
        command,
        cwd=environment.ROOT,
        env=os.environ | {"PATH": path},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(BESIDE_END)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
