"""The endpoints of the APIs as a table that needs no script, from the OpenAPI description."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator

from config.schema import SchemaView

# The name of each API, and where its addresses begin. A part whose app is not installed has no endpoints.
PARTS = (("Session API", "/session/"), ("Token API", "/jwt/"), ("Notes, with either", "/notes/"))
WORDS = {"session": "session cookie", "csrf": "CSRF token", "bearer": "access token"}


@dataclass(frozen=True)
class Endpoint:
    """What one method of an address does, in a sentence, and which credentials it needs."""

    method: str
    path: str
    does: str
    needs: str


@cache
def endpoints() -> dict[str, list[Endpoint]]:
    """The endpoints by the name of their API. They are found once, which takes most of a second."""
    with SchemaView.lock:
        paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]  # type: ignore[no-untyped-call]
    found = {name: list(_under(prefix, paths)) for name, prefix in PARTS}
    return {name: those for name, those in found.items() if those}


def _under(prefix: str, paths: dict[str, Any]) -> Iterator[Endpoint]:
    for path, methods in paths.items():
        if path.startswith(prefix):
            for method, operation in methods.items():
                does = operation["description"].partition(". ")[0].rstrip(".") + "."
                yield Endpoint(method.upper(), path, does, _needs(operation.get("security", [])))


def _needs(choices: list[dict[str, Any]]) -> str:
    """One of the choices is enough; a choice may take several credentials."""
    return ", or ".join(" and ".join(WORDS[name] for name in sorted(choice, reverse=True)) for choice in choices)
