"""Every claim has the expected verdict, with evidence, and the sandbox leaves no data behind.

tests/services proves the claims about the services behind a gateway.
"""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

import lab.claims.proofs  # noqa: F401
from lab.claims.attacks import BY_ATTACK, trying_each_once
from lab.claims.catalogue import BY_ID, CLAIMS, Verdict
from lab.claims.evidence import PROOFS, Evidence, Result, Status, holds, limit, prove, verdict_of
from lab.claims.sandbox import Sandbox, open_sandbox
from lab.claims.services import BY_SERVICES
from security.models import HousekeepingRun
from tests.attack_range.conftest import attack_range as attack_range  # noqa: PLC0414  (a fixture)
from tests.attack_range.conftest import chromium as chromium  # noqa: PLC0414  (a fixture)
from tests.running import Range, Store

# Keys with which the denylist marks that it is complete. It writes them again at each check.
MARKERS = {b"denylist:lease", b"denylist:unbroken"}


def everything(store: Store) -> set[tuple[Any, ...]]:
    """All data: each row of each table, and each key of each database of the store."""
    models = [model for model in apps.get_models() if model is not HousekeepingRun]
    rows = {(model._meta.label, pk) for model in models for pk in model._base_manager.values_list("pk", flat=True)}
    keys = {(number, key) for number in range(4) for key in store.client(number).scan_iter()}
    return rows | {(number, key) for number, key in keys if key not in MARKERS}


def not_proved(results: list[Result]) -> list[dict[str, Any]]:
    return [result.as_json() for result in results if result.status is not Status.PROVED]


@pytest.mark.exhaustive
def test_every_claim_comes_out_as_expected_and_nothing_is_left_behind(file_database: None, store: Store) -> None:
    with open_sandbox() as bystander:
        person = bystander.person()
        browsers = [bystander.logged_in(flow, person) for flow in ("session", "jwt")]
        before = everything(store)
        results = [prove(claim) for claim in CLAIMS if claim.id in PROOFS and claim.id not in BY_ATTACK | BY_SERVICES]
        assert not_proved(results) == []
        assert everything(store) ^ before == set()
        asked = zip(("session", "jwt"), browsers, strict=True)
        assert [browser.get(f"/{flow}/api/whoami").status for flow, browser in asked] == [200, 200]


@pytest.mark.browser
@pytest.mark.exhaustive
def test_every_claim_about_attacks_comes_out_as_expected(
    db: None, chromium: None, attack_range: Range, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANGE_PORT", str(attack_range.port))
    with trying_each_once():
        results = [prove(claim) for claim in CLAIMS if claim.id in BY_ATTACK]
    assert len(results) == 28
    assert not_proved(results) == []


def test_a_claim_without_a_proof_says_what_it_waits_for() -> None:
    assert [claim.id for claim in CLAIMS if claim.id not in PROOFS and not claim.needs] == []
    assert [claim.id for claim in CLAIMS if claim.id in PROOFS and claim.needs] == []


GOOD, BAD = holds("a", 1, True), holds("a", 1, False)
LIMIT, NO_LIMIT = limit("b", 2, True), limit("b", 2, False)


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        ([], None),
        ([LIMIT], None),
        ([GOOD], Verdict.HOLDS),
        ([GOOD, BAD], Verdict.WRONG),
        ([GOOD, LIMIT], Verdict.CONDITIONAL),
        ([GOOD, NO_LIMIT], Verdict.HOLDS),
        ([GOOD, NO_LIMIT, LIMIT], None),
        ([GOOD, BAD, LIMIT], Verdict.WRONG),
        ([BAD, NO_LIMIT], None),
    ],
)
def test_the_verdict_follows_from_the_evidence(evidence: list[Evidence], verdict: Verdict | None) -> None:
    assert verdict_of(evidence) is verdict


def lying(sandbox: Sandbox) -> Iterator[Evidence]:
    yield BAD


def breaking(sandbox: Sandbox) -> Iterator[Evidence]:
    yield GOOD
    raise LookupError("no such thing")


@pytest.mark.parametrize(("proof", "failure"), [(lying, ""), (breaking, "LookupError at ")])
def test_a_proof_that_fails_or_breaks_off_contradicts(
    proof: Any, failure: str, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROOFS, "C14", proof)
    result = prove(BY_ID["C14"])
    assert result.status is Status.CONTRADICTED
    assert result.failure.startswith(failure)
    assert "no such thing" not in result.failure


def test_without_a_proof_a_claim_is_not_proved_yet(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PROOFS, "C14")
    result = prove(BY_ID["C14"])
    assert (result.status, result.verdict, result.evidence) == (Status.NOT_YET, None, [])


def proved(*args: Any, **options: Any) -> tuple[str, int]:
    """Runs the command; returns its output and its exit status."""
    out = io.StringIO()
    try:
        call_command("prove", *args, stdout=out, **options)
    except SystemExit as end:
        return out.getvalue(), int(end.code or 0)
    return out.getvalue(), 0


def test_the_command_counts_and_tells_a_contradiction_by_its_status(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    text, status = proved("c14", "C100")
    assert status == 0
    assert ": 2 as expected, 0 not as expected, 0 not run here, 0 without a proof." in text
    monkeypatch.setitem(PROOFS, "C14", lying)
    monkeypatch.delitem(PROOFS, "C100")
    text, status = proved("C14", "C100")
    assert status == 1
    assert ": 0 as expected, 1 not as expected, 0 not run here, 1 without a proof." in text
    assert "  1 needs a proof that is still to be written." in text


def failing(sandbox: Sandbox) -> Iterator[Evidence]:
    logging.getLogger("site.request").info("a request")
    logging.getLogger("django.request").error("a mistake")
    yield GOOD


def test_as_json_the_command_prints_nothing_else(
    db: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], log: io.StringIO
) -> None:
    monkeypatch.setitem(PROOFS, "C14", failing)
    # As in a process of its own, where the log is on standard output too.
    monkeypatch.setattr("sys.stdout", log)
    output = json.loads(proved("C14", "C1", json=True)[0])
    assert [entry["id"] for entry in output["results"]] == ["C1", "C14"]
    assert sum(output["counts"].values()) == 2
    assert log.getvalue() == ""
    assert "a mistake" in (err := capsys.readouterr().err)
    assert "a request" not in err
    logging.getLogger("site.request").info("another")
    assert "another" in log.getvalue()


@pytest.mark.parametrize(
    ("ids", "part"), [(["C0"], ""), ([f"C{len(CLAIMS) + 1}"], ""), (["x"], ""), ([], "none"), (["C1"], "rules")]
)
def test_an_unknown_claim_is_refused_with_a_sentence(ids: list[str], part: str) -> None:
    with pytest.raises(CommandError, match=r"There is no|None of these"):
        call_command("prove", *ids, part=part)
