"""Each room of the lab imports what its `__init__.py` says, and has a docstring that says what it is for."""

import ast
from pathlib import Path

import pytest

from tests.running import ROOT

# By the beginning of a module's name, the most exact one first: which modules of the lab it may import.
MAY_IMPORT = {
    "lab.tracing": ("lab.tracing",),
    "lab.claims.catalogue": (),
    "lab.claims.proofs": ("lab.tracing", "lab.claims", "lab.experiments"),
    "lab.claims": (
        "lab.tracing",
        "lab.claims.attacks",
        "lab.claims.catalogue",
        "lab.claims.evidence",
        "lab.claims.sandbox",
    ),
    "lab.experiments": ("lab.tracing", "lab.claims.evidence", "lab.claims.sandbox", "lab.experiments"),
    "lab.pages": ("lab.",),
}
ROOMS = ("tracing", "claims", "experiments", "pages")


def imports_of(path: Path) -> set[str]:
    """The modules of the lab that a file imports; `from lab.claims import sandbox` is `lab.claims.sandbox`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            is_package = (ROOT / node.module.replace(".", "/")).is_dir()
            found |= {f"{node.module}.{alias.name}" if is_package else node.module for alias in node.names}
    return {name for name in found if name.startswith("lab.")}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    files = sorted((ROOT / "lab" / room).rglob("*.py"))
    assert len(files) > 3
    for path in files:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        allowed = next(names for start, names in MAY_IMPORT.items() if module.startswith(start))
        assert {name for name in imports_of(path) if not name.startswith(allowed)} == set(), module


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for_and_what_it_may_import(room: str) -> None:
    said = ast.get_docstring(ast.parse((ROOT / "lab" / room / "__init__.py").read_text())) or ""
    assert "May import" in said
    assert "\n\n" not in said
