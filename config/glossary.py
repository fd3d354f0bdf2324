"""The words of the site: one list for its pages, its admin, its mails and its documents."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

FILE = Path(__file__).with_name("glossary.toml")


@dataclass(frozen=True)
class Term:
    """A word, the sentence that explains it, and the names that other projects use for the same thing."""

    name: str
    group: str
    says: str
    elsewhere: tuple[str, ...] = ()


@cache
def terms() -> dict[str, Term]:
    """All terms in the order of the file. The keys are the anchors on the page."""
    entries = tomllib.loads(FILE.read_text())
    return {key: Term(**entry | {"elsewhere": tuple(entry.get("elsewhere", ()))}) for key, entry in entries.items()}


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """`/glossary/`: every term with its sentence, in groups."""
    groups: dict[str, list[tuple[str, Term]]] = {}
    for key, term in terms().items():
        groups.setdefault(term.group, []).append((key, term))
    return render(request, "glossary.html", {"groups": groups.items()})
