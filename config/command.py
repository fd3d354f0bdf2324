"""`python -m config.command prove C9` runs a management command and sets up everything that it needs.

Works on a fresh clone, as `make run` does. If the site is running, the command uses its store, attack range and
services. Otherwise this starts a store, and the attack range and the services if the command needs them, and ends
them after the command.
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

# Seconds in which the store must answer after its start. It may have much to read from the disk.
START = 20
# Seconds in which the attack range or the services must answer after their start: the first start creates databases.
# And seconds in which they must end; then they are killed.
BESIDE_START, BESIDE_END = 60, 10


def main(words: list[str]) -> None:
    """Prepares the site and runs the command `words`. Exits with one sentence if the site cannot be prepared."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # So that a SIGTERM to this process ends the store too.
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
    """Starts a store, unless one answers already, and ends it afterwards. Exits if the store does not start."""
    if answers():
        yield
        return
    # In a process session of its own, so that Ctrl-C does not end it while the command still uses it.
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
    """Whether the store that the settings name answers."""
    from django_redis import get_redis_connection
    from redis.exceptions import RedisError

    try:
        return bool(get_redis_connection("default").ping())
    except RedisError:
        return False


def asked(words: list[str]) -> set[str]:
    """Which of "range" and "services" the command needs. A command says so in its method `asks`."""
    app = get_commands().get(words[0]) if words else None
    command = load_command_class(app, words[0]) if isinstance(app, str) else app
    return set(getattr(command, "asks", lambda _: ())(words[1:]))


@contextmanager
def running_beside(name: str, port: int) -> Iterator[None]:
    """Starts the attack range or the services, unless they answer already, and ends them afterwards.

    If they do not start, they have printed the reason, and the command runs without them.
    """
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
    """Whether the attack range answers on this port."""
    return "cases" in json_at(port, "/api/cases", f"range.localhost:{port}")


def services_answer(port: int) -> bool:
    """Whether the gateway answers on this port, and behind it `auth` and a service."""
    return "prices" in json_at(port, "/session/billing/prices", f"localhost:{port}")


ANSWERS: dict[str, Callable[[int], bool]] = {"range": range_answers, "services": services_answer}


def json_at(port: int, path: str, host: str) -> dict[str, object]:
    """The answer of a server on this port, if it is a JSON object; otherwise `{}`."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
            connection.request("GET", path, headers={"Host": host})
            found = json.load(connection.getresponse())
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    return found if isinstance(found, dict) else {}


def start_beside(name: str) -> subprocess.Popen[bytes]:
    """Runs its line of the Procfile without the options, because they make it wait for a site."""
    line = parse_procfile((environment.ROOT / "Procfile").read_text()).processes[name]
    command = [word for word in shlex.split(line) if not word.startswith("--")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # In a process session of its own, so that the processes that it starts can be ended with it.
    return subprocess.Popen(  # noqa: S603
        command,
        cwd=environment.ROOT,
        env=os.environ | {"PATH": path},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and the processes that it started. Kills them if they do not end in `BESIDE_END` seconds."""
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
