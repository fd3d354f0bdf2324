"""Which operations `make bench` measures at which contestant, and how it compares rounds."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks import load, measures, servers
from benchmarks.__main__ import _parser, describe
from benchmarks.contestant import USERS, CannotRun, Contestant, Flow, Place
from benchmarks.contestants import CONTESTANTS
from benchmarks.load import Load
from benchmarks.measures import OPERATIONS, Bench, Row, Target


class Standing:
    """A server that gets no request."""

    def __init__(self, key: str) -> None:
        self.contestant = CONTESTANTS[key]


def done(key: str) -> dict[tuple[str, str], list[str]]:
    """The operations of each flow of a contestant."""
    server: Any = Standing(key)
    flows = server.contestant.flows or (Flow(""),)
    targets = {(flow.kind, flow.variant): Target(server, flow) for flow in flows}
    return {name: [it for it in OPERATIONS if target.does(it)] for name, target in targets.items()}


FLOWS = ("session", "token")
ALL = ["whoami", "profile", "login", "refresh", "logout"]


def test_every_flow_is_asked_all_that_it_has() -> None:
    sessions = ["whoami", "profile", "login", "logout"]
    assert done("ours") == {("session", ""): sessions, ("token", "denylist"): ALL}
    assert done("stock") == {
        ("session", "DRF"): sessions,
        ("session", "no DRF, no SQL"): ["whoami"],
        ("session", "no DRF"): ["profile"],
        ("token", "DRF"): ALL,
        ("token", "stateless"): ["whoami"],
        ("token", "no DRF, no SQL"): ["whoami"],
    }
    assert done("express") == {
        ("session", ""): sessions,
        ("token", "string secret"): ALL,
        ("token", "KeyObject"): ALL[:2],
    }
    assert done("express-bcrypt") == {("session", ""): ["login"]}
    assert done("bare-gunicorn") == done("bare-node") == {("", ""): ["nothing"]}


def test_what_is_alike_is_measured_once() -> None:
    assert done("ours-expiry") == {("token", "expiry"): ["whoami"]}
    assert done("ours-version") == {("token", "version"): ["whoami"]}
    assert done("ours-eddsa") == {("token", "EdDSA"): ["whoami", "refresh"]}
    assert done("ours-es256") == {("token", "ES256"): ["whoami", "refresh"]}
    assert done("ours-demo") == {("session", ""): ["whoami"], ("token", "denylist"): ["whoami"]}


def row(operation: str, key: str, variant: str, rates: list[float], kind: str = "session") -> Row:
    loads = [Load(round(rate), rate, p50=rate / 10, p95=1.0, p99=2.0, cpu=rate / 2) for rate in rates]
    return Row(operation, CONTESTANTS[key], Flow(kind, variant), loads)


def test_a_ratio_compares_within_a_round_and_the_middle_counts(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 1, [], print)
    rows = [
        row("whoami", "ours", "", [100, 10, 50]),
        row("whoami", "stock", "DRF", [50, 20, 25]),
        row("whoami", "ours-expiry", "expiry", [30, 30, 30], kind="token"),
        row("whoami", "ours", "denylist", [20, 10, 15], kind="token"),
        row("nothing", "bare-gunicorn", "", [200, 20, 500], kind=""),
    ]
    for it in rows:
        key = (it.operation, it.flow.kind, it.contestant.result_key, it.flow.variant)
        bench.rows[key] = it
    ours, stock, *_, expiry, _, bare = found = bench.speed()
    assert [it["ratio"] for it in found] == [1, 0.5, 2, 1, 2]
    assert stock["ratios"] == [0.5, 2, 0.5]
    assert stock | {"contestant": "stock", "variant": "DRF", "rate": 25, "rates": [50, 20, 25]} == stock
    assert (ours["requests"], ours["p50"], ours["cpu"]) == (160, 5, 25)
    assert (expiry["contestant"], expiry["variant"], bare["flow"]) == ("ours", "expiry", "")


def test_no_processor_time_is_told_of_the_long_rounds_alone(tmp_path: Path) -> None:
    short = row("logout", "ours", "", [10, 20, 30])
    short.loads[0] = replace(short.loads[0], cpu=None)
    assert short.as_json(short)["cpu"] is None


def test_every_second_round_goes_the_other_way_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(target: Target, operation: str, seconds: int) -> Load:
        asked.append(target.server.contestant.key)
        return Load(1, 1, 1, 1, 1, 1)

    monkeypatch.setattr(Target, "load", note)
    bench, standing = Bench(tmp_path, 1, [], lambda text: None), [Standing("ours"), Standing("stock")]
    targets = [Target(cast(Any, server), server.contestant.flows[0]) for server in standing]
    for _ in range(2):
        bench._go_around("login", targets)
    assert asked == ["ours", "stock", "stock", "ours"]


def test_what_cannot_be_prepared_is_left_out_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(place: Place) -> None:
        if place.folder.name == "broken":
            raise CannotRun("npm failed.")

    def refuse(place: Place) -> None:
        raise CannotRun("no database")

    def contestant(key: str) -> Contestant:
        return Contestant(key, key, "", (), "/", prepare, command=lambda place: [], environment=lambda place: {})

    monkeypatch.setattr(measures, "CONTESTANTS", {key: contestant(key) for key in ("sound", "broken")})
    bench = Bench(tmp_path, 1, ["sound", "broken"], lambda text: None)
    assert bench.prepare() == {"broken": "npm failed."}
    assert list(bench.places) == ["sound"]
    monkeypatch.setattr(measures, "CONTESTANTS", {"ours": replace(contestant("ours"), prepare=refuse)})
    with pytest.raises(CannotRun, match="This project cannot be prepared: no database"):
        Bench(tmp_path, 1, ["ours"], lambda text: None).prepare()


@pytest.mark.exhaustive
@pytest.mark.skipif(not load.is_available(), reason=load.MISSING)
def test_a_round_measures_everything_of_this_project() -> None:
    # Short: the path of a Unix socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Path(folder), 4, ["ours", "bare-gunicorn"], lambda text: None)
        with servers.running_store(bench.store):
            assert bench.prepare() == {}
            bench.round()
            [flood] = bench.flood(1)
    assert 0 < flood["quiet_p50"] <= flood["quiet_p99"]
    assert 0 < flood["flood_p50"] <= flood["flood_p99"]
    assert (flood["contestant"], 0 <= flood["refused"] < USERS, 20 < flood["memory"] < 2000) == ("ours", True, True)
    speed = bench.speed()
    wanted = [("nothing", "")] + [(name, flow) for name in ("whoami", "profile", "login") for flow in FLOWS]
    wanted += [("refresh", "token"), ("logout", "session"), ("logout", "token")]
    assert [(it["operation"], it["flow"]) for it in speed] == wanted
    assert all(it["requests"] > 5 and 0 < it["p50"] <= it["p95"] <= it["p99"] for it in speed)
    # A few logouts take too little processor time to measure it.
    assert all(it["cpu"] > 0 for it in speed if it["operation"] != "logout")
    [memory], [session] = bench.memory(), bench.stored()
    assert 20 < memory["before"] < 2000
    assert 20 < memory["after"] < 2000
    assert 100 < session["bytes"] < 2000


def test_a_contestant_is_named_once_in_the_results() -> None:
    named = describe(_parser().parse_args([]), {"express": "There is no node on the PATH."})
    assert [it["key"] for it in named["contestants"]] == [
        *("ours", "ours-demo", "stock", "express", "express-bcrypt", "bare-gunicorn", "bare-node")
    ]
    assert named["skipped"] == [{"key": "express", "reason": "There is no node on the PATH."}]
