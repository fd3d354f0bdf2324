"""Static files under names that change with their content, ES module imports included."""

import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from whitenoise.storage import CompressedManifestStaticFilesStorage

# Swagger's package carries a second viewer that nothing here uses.
UNUSED = ["*/redoc/*", "redoc"]


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Hashed names let a browser keep a file for good and still get a new one at once."""

    support_js_module_import_aggregation = True


def collect() -> None:
    """Collects the files, if any has changed since the last time: hashing and compressing takes seconds."""
    stamp = Path(settings.STATIC_ROOT) / ".collected"
    now = _fingerprint()
    if stamp.exists() and stamp.read_text() == now:
        return
    call_command("collectstatic", verbosity=0, interactive=False, ignore_patterns=UNUSED)
    stamp.write_text(now)


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list(UNUSED):
            status = Path(storage.path(name)).stat()
            digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
