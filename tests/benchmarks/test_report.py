"""Tables, plots, sentences and documents say what was measured."""

import json
import platform
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import plots, report
from benchmarks.sentences import caption, sentences
from benchmarks.tables import number, tables
from tests.benchmarks.conftest import SAMPLE
from tests.running import ROOT

SVG = "{http://www.w3.org/2000/svg}"
LATEST = report.RESULTS / "latest.json"


def row(results: Any, **wanted: Any) -> Any:
    return next(one for one in results["speed"] if wanted.items() <= one.items())


def swap(results: Any, one: str, other: str) -> None:
    """Gives each of two contestants the numbers of the other, where each has one row."""
    for key in ("rates", "rate", "ratio", "cpu", "p50", "p95", "p99"):
        first, second = (row(results, operation="whoami", flow="session", contestant=name) for name in (one, other))
        first[key], second[key] = second[key], first[key]


def bars(text: str) -> list[float]:
    found = ElementTree.fromstring(text).iter(f"{SVG}rect")  # noqa: S314
    return [float(bar.attrib["width"].rstrip("%")) for bar in found if "bar" in bar.get("class", "").split()]


def test_the_tables_hold_these_very_numbers(results: Any) -> None:
    found = {table.title: {cells[0]: cells[1:] for cells in table.rows} for table in tables(results)}
    for one in results["speed"]:
        if one["contestant"] == "ours" and one["operation"] != "nothing":
            name = "This project" + (f" ({one['variant']})" if one["variant"] else "")
            speed, ratios, times, cpu = found[f"{one['operation']} with a {one['flow']}"][name]
            assert speed == f"{number(one['rate'])}\n{number(min(one['rates']))}–{number(max(one['rates']))}"
            assert times == "\n".join(number(one[key]) for key in ("p50", "p95", "p99"))
            lowest, highest = min(one["ratios"]), max(one["ratios"])
            assert ratios == f"{number(one['ratio'])}\n{number(lowest)}–{number(highest)}"
            assert cpu == number(one["cpu"])
    assert found["memory of the fullest worker"]["This project"] == ("62.1", "112")
    assert found["what a login keeps in Valkey"]["This project"] == ("session", "512")
    assert found["a turn of housekeeping"]["1,000,000"] == ("2,940", "24.3")
    assert len(found["requests a second as the tables grow"]) == 5
    assert found["64 logins at once"]["Stock Django"] == ("5.10\n14.0", "310\n2,100\n150", "4.60\n0\n239")
    assert found["two workers"]["Express: whoami with a session"][1:] == (number(results["workers"][2]["two"]), "1.66")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0, "0.00"), (0.534, "0.53"), (15.16, "15.2"), (999.6, "1,000"), (12345.6, "12,346")],
)
def test_a_number_has_three_digits_or_more(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_a_row_of_the_document_has_them_too(results: Any) -> None:
    one = row(results, operation="whoami", flow="session", contestant="ours")
    times = " / ".join(number(one[key]) for key in ("p50", "p95", "p99"))
    rates = f"{number(one['rate'])} / {number(min(one['rates']))}–{number(max(one['rates']))}"
    line = f"| This project | {rates} | 1.00 / 1.00–1.00 | {times} | {number(one['cpu'])} |"
    assert line in report.markdown(results).splitlines()
    assert line in report.summary(results).splitlines()


def test_a_plot_is_well_formed_and_its_bars_are_proportional(results: Any) -> None:
    pictures = report.plots(results)
    assert {"whoami.svg", "profile.svg", "login.svg", "refresh.svg", "growth.svg", "memory.svg"} == pictures.keys()
    for plot in plots.plots(results):
        values = [bar.value for group in plot.groups.values() for bar in group]
        lengths = bars(pictures[plot.file])
        assert len(lengths) == len(values)
        assert max(lengths) <= plots.LONGEST
        for length, value in zip(lengths, values, strict=True):
            assert length / max(lengths) == pytest.approx(value / max(values), abs=0.001), plot.file


def test_a_plot_says_in_words_what_it_shows(results: Any) -> None:
    picture = ElementTree.fromstring(report.plots(results)["whoami.svg"])  # noqa: S314
    ids = [element.get("id") for element in picture if element.tag in (f"{SVG}title", f"{SVG}desc")]
    assert picture.attrib["aria-labelledby"].split() == ids
    said = picture.findtext(f"{SVG}desc") or ""
    fastest = row(results, operation="whoami", flow="session", contestant="express")
    assert f"that of Express: {number(fastest['rate'])} a second; this project answers" in said
    assert f"The ratio is {number(fastest['ratio'])}." in said


def test_a_plot_has_the_colours_of_the_site() -> None:
    stylesheet = (ROOT / "static" / "site.css").read_text()
    for name, (light, dark) in plots.COLOURS.items():
        assert f"--{name}: light-dark({light}, {dark});" in stylesheet


def test_no_name_becomes_markup_or_a_column(results: Any) -> None:
    results["contestants"][0]["name"] = "This </text><script> | & project"
    for picture in report.plots(results).values():
        ElementTree.fromstring(picture)  # noqa: S314
        assert "<script" not in picture
    document = report.markdown(results)
    assert "<script" not in document
    rows = [line for line in document.splitlines() if line.startswith("| This &lt;/text&gt;&lt;script&gt; \\| &amp;")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} >= {3, 6}


def test_the_sentences_follow_the_numbers(results: Any) -> None:
    before = sentences(results)
    mine, theirs = (row(results, operation="whoami", flow="session", contestant=name) for name in ("ours", "express"))
    times = f"{number(mine['cpu'] / theirs['cpu'])} times that of Express"
    said = f"A whoami with a session takes {number(mine['cpu'])} µs of processor time: {times},"
    assert before[0].startswith(said)
    swap(results, "ours", "express")
    turned = f"{number(mine['cpu'] / theirs['cpu'])} times that of Express"
    assert turned != times
    assert turned in sentences(results)[0]
    assert "The fastest whoami with a session is that of this project" in report.plots(results)["whoami.svg"]


def test_what_slows_down_most_is_named_whatever_the_size_and_nothing_else(results: Any) -> None:
    worst = "with 1,000,000 rows it answers 86% of the requests a second that it answers with 1,000."
    assert f"A refresh with a token slows down most in this project: {worst}" in sentences(results)
    for one in results["growth"]:
        one["rate"] = 100 - (one["rows"] == 100_000) * 40
    dip = "A whoami with a session slows down most in stock Django: with 100,000 rows it answers 60%"
    assert [sentence for sentence in sentences(results) if sentence.startswith(dip)]
    for one in results["growth"]:
        one["rate"] = 100 + one["rows"] / 1e6
    said = " ".join(sentences(results))
    assert "With more rows than 1,000, this project answers about as many requests a second, or more." in said
    assert "slows down" not in said
    results["growth"] = results["growth"][:1]
    assert "With more rows" not in " ".join(sentences(results))


def test_without_a_second_round_or_processor_time_nothing_is_said_of_them(results: Any) -> None:
    for one in results["speed"]:
        one["rates"], one["cpu"] = one["rates"][:1], None
    said = " ".join(sentences(results))
    assert "Rounds of the same measurement" not in said
    assert "processor time" not in said


def test_a_weaker_hash_is_never_the_fastest(results: Any) -> None:
    row(results, operation="login", contestant="express-bcrypt")["rate"] = 1e6
    (login,) = [table for table in tables(results) if table.title == "login with a session"]
    assert login.rows[-1][0] == "Express, bcrypt"
    assert "The fastest login with a session is that of Express:" in report.plots(results)["login.svg"]


def test_it_is_said_where_how_and_without_whom(results: Any) -> None:
    results["skipped"] = [{"key": "express", "reason": "There is no node on the PATH."}]
    said = " ".join(caption(results))
    assert "“make bench” on 26 Nov 2026, 16:40 UTC, in 14 minutes" in said
    assert "In each of 3 rounds" in said
    assert "16 connections for 3 s each" in said
    assert "Not measured: Express. There is no node on the PATH." in said
    for part, release in results["versions"].items():
        assert f"{part} {release}" in said


@pytest.mark.parametrize("part", ["speed", "memory", "stored", "growth", "housekeeping", "flood"])
def test_what_was_not_measured_is_left_out(results: Any, part: str) -> None:
    del results[part]
    report.page(results)
    assert report.plots(results | {"memory": [{"contestant": "ours", "workers": 1, "before": 1, "after": 2}]})


def test_writing_keeps_the_prose_and_ends_old_plots(results: Any, written: Callable[[Any], Path]) -> None:
    folder = written(results)
    (folder / "results" / "gone.svg").write_text("")
    written(results)
    document = (folder / "docs" / "benchmarks.md").read_text()
    assert document.startswith("# This project beside others")
    assert document.count(report.BEGIN) == document.count(report.END) == 1
    assert {path.name for path in (folder / "results").iterdir()} == {
        "latest.json",
        "page.json",
        *report.plots(results),
    }
    assert json.loads((folder / "results" / "latest.json").read_text()) == results
    assert (folder / "results" / "latest.json").read_text() == SAMPLE.read_text()
    for picture in re.findall(r'src="\.\./benchmarks/(\S+)"', document):
        assert (folder / picture).exists()


def test_a_document_without_its_markers_stops_it_before_anything_is_written(
    results: Any, written: Callable[[Any], Path], tmp_path: Path
) -> None:
    (tmp_path / "README.md").write_text("no markers")
    with pytest.raises(ValueError, match="markers"):
        written(results)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("document", ["a", "a b a b", "a b b", "a a b", "b a", "b a b"])
def test_a_marker_that_is_missing_repeated_or_out_of_order_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match="once each"):
        report.between_markers(document, "new", "a", "b")
    assert report.between_markers("1 a old b 2", "new", "a", "b") == "1 a\n\nnew\n\nb 2"


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"speed": []}'])
def test_without_results_that_can_be_read_the_command_says_so(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    if content is not None:
        (tmp_path / "latest.json").write_text(content)
    assert report.main() == 1
    assert "`make bench` makes them" in capsys.readouterr().err


def test_the_documents_and_plots_are_those_of_the_results() -> None:
    """Otherwise the documents could have numbers that were not measured."""
    results = json.loads(LATEST.read_text())
    for name, generated in (("docs/benchmarks.md", report.markdown(results)), ("README.md", report.summary(results))):
        document = (ROOT / name).read_text()
        assert report.between_markers(document, generated) == document
    assert json.loads((report.RESULTS / "page.json").read_text()) == json.loads(json.dumps(report.page(results)))
    assert {path.name: path.read_text() for path in report.RESULTS.glob("*.svg")} == report.plots(results)


def test_the_results_name_no_machine() -> None:
    text = LATEST.read_text()
    assert json.loads(text)["machine"].keys() == {"processor", "cores", "memory", "system"}
    assert platform.node() not in text
    assert not re.search(r'[" ]/(home|root|tmp|work|var|Users)\b', text)
