"""The comparison with others: what `make bench` measured, or how to measure it."""

import json
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage

from lab.pages import compare
from tests.benchmarks.conftest import results as results  # noqa: PLC0414  (a fixture)
from tests.benchmarks.conftest import written as written  # noqa: PLC0414  (a fixture)
from tests.conftest import Browser

PAGE = "/lab/compare/"


@pytest.fixture
def shown(
    results: Any, written: Callable[[Any], Path], browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], str]:
    """The page, with the current content of `results`."""

    def show() -> str:
        monkeypatch.setattr(compare, "RESULTS", written(results) / "results")
        return unescape(browser.get(PAGE).content.decode())

    return show


def test_the_page_says_what_was_measured(results: Any, shown: Callable[[], str]) -> None:
    page = shown()
    one = next(one for one in results["speed"] if one["contestant"] == "ours")
    assert f"<td>{one['rate']:,.0f}<br>{min(one['rates']):,.0f}–{max(one['rates']):,.0f}</td>" in page
    assert f"A whoami with a session takes {one['cpu']:,.0f} µs of processor time" in page
    assert "on A processor of a test, 2 cores, 24 GiB, Linux x86_64." in page
    assert (
        'src="/static/benchmarks/whoami.svg" alt="whoami. The fastest whoami with a session is that of Express' in page
    )
    one["cpu"] = 5000
    assert "A whoami with a session takes 5,000 µs of processor time" in shown()


def test_no_name_becomes_markup(results: Any, shown: Callable[[], str], browser: Browser) -> None:
    results["contestants"][0]["name"] = '"><script>'
    shown()
    assert "<script>" not in browser.get(PAGE).content.decode()


def test_a_script_gets_the_same_as_json(results: Any, shown: Callable[[], str], browser: Browser) -> None:
    shown()
    answer = browser.get(PAGE, headers={"Accept": "application/json"}).json()
    assert answer == json.loads((compare.RESULTS / "page.json").read_text())


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"tables": []}', b"\xff"])
def test_without_results_that_can_be_read_the_page_says_so(
    content: str | bytes | None, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "RESULTS", tmp_path)
    if content is not None:
        (tmp_path / "page.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    answer = browser.get(PAGE)
    assert answer.status_code == 200
    assert "<code>make bench</code>" in answer.content.decode()


def test_a_plot_that_was_not_collected_is_left_out(shown: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With hashed file names, as on the running site, asking for the URL of an unknown file is an error."""
    address = staticfiles_storage.url

    def of_what_was_collected(name: str) -> str:
        if name == "benchmarks/whoami.svg":
            raise ValueError(name)
        return address(name)

    monkeypatch.setattr(staticfiles_storage, "url", of_what_was_collected)
    page = shown()
    assert "whoami.svg" not in page
    assert "profile.svg" in page
