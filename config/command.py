"""`python -m config.command prove C9`: a management command, with everything set up that it needs.

As `make run` does, on a fresh clone too. Beside a running site it uses that site's store and attack range. Without
one it starts a store, and for the proofs a range, and ends them with the command.
"""

import http.client
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line, get_commands, load_command_class
from environs import EnvError
from honcho.environ import parse_procfile

from config import environment, run

# Seconds until a store must answer: it may have to read what it kept.
START = 20
# Seconds until the range must: it makes its database at its first start. And those after which it is ended by force.
RANGE_START, RANGE_END = 60, 10


def main(words: list[str]) -> None:
    """Prepares the site and runs the command; exits with its status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # A SIGTERM to this process must end the store too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        environment.take_env_file()
        run.write_env(environment.ENV_FILE)
        run.prepare()
        beside = run.range_port()
    except (EnvError, ImproperlyConfigured) as error:
        sys.exit(str(error))
    with running_store(), running_range(beside, words):
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


@contextmanager
def running_range(port: int | None, words: list[str]) -> Iterator[None]:
    """The attack range, for a command that asks it. Without one where it does not start: it has then said why."""
    if port is None or not asks_range(words) or range_answers(port):
        yield
        return
    process = start_range()
    try:
        end = time.monotonic() + RANGE_START
        while process.poll() is None and time.monotonic() < end and not range_answers(port):
            time.sleep(0.1)
        yield
    finally:
        end_group(process)


def asks_range(words: list[str]) -> bool:
    """Whether the command is one that asks the range, and says that these words do."""
    app = get_commands().get(words[0]) if words else None
    command = load_command_class(app, words[0]) if isinstance(app, str) else app
    return bool(getattr(command, "asks_range", lambda _: False)(words[1:]))


def range_answers(port: int) -> bool:
    """Whether the range does, on this port."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
            connection.request("GET", "/api/cases", headers={"Host": f"range.localhost:{port}"})
            return "cases" in json.load(connection.getresponse())
    except (OSError, ValueError, http.client.HTTPException):
        return False


def start_range() -> subprocess.Popen[bytes]:
    """Starts it by the Procfile's line, but for the options there: no site starts beside it."""
    line = parse_procfile((environment.ROOT / "Procfile").read_text()).processes["range"]
    command = [word for word in shlex.split(line) if not word.startswith("--")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # In a session of its own, so that its store and its Chromium can be ended with it.
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
            process.wait(RANGE_END)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
