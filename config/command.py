"""`python -m config.command prove C9`: a management command, with everything set up that it needs.

As `make run` does, on a fresh clone too. Beside a running site it uses that site's store; without one, a
store that lives as long as the command.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from environs import EnvError

from config import environment, run

# Seconds until a store must answer: it may have to read what it kept.
START = 20


def main(words: list[str]) -> None:
    """Prepares the site and runs the command; exits with its status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # A SIGTERM to this process must end the store too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        environment.take_env_file()
        run.write_env(environment.ENV_FILE)
        run.prepare()
    except (EnvError, ImproperlyConfigured) as error:
        sys.exit(str(error))
    with running_store():
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


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
