"""The one list of words: `config/glossary.toml`, its page, its tag, and the texts that must use its words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.template import Context, Template

from config.glossary import terms
from tests.conftest import Browser

ROOT = Path(__file__).parents[2]
APPS = ("accounts", "attack_range", "config", "jwt_demo", "lab", "notes", "security", "services", "sessions_demo")
# Ways to say it that no other project has as a name.
AVOIDED = ("withdraw", "withdrawn", "withdraws", "take back", "taken back", "keep me signed in", "rides the login")
TEXT = {".html", ".txt", ".md", ".toml", ".js", ".py"}
TAG = re.compile(r"""{%\s*term\s+"([^"]+)""")


def texts() -> Iterator[tuple[str, str]]:
    """The path and text of everything that a user or a reader reads."""
    folders = [ROOT / name for name in (*APPS, "templates", "static", "docs")]
    files = [file for folder in folders for file in folder.rglob("*") if file.suffix in TEXT]
    for file in (*files, *ROOT.glob("*.md")):
        name = str(file.relative_to(ROOT))
        if "node_modules" in name or name in ("config/glossary.toml", "lab/claims/recorded.json"):
            continue
        yield name, _strings(file) if file.suffix == ".py" else file.read_text()


def _strings(file: Path) -> str:
    nodes = ast.walk(ast.parse(file.read_text()))
    return "\n".join(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def test_each_term_is_one_sentence_or_two_and_the_groups_stand_together() -> None:
    groups = [term.group for term in terms().values()]
    assert groups == sorted(groups, key=groups.index)
    assert [key for key, term in terms().items() if not re.fullmatch(r"[^.].{20,190}\.", term.says)] == []
    assert [key for key in terms() if not re.fullmatch("[a-z0-9-]+", key)] == []


def test_the_page_lists_every_term_at_its_anchor(db: None, browser: Browser) -> None:
    page = browser.get("/glossary/").content.decode()
    assert [key for key in terms() if page.count(f'<div id="{key}">') != 1] == []


def test_a_term_is_a_link_to_its_sentence() -> None:
    shown = Template('{% load glossary %}{% term "family" %} {% term "family" "families" %}').render(Context())
    link = f'<a class="term" href="/glossary/#family" title="{terms()["family"].says}">'
    assert shown == f"{link}token family</a> {link}families</a>"


def test_a_word_without_an_entry_cannot_be_used() -> None:
    with pytest.raises(KeyError):
        Template('{% load glossary %}{% term "epoch" %}').render(Context())


def test_every_template_names_terms_that_exist() -> None:
    used = {(name, key) for name, text in texts() if name.endswith(".html") for key in TAG.findall(text)}
    assert used
    assert {use for use in used if use[1] not in terms()} == set()


def test_no_text_uses_another_name_for_a_term() -> None:
    # "sign in" stands for "signed in" and "signs in" too.
    names = [re.sub("^sign ", "sign(?:s|ed)? ", other) for term in terms().values() for other in term.elsewhere]
    pattern = re.compile(rf"\b({'|'.join([*names, *AVOIDED])})\b", re.IGNORECASE)
    assert [(name, found[0]) for name, text in texts() for found in pattern.finditer(text)] == []
