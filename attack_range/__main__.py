"""`python -m attack_range`: prepares the range and serves it until it is told to end.

With `--after-the-site` it first waits, for some seconds at most, until the site beside it answers.
"""

import os
import signal
import sys

# The launcher's children inherit the site's.
os.environ["DJANGO_SETTINGS_MODULE"] = "attack_range.settings"
# Playwright keeps an event loop in the thread of the cases; Django takes that for an async view and refuses to query.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

from attack_range import hosts, preparation
from attack_range.server import serve


def main() -> None:
    """Exits with one sentence where the range must not or cannot start."""
    os.nice(10)  # the site, which may be starting beside it, comes first
    # Until gunicorn has handlers of its own, a SIGTERM to this process must end the store too.
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
