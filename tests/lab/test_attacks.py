"""The proofs of attacks: their requests to the range, the verdicts from its answers, and the page without a range."""

import json
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

import lab.claims.proofs  # noqa: F401  (registers them)
from lab.claims import attacks, recorded
from lab.claims.attacks import BY_ATTACK, Answers, Tried, run, trying_each_once
from lab.claims.catalogue import BY_ID
from lab.claims.evidence import NotRunning, Result, Status, holds, prove
from lab.pages.range import ATTACKS
from tests.conftest import Browser
from tests.lab.test_claims_page import text_of
from tests.lab.test_proofs import proved
from tests.running import ROOT
from tests.sampling import sampled

LINES = {
    "session-unset": ["link", "form", "port", "sibling"],
    "session-strict": ["port", "sibling"],
    "token-cookie": ["link", "form", "port", "sibling"],
    "bearer": [],
}
KINDS = "link", "form", "fetch", "image", "port", "sibling"
PAYLOADS = "read", "patch", "ride", "refresh", "vendor"
STOLEN = {
    "local-storage": PAYLOADS,
    "session-storage": PAYLOADS,
    "global": PAYLOADS,
    "closure": ("patch", "ride", "refresh"),
    "cookie": ("ride",),
}
# The outcomes of a real run of the range, for the cases that the proofs ask for.
OUTCOMES: dict[str, bool] = {
    **{f"xss/{place}/{payload}": payload in stolen for place, stolen in STOLEN.items() for payload in PAYLOADS},
    **{f"csrf/{held}/{kind}/none": kind in sent for held, sent in LINES.items() for kind in KINDS},
    **{f"csrf/ours-{flow}/{kind}": False for flow in ("session", "token") for kind in KINDS},
    **{f"alg/none-{number}/{on}": on == "weak" for number in range(1, 7) for on in ("weak", "ours")},
    "xss/session-storage/new-tab": False,
    "xss/readable-cookie/read": True,
    "xss/ours/stored-token": False,
    "xss/ours/read-session": False,
    "xss/ours/read-token": False,
    "xss/ours/steal-refresh": False,
    "xss/ours/ride-session": True,
    "xss/ours/patch-token": True,
    "xss/ours/refresh-token": True,
    "xss/legitimate/token": True,
    "csrf/session-unset/form-late/none": False,
    "csrf/bearer/sibling/cors-open": True,
    "csrf/refresh-strict/form": False,
    "csrf/refresh-strict/sibling": True,
    "csrf/login/weak": True,
    "csrf/login/ours-session": False,
    "csrf/ours-origin/session": False,
    "csrf/ours-origin/token": False,
    "csrf/legitimate/token": True,
    "alg/legitimate": True,
    "secret/signed-cookie/weak": True,
    "secret/unsigned-cookie/weak": True,
    "secret/random-id/ours": False,
    "secret/one-key/weak": True,
    "secret/one-key/ours": False,
    "secret/legitimate": True,
    **{
        f"{attack}/{on}": on != "ours"
        for attack in ("fixation", "enumeration")
        for on in ("weak", "ours", "legitimate")
    },
    **{f"replay/{kind}/{on}": on == "weak" for kind in ("session", "refresh") for on in ("weak", "ours")},
    "replay/legitimate": True,
}
LIMITS = "xss/ours/ride-session", "xss/ours/patch-token", "xss/ours/refresh-token"


def as_case(name: str, succeeded: bool) -> dict[str, Any]:
    variant = next((word for word in ("legitimate", "ours") if f"/{word}" in name), "weak")
    return {
        "id": name,
        "variant": variant,
        "tried": f"tries {name}",
        "limit": name in LIMITS,
        "expected": OUTCOMES[name],
        "succeeded": succeeded,
        "as_expected": succeeded is OUTCOMES[name],
        "seen": "It was answered.",
        "detail": {
            "origin": "http://attacker.localhost:8010",
            "arrived": ["weak_sessionid"],
            "preflight_only": True,
            "methods": ["OPTIONS"],
        },
    }


class Server(ThreadingHTTPServer):
    """A server in place of the range: it answers with this status and body, after a delay in seconds."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.status, self.body, self.seconds = 200, b"", 0.0
        self.asked: list[Any] = []

    def give(self, content: Any, status: int = 200) -> None:
        self.status, self.body = status, content if isinstance(content, bytes) else json.dumps(content).encode()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.asked.append((self.path, self.headers["Host"], json.loads(self.rfile.read(length) or b"null")))
        time.sleep(self.server.seconds)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Server]:
    """Runs such a server at its own port."""
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving() as server:
        monkeypatch.setenv("RANGE_PORT", str(server.server_port))
        yield server


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """The outcome of each case, which a test may change; no network is used."""
    found = dict(OUTCOMES)

    def ask(method: str, path: str, seconds_max: float, body: Any = None) -> dict[str, Any]:
        names = body["cases"] if body else found
        return {"chromium": "156.0", "cases": [as_case(name, found[name]) for name in names]}

    monkeypatch.setattr(attacks, "_ask", ask)
    return found


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of the record, which does not exist yet."""
    monkeypatch.setattr(recorded, "FILE", tmp_path / "recorded.json")
    return tmp_path / "recorded.json"


@pytest.fixture
def record(file: Path) -> None:
    """A record of C55, and of three cells."""
    result = Result(BY_ID["C55"], [holds("a script reads localStorage", "replayed: 200", True)])
    result.verdict = BY_ID["C55"].expected
    names = ("xss/local-storage/read", "xss/cookie/read", "csrf/session-unset/form/none")
    cases = {name: Tried(**attacks._known_fields(Tried, as_case(name, OUTCOMES[name]))) for name in names}
    recorded.write([result], Answers(cases, "156.0"))


def test_a_case_is_asked_of_the_range_s_own_host(server: Server) -> None:
    names = ["csrf/bearer/link/none", "csrf/bearer/form/none"]
    server.give({"cases": [as_case(name, False) for name in names]})
    assert run(*names)["csrf/bearer/link/none"].succeeded is False
    assert [path for path, _, _ in server.asked] == ["/api/run"]
    assert server.asked[0][1] == f"range.localhost:{server.server_port}"
    assert server.asked[0][2] == {"cases": names}


def test_many_cases_are_asked_in_requests_of_a_bounded_length(server: Server) -> None:
    names = list(OUTCOMES)[:20]
    server.give({"cases": [as_case(name, OUTCOMES[name]) for name in names]})
    run(*names)
    asked = [body["cases"] for _, _, body in server.asked]
    assert [name for part in asked for name in part] == names
    assert max(map(len, asked)) == attacks.RUN_CASES_MAX


def test_within_one_run_of_the_command_a_case_is_tried_once(server: Server) -> None:
    first, second = list(OUTCOMES)[:2]
    server.give({"chromium": "156.0", "cases": [as_case(name, True) for name in (first, second)]})
    with trying_each_once() as answers:
        run(first)
        assert run(first, second)[first].succeeded
    assert [body["cases"] for _, _, body in server.asked] == [[first]]
    assert (answers.cases.keys(), answers.chromium) == ({first, second}, "156.0")
    run(first)
    assert len(server.asked) == 2


def busy(server: Server) -> None:
    server.give({"error": "There is no Chromium on the PATH of the attack range."}, 503)


def another(server: Server) -> None:
    server.give(b"<!doctype html>")


def not_found(server: Server) -> None:
    server.give({"error": "no such page"}, 404)


def slow(server: Server) -> None:
    server.seconds = 3


@pytest.mark.parametrize(
    ("happens", "sentence"),
    [
        (busy, "There is no Chromium on the PATH"),
        (another, "is another server"),
        (not_found, "is another server"),
        (slow, "did not answer within 1 s"),
    ],
)
def test_where_nothing_can_be_tried_the_claim_is_not_proved_yet_and_says_why(
    db: None, server: Server, monkeypatch: pytest.MonkeyPatch, happens: Callable[[Server], None], sentence: str
) -> None:
    if happens is slow:
        monkeypatch.setattr(attacks, "RUN_SECONDS_MAX", 1)
    happens(server)
    result = prove(BY_ID["C55"])
    assert (result.status, result.verdict, result.evidence, result.failure) == (Status.NOT_YET, None, [], "")
    assert result.as_json()["needs"].startswith("the attack range. ")
    assert sentence in result.as_json()["needs"]


@pytest.mark.parametrize("port", ["1", "0", "65535", "x"])
def test_without_a_range_the_sentence_says_what_to_do(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANGE_PORT", port)
    with pytest.raises(NotRunning, match=r"make prove starts it" if port == "1" else "RANGE_PORT must be a number"):
        run("xss/local-storage/read")


def test_the_port_is_ten_above_that_of_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANGE_PORT")
    monkeypatch.setenv("PORT", "8290")
    assert attacks.address() == "http://range.localhost:8300/"


def test_a_case_that_there_is_not_contradicts(db: None, server: Server) -> None:
    server.give({"error": "There is no case."}, 400)
    result = prove(BY_ID["C55"])
    assert (result.status, result.failure[:15]) == (Status.CONTRADICTED, "LookupError at ")


@pytest.mark.parametrize("name", sorted(BY_ATTACK))
def test_an_honest_run_gives_the_expected_verdict(db: None, outcomes: dict[str, bool], name: str) -> None:
    result = prove(BY_ID[name])
    assert result.status is Status.PROVED, result.as_json()


@pytest.mark.parametrize("name", sampled(sorted(BY_ATTACK), ["C57", "C64", "C95", "C117"]))
def test_with_any_case_the_other_way_the_claim_is_not_proved(
    db: None, outcomes: dict[str, bool], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ask = attacks._ask

    def watch(method: str, path: str, seconds_max: float, body: Any = None) -> dict[str, Any]:
        asked.extend(body["cases"] if body else [])
        return ask(method, path, seconds_max, body)

    monkeypatch.setattr(attacks, "_ask", watch)
    prove(BY_ID[name])
    assert asked
    for case in set(asked):
        outcomes[case] = not OUTCOMES[case]
        assert prove(BY_ID[name]).status is Status.CONTRADICTED, case
        outcomes[case] = OUTCOMES[case]


@pytest.mark.parametrize("attack", ["replay/", "replay/legitimate"])
def test_an_attack_that_is_not_tried_contradicts(db: None, outcomes: dict[str, bool], attack: str) -> None:
    for name in [name for name in outcomes if name.startswith(attack)]:
        del outcomes[name]
    assert prove(BY_ID["C117"]).status is Status.CONTRADICTED


def test_the_command_counts_what_cannot_be_tried_apart_and_says_what_was_recorded(db: None, record: None) -> None:
    text, status = proved("C55", "C84", "C14")
    assert status == 0
    assert ": 1 as expected, 0 not as expected, 2 not run here, 0 without a proof." in text
    assert "  2 need the attack range. Nothing answers on port 1. make run starts it" in text
    assert f"Last recorded on {recorded.read().at}: 1 of these 2 as expected." in text


def test_the_command_records_what_the_range_shows(db: None, file: Path, outcomes: dict[str, bool]) -> None:
    _, status = proved(record=True)
    assert status == 0
    assert recorded.read().claims.keys() == BY_ATTACK
    assert recorded.read().cases.keys() == OUTCOMES.keys()
    assert recorded.read().chromium == "156.0"
    assert recorded.find("C95").verdict == "does not hold"


def test_without_a_range_nothing_is_recorded(db: None, file: Path) -> None:
    with pytest.raises(CommandError, match="Nothing was recorded"):
        call_command("prove", record=True)
    assert not file.exists()
    with pytest.raises(CommandError, match="leave ID and PART out"):
        call_command("prove", "C55", record=True)


def test_a_claim_that_cannot_be_tried_shows_what_was_recorded(db: None, browser: Browser, record: None) -> None:
    at = recorded.read().at
    for text in (text_of(browser.get("/claims/C55/")), text_of(browser.submit("/claims/C55/"))):
        assert f"Last recorded. On {at}: holds." in text
        assert "make prove ID=C55" in text
        assert "a script reads localStorage (as said) replayed: 200" in text
        assert "Seen just now." not in text
    assert "Not run. It needs the attack range. Nothing answers on port 1." in text
    assert "Nothing was recorded of this claim." in text_of(browser.submit("/claims/C84/"))
    body = browser.submit("/claims/C55/", headers={"Accept": "application/json"}).json()
    assert body["status"] == "not proved yet"
    assert body["recorded"]["at"] == at
    assert body["recorded"]["evidence"][0]["seen"] == "replayed: 200"


def test_what_was_seen_now_is_shown_without_what_was_recorded(
    db: None, browser: Browser, record: None, outcomes: dict[str, bool]
) -> None:
    text = text_of(browser.submit("/claims/C55/"))
    assert "Seen just now." in text
    assert "Last recorded." not in text


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"at": 1}',
        b'{"at": "2026-01-01", "commit": 1, "chromium": "", "claims": {}, "cases": {}}',
        b'{"at": "2026-01-01", "commit": "", "chromium": "", "claims": {"C55": 1}, "cases": {}}',
        b'{"at": "2026-01-01", "commit": "", "chromium": "", "claims": {}, "cases": []}',
    ],
)
def test_without_a_record_that_can_be_read_the_pages_say_so(
    content: bytes | None, browser: Browser, file: Path
) -> None:
    if content is not None:
        file.write_bytes(content)
    for address in ("/lab/range/", "/claims/C55/"):
        answer = browser.get(address)
        assert answer.status_code == 200
        assert "make prove RECORD=1" in text_of(answer)


@pytest.mark.parametrize("evidence", ["1", "[1]", '[{"asked": ""}]', '[{"no": 1}]'])
def test_evidence_that_cannot_be_read_is_not_shown(evidence: str, browser: Browser, file: Path) -> None:
    claim = f'{{"verdict": "holds", "status": "proved", "evidence": {evidence}}}'
    file.write_text(
        f'{{"at": "2026-01-01", "commit": "", "chromium": "", "claims": {{"C55": {claim}}}, "cases": {{}}}}'
    )
    assert "cannot be read" in text_of(browser.get("/claims/C55/"))


def test_without_a_range_the_page_says_how_to_start_it_and_shows_the_record(browser: Browser, record: None) -> None:
    answer = browser.get("/lab/range/")
    text = text_of(answer)
    assert "It is not running Nothing answers on port 1." in text
    assert f"Recorded on {recorded.read().at}." in text
    assert "localStorage reads it stolen patches fetch not recorded" in text
    assert "an HttpOnly cookie reads it safe" in text
    assert "session, no SameSite link not recorded form changed" in text
    assert all(f'href="/claims/{name}/"' in answer.content.decode() for name in BY_ATTACK)
    body = browser.get("/lab/range/", headers={"Accept": "application/json"}).json()
    assert body["cases"]["xss/local-storage/read"] is True
    assert body["address"] == ""


def test_beside_a_running_range_the_page_leads_there(browser: Browser, file: Path, server: Server) -> None:
    server.give({"cases": []})
    page = browser.get("/lab/range/").content.decode()
    assert f'href="http://range.localhost:{server.server_port}/"' in page
    assert "It is running" in page
    assert "No record" in page


def test_an_attack_has_one_name_here_and_on_the_ranges_own_pages() -> None:
    texts = {
        file.stem: tomllib.loads(file.read_text())["title"] for file in (ROOT / "attack_range/texts").glob("*.toml")
    }
    assert {slug: title for slug, title, _ in ATTACKS} == texts
