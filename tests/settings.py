"""The site's own settings with an environment that is made here, so that no `.env` changes what a test sees."""

import atexit
import os
import secrets
import shutil
import tempfile
from pathlib import Path

# A disk that stalls for longer than a store is waited for makes a 503 of any test: in memory, nothing waits for one.
MEMORY, ENOUGH = Path("/dev/shm"), 4 * 2**30  # noqa: S108
if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH:
    tempfile.tempdir = os.environ["TMPDIR"] = str(MEMORY)

for name in ("REDIS_URL", "DATABASE_URL", "EMAIL_URL", "TRUSTED_PROXIES", "DEFAULT_FROM_EMAIL", "DEMO"):
    os.environ.pop(name, None)
os.environ.update(
    ENV_FILE=os.devnull,
    SECRET_KEY=secrets.token_urlsafe(48),
    JWT_ACCESS_KEYS=secrets.token_urlsafe(48),
    JWT_REFRESH_KEYS=secrets.token_urlsafe(48),
    DEMO="1",
    ALLOWED_HOSTS="localhost,127.0.0.1,[::1]",
    SITE_URL="http://localhost",
    # No server listens there: what happens to run on this machine must not change what a test sees.
    RANGE_PORT="1",
    SERVICES_PORT="3",
    # Short: the path of a Unix socket has at most 107 bytes.
    VAR_DIR=tempfile.mkdtemp(prefix="site-"),
)
# Every process that reads these settings makes a folder: test workers, their controller, the type checker.
atexit.register(shutil.rmtree, os.environ["VAR_DIR"], ignore_errors=True)
if "PREPARED_FOLDER" not in os.environ:
    # The controller's, which its workers inherit: see `Prepared` in tests/running.py.
    os.environ["PREPARED_FOLDER"] = tempfile.mkdtemp(prefix="prepared-")
    atexit.register(shutil.rmtree, os.environ["PREPARED_FOLDER"], ignore_errors=True)

from config.settings import *  # noqa: E402, F403

# Hashed names need `collectstatic`; the tests against the running site have them.
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"  # noqa: F405
STATIC_ROOT.mkdir(parents=True)  # noqa: F405
