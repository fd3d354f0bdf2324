"""`python -m attack_range`: prepares the range and serves it until it is stopped.

With `--after-the-site` it first waits until the site beside it answers, for at most `preparation.SITE_WAIT` seconds.
"""

import os
import signal
import sys

# A child of the site's launcher would otherwise inherit the site's settings.
os.environ["DJANGO_SETTINGS_MODULE"] = "attack_range.settings"
# Playwright runs an event loop in the thread of the cases. Django would refuse database queries in such a thread.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

from attack_range import hosts, preparation
from attack_range.server import serve


def main() -> None:
    """Exits with a message of one sentence when the range must not or cannot start."""
    os.nice(10)  # otherwise a site that starts at the same time starts more slowly
    # Until gunicorn installs its own handlers, a SIGTERM would end this process without stopping the store.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        preparation.take_env_file()
        preparation.refuse_mistakes()
        if "--after-the-site" in sys.argv:
            preparation.wait_for_site()
        preparation.refuse_busy_ports()
        preparation.forget_site()
        with preparation.running_store():
            preparation.migrate()
            preparation.say(f"The attack range: {hosts.origin(hosts.RANGE)}/")
            serve()
    except (preparation.Refused, ValueError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
