"""Which package may import which, read from the import statements."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.config.test_settings import GOOD
from tests.running import ROOT

APPS = (
    *("config", "accounts", "security", "sessions_demo", "jwt_demo", "lab", "notes"),
    *("attack_range", "services", "benchmarks"),
)
MAY_IMPORT = {
    "config": {"accounts", "security", "sessions_demo", "jwt_demo", "lab", "notes"},
    "accounts": {"security"},
    "security": set(),
    "sessions_demo": {"security"},
    "jwt_demo": {"security"},
    "notes": {"security", "sessions_demo", "jwt_demo"},
    "lab": {"accounts", "security", "sessions_demo", "jwt_demo"},
    "attack_range": {"accounts", "security", "sessions_demo", "jwt_demo"},
    # Two of its processes are the site, with settings that begin with the site's.
    "services": {"config", "accounts", "security", "sessions_demo", "jwt_demo"},
    "benchmarks": {"config", "accounts", "security", "sessions_demo", "jwt_demo"},
}


def imported(source: str) -> Iterator[str]:
    """The first word of each module that `source` imports, at whatever depth, also by name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("import_module", "__import__", "import_string")
        ):
            yield from (ast.unparse(argument).strip("'\"").partition(".")[0] for argument in node.args[:1])


def name_of(file: Path) -> str:
    """The name under which a module is imported."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def needed(source: str) -> Iterator[str]:
    """What may be the name of a module that `source` imports as soon as it is imported itself."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("app", APPS)
def test_no_app_imports_what_it_must_not_know(app: str) -> None:
    forbidden = set(APPS) - MAY_IMPORT[app] - {app} | {"tests"}
    for file in sorted((ROOT / app).rglob("*.py")):
        assert not forbidden & set(imported(file.read_text())), file.relative_to(ROOT)


@pytest.mark.parametrize("app", ["security", "sessions_demo", "jwt_demo"])
def test_what_works_with_any_user_model_names_the_app_of_ours_nowhere(app: str) -> None:
    """A string can lead there as well: a foreign key, a template, the name of a table."""
    for file in sorted((ROOT / app).rglob("*.py")):
        assert not re.search(r"\baccounts[./_]|`accounts`", file.read_text()), file.relative_to(ROOT)


def test_no_module_needs_itself_to_be_imported() -> None:
    """In a circle of imports, whether they work depends on which module is imported first."""
    files = {name_of(file): file for app in APPS for file in (ROOT / app).rglob("*.py")}
    needs = {name: set(needed(file.read_text())) & files.keys() - {name} for name, file in files.items()}
    assert needs["sessions_demo.lifecycle"] >= {"sessions_demo.store", "security.events"}
    TopologicalSorter(needs).prepare()  # raises CycleError


def test_the_main_process_cannot_reach_the_attack_range() -> None:
    for file in sorted((ROOT / "config").rglob("*.py")):
        assert "attack_range" not in file.read_text(), file


# How a process of the site comes to have its settings, and what it then imports.
SET_UP = "import django; django.setup()"
TRIES = {
    "after the settings": f"{SET_UP}; import attack_range",
    "a weak module": f"{SET_UP}; import attack_range.weak.replay",
    # The package has no settings to look at yet.
    "before the settings": f"import attack_range; {SET_UP}; import attack_range.weak.replay",
    "in the application": "import config.wsgi; import attack_range",
    "its addresses": f"{SET_UP}; from django.urls import resolve; resolve('/blank', 'attack_range.urls.victim')",
}


@pytest.mark.parametrize("way", TRIES)
def test_no_process_of_the_site_can_import_the_attack_range(tmp_path: Path, way: str) -> None:
    ended = with_the_settings_of_the_site(tmp_path, [sys.executable, "-c", TRIES[way]])
    assert "ImportError: The " in ended.stderr
    assert "python -m attack_range" in ended.stderr


def test_the_web_server_of_the_site_cannot_import_the_attack_range(tmp_path: Path) -> None:
    (tmp_path / "probe.py").write_text("from config.wsgi import application\nimport attack_range.weak.replay\n")
    gunicorn = str(Path(sys.executable).parent / "gunicorn")
    ended = with_the_settings_of_the_site(tmp_path, [gunicorn, "-c", "config/gunicorn.py", "--check-config", "probe"])
    assert "ImportError: The attack range is a process of its own" in ended.stdout + ended.stderr


def with_the_settings_of_the_site(folder: Path, command: list[str]) -> "subprocess.CompletedProcess[str]":
    """Runs a command that must fail."""
    ended = subprocess.run(command, cwd=ROOT, env=of_the_site(folder) | GOOD, capture_output=True, text=True)
    assert ended.returncode != 0, ended
    return ended


def of_the_site(folder: Path) -> dict[str, str]:
    """The environment of one of the site's processes, but for its secrets."""
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{folder}:{ROOT}", "ENV_FILE": os.devnull}
    return own | {"DJANGO_SETTINGS_MODULE": "config.settings", "VAR_DIR": str(folder)}


# Loads every address and every proof, because a name in a string can load a module too.
LOADED = """
import sys
import config.wsgi
from django.urls import get_resolver

assert get_resolver().reverse_dict and "lab.pages.gateway" in sys.modules and "lab.claims.proofs.gateway" in sys.modules
print([name for name in sys.modules if name.partition(".")[0] in ("services", "attack_range")])
"""


def test_the_site_runs_without_a_module_of_the_services(tmp_path: Path) -> None:
    """The site could import the services, unlike the attack range. Their settings would then change the site."""
    demo = of_the_site(tmp_path) | GOOD | {"DEMO": "1", "ALLOWED_HOSTS": "localhost", "SITE_URL": "", "EMAIL_URL": ""}
    ended = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, env=demo, capture_output=True, text=True)
    assert ended.stdout.splitlines()[-1:] == ["[]"], ended


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import lab.views", {"lab"}),
        ("def f():\n    from lab import views", {"lab"}),
        ("import os, lab as x", {"os", "lab"}),
        ("importlib.import_module('lab.views')", {"lab"}),
        ("from . import lab", set()),
        ("# import lab", set()),
    ],
)
def test_every_way_to_import_is_seen(source: str, found: set[str]) -> None:
    assert set(imported(source)) == found


def test_every_folder_of_code_is_one_of_the_apps() -> None:
    folders = {Path(file).parent.name for file in ROOT.glob("*/__init__.py")}
    assert folders - {"tests"} <= set(APPS)
