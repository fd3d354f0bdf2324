"""What README, CONTRIBUTING and the page about running it name is there: commands, files, addresses, costs."""

import re
from pathlib import Path

import pytest
from django.urls import Resolver404, resolve

from accounts.demo import USERS
from config import settings
from jwt_demo.conf import conf as jwt_conf
from security.conf import conf as security_conf
from sessions_demo.conf import conf as sessions_conf
from tests.jwt_demo import test_budgets as token_budgets
from tests.running import ROOT
from tests.sessions_demo import test_budgets as session_budgets

README, CONTRIBUTING, RUNNING, COSTS = (
    (ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md", "docs/running.md", "docs/costs.md")
)
TEXT = "\n".join((README, CONTRIBUTING, RUNNING))
CODE = re.findall(r"`([^`\n]+)`", TEXT)
FENCED = re.findall(r"^```\n(.*?)^```", TEXT, re.M | re.S)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
COMMANDS = sorted(set(re.findall(r"make ([a-z-]+)", "\n".join([*CODE, *FENCED]))))
ADDRESSES = sorted({code for code in CODE if re.fullmatch(r"/[\w/-]*", code)})
FOLDERS = sorted(set(re.findall(r"(?:^| {3,})([a-z_]+/) {2,}", "\n".join(FENCED), re.M)))
KNOWN = (settings, security_conf, sessions_conf, jwt_conf)
VARIABLES = sorted(set(re.findall(r"`([A-Z]+_[A-Z]+)`", README + RUNNING)))


def test_the_readme_can_be_read_in_ten_minutes() -> None:
    assert len(README.splitlines()) <= 200


def test_there_is_something_to_check() -> None:
    assert {"run", "test", "test-all"} <= set(COMMANDS)
    assert {"/", "/admin/", "/readyz"} <= set(ADDRESSES)
    assert {"config/", "accounts/"} <= set(FOLDERS)
    assert VARIABLES


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_exists(command: str) -> None:
    assert command in TARGETS


def test_every_command_is_described() -> None:
    assert {command for command in TARGETS if f"| `make {command}` |" not in RUNNING} == {"help"}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_leads_somewhere(address: str) -> None:
    try:
        resolve(address)
    except Resolver404:
        pytest.fail(f"nothing answers at {address}")


@pytest.mark.parametrize("path", FOLDERS)
def test_a_folder_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_is_known(name: str) -> None:
    in_the_example = re.search(rf"^{name}=", (ROOT / ".env.example").read_text(), re.M)
    assert in_the_example or any(hasattr(known, name) for known in KNOWN)


def test_the_accounts_are_those_of_the_demo() -> None:
    for user in USERS:
        assert f"`{user.email}`" in README
        assert f"`{user.password}`" in README


def test_every_folder_is_described() -> None:
    present = {f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))}
    assert present - {"var/"} == set(FOLDERS)


def test_every_variable_of_the_settings_is_in_the_example() -> None:
    example = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
    files = (
        "config/settings.py",
        "config/environment.py",
        "config/gunicorn.py",
        "config/run.py",
        "attack_range/preparation.py",
    )
    text = "".join((ROOT / name).read_text() for name in files)
    read = set(re.findall(r"""(?:env\.\w+|environ\.get|_or|number|is_wanted)\(["']([A-Z_]+)["']""", text)) - {
        "ENV_FILE"
    }
    assert read == example


def test_the_requirements_are_exact() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in Path(ROOT / name).read_text().splitlines():
            assert not line or line.startswith(("#", "-r ")) or re.match(r"[\w.\[\]-]+==[\w.]+ +# ", line), line


# A row of docs/costs.md, and the operations that it stands for.
SESSION_ROWS = {
    "whoami": ["whoami"],
    "profile": ["profile"],
    "login from a clean client": ["login"],
    "list of devices": ["devices"],
    "end one, or all the others": ["end one", "end all but this one"],
    "reauthenticate": ["reauthenticate"],
    "logout": ["logout"],
}
TOKEN_ROWS = {
    "whoami, check `denylist`": ["whoami, denylist"],
    "whoami, check `expiry`": ["whoami, expiry"],
    "whoami, check `version`": ["whoami, version"],
    "profile": ["profile"],
    "login": ["login"],
    "login without a refresh token": ["short login"],
    "refresh": ["refresh"],
    "the same refresh again, within 10 s": ["the same again"],
    "list of devices": ["devices"],
    "end one, or all the others": ["end one", "end all but this one"],
    "reauthenticate": ["reauthenticate"],
    "logout": ["logout"],
    "logout everywhere, both flows": ["everywhere"],
    "a replay that ends everything": ["theft"],
}


def test_the_costs_are_those_that_are_counted() -> None:
    tables = re.findall(r"\| operation \|.*?\n\n", COSTS, re.S)
    for table, rows, counted in zip(tables, (SESSION_ROWS, TOKEN_ROWS), (session_budgets, token_budgets), strict=True):
        shown = {name: (ours, stock) for name, ours, stock in re.findall(r"\| (.+?) \| (\S.*?) \| (\S.*?) \|", table)}
        expected = {}
        for row, operations in rows.items():
            [ours] = {counted.OURS[operation][:2] for operation in operations}
            stock = counted.STOCK.get(row.partition(", check")[0].partition(" from")[0])
            expected[row] = tuple("–" if count is None else f"{count[0]} / {count[1]}" for count in (ours, stock))
        del shown["operation"]
        assert shown == expected
