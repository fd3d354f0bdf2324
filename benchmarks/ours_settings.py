"""The site's own settings, with another check of access tokens: a setting for which the site reads no variable."""

import os

from config.settings import *  # noqa: F403

JWT_REVOCATION = os.environ["BENCH_REVOCATION"]
