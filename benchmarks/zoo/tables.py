"""The tables of `make zoo`, which are the generated part of docs/gateways.md."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.report import markdown_table
from benchmarks.tables import Table
from benchmarks.zoo.cases import COLUMNS
from benchmarks.zoo.gateways import Gateway
from benchmarks.zoo.servers import GROUPS, MENDS

Faults = Mapping[tuple[str, str], str]
# A cell names at most so many cases. The second table names all of them.
FEW = 3


@dataclass(frozen=True)
class Line:
    """The result for one set-up or server."""

    name: str
    release: str
    faults: Faults
    # Only of a server: the faults that are left behind a strict gateway.
    behind: Faults | None = None

    @property
    def title(self) -> str:
        """The name, with the version after its first part."""
        program, comma, setting = self.name.partition(",")
        return f"{program} {self.release}{comma}{setting}"


def gateway_tables(lines: list[Line], gateways: list[Gateway]) -> str:
    """What failed, by group; then what arrived, and the setting that mends it."""
    at_a_glance = Table("", ("set-up", *COLUMNS), [(line.title, *cells(line.faults, COLUMNS)) for line in lines])
    passed = {line.name for line in lines if not any(line.faults.values())}
    by_name = {it.name: it for it in gateways}
    rows = []
    for line in lines:
        it = by_name[line.name]
        for group in COLUMNS:
            if arrived := in_words(line.faults, group):
                mend = it.mends.get(group, "none is known") if it.mended_by in passed else "none that passes"
                rows.append((line.title, group, arrived, mend))
    return "\n\n".join([markdown_table(at_a_glance), "#### What arrives, and what mends it", *_details(rows)])


def _details(rows: list[tuple[str, str, str, str]]) -> list[str]:
    columns = ("set-up", "group", "what arrives", "the setting that mends it")
    return [markdown_table(Table("", columns, rows))] if rows else ["Nothing fails."]


def server_tables(lines: list[Line], absent: dict[str, str], gateway: str) -> str:
    """What failed, by group, alone and through a strict gateway; then what the application saw."""
    groups = tuple(GROUPS)
    rows = [(line.title, *cells(line.faults, groups), count(line.behind)) for line in lines]
    found = [markdown_table(Table("", ("server", *groups, f"behind {gateway}"), rows))]
    seen = [
        (line.title, group, words, mend(line, group, lines, gateway))
        for line in lines
        for group in groups
        if (words := in_words(line.faults, group))
    ]
    if seen:
        columns = ("server", "group", "what the application sees", "what mends it")
        found += ["#### What the application sees, and what mends it", markdown_table(Table("", columns, seen))]
    return "\n\n".join([*found, *(f"{name} does not install here: `{why}`" for name, why in absent.items())])


def mend(line: Line, group: str, lines: list[Line], gateway: str) -> str:
    """What mends a group of a server. Only settings that passed the group are named."""
    setting, shown_by = MENDS.get((line.name, group), ("", ""))
    found = [setting for it in lines if it.name == shown_by and not in_words(it.faults, group)]
    found += [f"“{gateway}” in front"] if line.behind and not in_words(line.behind, group) else []
    return "; or ".join(found) or "none that passes"


def cells(faults: Faults, groups: tuple[str, ...]) -> list[str]:
    """For each group ✓, or the cases that failed."""
    found = []
    for group in groups:
        of = {name: said for (kind, name), said in faults.items() if kind == group}
        wrong = [name for name, said in of.items() if said]
        few = ", ".join(f"`{name}`" for name in wrong) if len(wrong) <= FEW else f"{len(wrong)} of {len(of)}"
        found.append(f"✗ {few}" if wrong else "✓")
    return found


def count(faults: Faults | None) -> str:
    """✓, or the groups and cases that failed; a dash if there was no need to try."""
    if faults is None:
        return "–"
    wrong = [f"{group}: `{name}`" for (group, name), said in faults.items() if said]
    return f"✗ {', '.join(wrong)}" if wrong else "✓"


def in_words(faults: Faults, group: str) -> str:
    """What went wrong in a group, each fault with its cases; "" if nothing did."""
    by_text: dict[str, list[str]] = {}
    for (kind, name), said in faults.items():
        if kind == group and said:
            by_text.setdefault(said, []).append(f"`{name}`")
    return "; ".join(f"{', '.join(names)}: {said}" for said, names in by_text.items())
