"""Writes the results of `make bench`: the numbers, the plots, the documents, and the data of the lab's page.

`python -m benchmarks.report` writes the rest again from the numbers in `latest.json`, without measuring.
"""

import json
import sys
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from benchmarks import plots as drawing
from benchmarks import progress
from benchmarks.sentences import caption, sentences
from benchmarks.tables import Results, Table, speed_table, tables

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
LEGEND = (
    "A full bar is this project's, a pale one another contestant's. The thin line goes from the slowest round to the "
    "fastest."
)
# The part of a document between these markers is generated.
BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"


def main() -> int:
    """Writes the plots and documents again. The exit status is 1 if there are no results to write them from."""
    try:
        write(dict(json.loads((RESULTS / "latest.json").read_text())))
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"There are no results that can be read ({error!r}). `make bench` makes them.", file=sys.stderr)
        return 1
    return 0


def write(results: Results, folder: Path = RESULTS, documents: Path = ROOT) -> None:
    """Writes the results and the plots into `folder`, and the tables into the project's `documents`.

    `page.json` is for the lab's page, which may not import this package. Raises `ValueError` if a document does not
    have its markers, and `KeyError` if the results are incomplete. Nothing is written then.
    """
    files = {folder / file: picture for file, picture in plots(results).items()}
    files[folder / "latest.json"] = as_lines(results)
    files[folder / "page.json"] = json.dumps(page(results), indent=1, ensure_ascii=False) + "\n"
    for name, generated in (("docs/benchmarks.md", markdown(results)), ("README.md", summary(results))):
        files[documents / name] = between_markers((documents / name).read_text(), generated)
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    for path, content in files.items():
        path.write_text(content)


def plots(results: Results) -> dict[str, str]:
    """The SVG of each plot, by the name of its file."""
    return {plot.file: drawing.svg(plot) for plot in drawing.plots(results)}


def as_lines(results: Results) -> str:
    """JSON with one row on each line, so that a diff of two runs is readable."""
    parts = []
    for key, value in results.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value:
            text = "[\n  " + ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in value) + "\n ]"
        parts.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def page(results: Results) -> dict[str, Any]:
    """The data of the lab's page, as texts that a template can show unchanged."""
    return {
        "command": results["command"],
        "caption": caption(results),
        "legend": LEGEND,
        "sentences": sentences(results),
        "plots": [
            {"file": plot.file, "title": plot.title, "alt": plot.finding, "height": plot.height}
            for plot in drawing.plots(results)
        ],
        "tables": [asdict(table) for table in tables(results)],
    }


def markdown(results: Results) -> str:
    """The generated part of docs/benchmarks.md: the meaning of the numbers, the plots, the tables."""
    shown = page(results)
    return "\n\n".join(
        [
            *(text(line) for line in shown["caption"]),
            "### What the numbers mean",
            "\n".join(f"- {text(sentence)}" for sentence in shown["sentences"]),
            "### Before and after",
            text(progress.caption(results)),
            markdown_table(progress.table(results)),
            "### Plots",
            LEGEND,
            *(_picture(plot) for plot in shown["plots"]),
            "### Tables",
            *(f"#### {text(_sentence_case(table.title))}\n\n{markdown_table(table)}" for table in tables(results)),
        ]
    )


def summary(results: Results) -> str:
    """The generated part of the README: `whoami` in both flows, and how it was measured."""
    found = [speed_table(results, "whoami", flow) for flow in ("session", "token")]
    return "\n\n".join(
        [
            *(f"{_sentence_case(table.title)}:\n\n{markdown_table(table)}" for table in found if table.rows),
            " ".join(text(line) for line in caption(results)),
        ]
    )


def markdown_table(table: Table) -> str:
    """A Markdown table. Columns of numbers are aligned right. Several values of one cell are put in one line."""
    is_number = [all(cell[:1] in "0123456789–" for cell in column) for column in zip(*table.rows, strict=True)]
    lines = [table.columns, ["---:" if right else "---" for right in is_number], *table.rows]
    return "\n".join(f"| {' | '.join(text(cell) for cell in line)} |" for line in lines)


def text(value: str) -> str:
    """Escaped text. Otherwise a `|` in a name would begin a column, and a `<` an element."""
    return escape(" / ".join(value.split("\n")), quote=False).replace("|", "\\|")


def between_markers(document: str, generated: str, first: str = BEGIN, last: str = END) -> str:
    """`document` with `generated` between its two markers.

    Raises `ValueError` unless the document has each marker exactly once, and in this order: text of the document would
    be lost otherwise.
    """
    before, _, rest = document.partition(first)
    _, _, after = rest.partition(last)
    if document.count(first) != 1 or document.count(last) != 1 or rest.count(last) != 1:
        raise ValueError(f"A document must have the markers {first} and {last} once each, in this order.")
    return f"{before}{first}\n\n{generated}\n\n{last}{after}"


def _picture(plot: dict[str, Any]) -> str:
    alt = escape(f"{plot['title']}. {plot['alt']}")
    return f'<img src="../benchmarks/results/{escape(plot["file"])}" width="100%" alt="{alt}">'


def _sentence_case(title: str) -> str:
    return title[:1].upper() + title[1:] if not title.startswith("whoami") else title


if __name__ == "__main__":
    raise SystemExit(main())
