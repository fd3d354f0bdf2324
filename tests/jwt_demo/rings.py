"""A file of keys for one test. The process reads it, and looks at it each time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.utils import timezone
from pytest_django import Settings

from jwt_demo import key_rotation, key_writing, keys


def in_file(settings: Settings, path: Path, first: bool = True) -> Path:
    """Takes the keys out of the settings and uses the file. `first` makes a new file."""
    settings.JWT_ACCESS_KEYS = settings.JWT_REFRESH_KEYS = []
    settings.JWT_KEY_FILE, settings.JWT_KEYS_REREAD = str(path), 0
    if first:
        first_keys(path)
    return path


def first_keys(path: Path) -> None:
    """Makes the keys of a first start, even if logins depend on other keys."""
    now = timezone.now()
    key_writing.write(path, {kind: key_rotation.Plan.at_once(kind, None, now).after for kind in keys.SETTINGS})


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Changes the file in place, as an editor does."""
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def secrets_of(path: Path) -> list[str]:
    """All secrets of the file, as they are written and without their prefixes."""
    entries = [entry["secret"] for ring in json.loads(path.read_text()).values() for entry in ring]
    return entries + [keys.material(secret) for secret in entries]
