"""The scripts that an app serves to browsers, in whichever folder they are stored."""

from pathlib import Path

from django.contrib.staticfiles.finders import get_finders


def scripts_of(app: str) -> list[Path]:
    """The JavaScript files under `app/` among the static files, by name. Empty for an app without any."""
    found = {
        path: Path(storage.path(path))
        for finder in get_finders()
        for path, storage in finder.list([])
        if path.startswith(f"{app}/") and path.endswith(".js")
    }
    return [found[path] for path in sorted(found)]
