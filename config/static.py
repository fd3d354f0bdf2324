"""Static files whose names contain a hash of their content, also in the imports of ES modules."""

import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from whitenoise.storage import CompressedManifestStaticFilesStorage

# A second viewer in Swagger's package, which this site does not use.
UNUSED = ["*/redoc/*", "redoc"]


class StaticStorage(CompressedManifestStaticFilesStorage):
    """With hashed names, a browser can cache a file for ever and still gets a changed file at once."""

    support_js_module_import_aggregation = True


def collect() -> None:
    """Collects the static files, but only if one has changed, because hashing and compressing take seconds."""
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
