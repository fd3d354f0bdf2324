"""The site's settings with another `JWT_REVOCATION`, which the site does not read from the environment."""

import os

from config.settings import *  # noqa: F403

JWT_REVOCATION = os.environ["BENCH_REVOCATION"]
