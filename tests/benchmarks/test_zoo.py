"""The suite of spoofed identities: what it calls a fault, that strict gateways pass it, and that usual ones do not."""

import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from benchmarks.zoo import gateways, servers, tables
from benchmarks.zoo.__main__ import BEGIN, DOCUMENT, END, main
from benchmarks.zoo.cases import COLUMNS, Case, fault, requests

EVERY = {it.name: it for it in gateways.all_gateways()}
STRICT = [name for name, it in EVERY.items() if not it.mends]
TABLES = DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]
HEAD, REST = b"GET /closed HTTP/1.1\r\nHost: localhost\r\n", b"\r\n\r\n"
OWN = b"X-User-ID: 7"
# The group, the case, what arrived, and the fault in it.
RECORDED = [
    ("names", "plain", [HEAD + OWN + REST], ""),
    ("names", "plain", [HEAD + b"x-user-id:7" + REST], ""),
    ("names", "plain", [], ""),
    ("names", "none", [], "does not arrive"),
    ("names", "plain", [HEAD + b"X-User-ID: 1" + REST], "`x-user-id: 1`"),
    ("names", "doubled", [HEAD + OWN + b"\r\nX-User-ID: 1" + REST], "`x-user-id: 1`"),
    ("names", "doubled", [HEAD + OWN + b"\r\n" + OWN + REST], "the identity 2 times"),
    ("names", "underscore", [HEAD + OWN + b"\r\nX_User_ID: 1" + REST], "`x_user_id: 1`"),
    ("names", "underscore", [HEAD + OWN + b"\r\nX_User_ID: 7" + REST], "`x_user_id: 7`"),
    ("names", "dot", [HEAD + OWN + b"\r\nX.User-ID: 1" + REST], "`x.user-id: 1`"),
    ("names", "folded", [HEAD + OWN + b"\r\nX-Harmless: 1\r\n X-User-ID: 1" + REST], "`x-user-id: 1`"),
    ("names", "bare LF", [HEAD + OWN + b"\r\nX-Harmless: 1\nX-User-ID: 1" + REST], "`x-user-id: 1`"),
    ("names", "bare CR", [HEAD + OWN + b"\r\nX-Harmless: 1\rX-User-ID: 1" + REST], "`x-user-id: 1`"),
    ("names", "plain", [HEAD + OWN + b"\r\nX-User-Identity: 1" + REST], ""),
    ("Connection", "listed", [HEAD + b"Accept: */*" + REST], "no identity"),
    ("nobody", "none", [HEAD + b"Accept: */*" + REST], ""),
    ("nobody", "none", [HEAD + b"X-User-ID:" + REST], "`x-user-id:` without a value"),
    ("nobody", "none", [HEAD + b"X-User-ID: {a.placeholder}" + REST], "`x-user-id: {a.placeholder}`"),
    ("nobody", "plain", [HEAD + OWN + REST], "`x-user-id: 7`"),
    ("public", "plain", [HEAD + b"X-User-ID: 1" + REST], "`x-user-id: 1`"),
    ("public", "none", [HEAD + b"Accept: */*" + REST], ""),
    ("public", "none", [], "does not arrive"),
    ("paths", "..%2f", [b"GET /open/..%2fclosed HTTP/1.1" + REST], "`/open/..%2fclosed` arrives"),
    ("paths", "..%2f", [b"GET /open/ HTTP/1.1" + REST], ""),
    ("lengths", "right", [], "does not arrive"),
    ("lengths", "right", [HEAD + b"Content-Length: 5" + REST], ""),
    ("lengths", "right", [HEAD + b"Transfer-Encoding: chunked" + REST], ""),
    ("lengths", "+5", [HEAD + b"Content-Length: +5" + REST], "`content-length: +5`"),
    ("lengths", "xchunked", [HEAD + b"Transfer-Encoding: xchunked" + REST], "`transfer-encoding: xchunked`"),
    ("lengths", "underscore", [HEAD + b"Content_Length: 0" + REST], "`content_length: 0`"),
    ("lengths", "5 and 0", [HEAD + b"Content-Length: 5" + REST + b"GET /hidden"], "a second request in the body"),
    ("lengths", "5 and 0", [HEAD + b"Content-Length: 5" + REST, b"GET /hidden"], "a second request in the body"),
    (
        "lengths",
        "chunked and length",
        [HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked" + REST],
        "`content-length: 5`, `transfer-encoding: chunked`",
    ),
]


def needed(name: str) -> gateways.Gateway:
    """A gateway, which must be installed in CI: no test may be skipped there."""
    if not gateways.is_there(EVERY[name]):
        says = f"There is no {EVERY[name].program}. On Debian: apt install caddy nginx-light haproxy"
        pytest.fail(says) if os.environ.get("CI") else pytest.skip(says)
    return EVERY[name]


def test_what_is_wrong_is_said_of_recorded_bytes() -> None:
    sent = {(case.group, case.name): case for case in requests()}
    for group, name, received, wrong in RECORDED:
        assert fault(sent[group, name], received) == wrong, (group, name, received)


def test_each_group_has_a_case_that_must_arrive_where_a_refusal_would_pass() -> None:
    assert {case.group for case in requests() if case.arrives} >= {"names", "public", "lengths"}
    assert {case.group for case in requests()} == set(COLUMNS)
    assert ("nobody", "none") in {(case.group, case.name) for case in requests()}
    assert not fault(Case("names", "plain", b""), [])


def test_a_strict_gateway_passes_every_case() -> None:
    found = gateways.faults(needed("Caddy, strict"))
    assert len(found) == len(requests())
    assert not {case: wrong for case, wrong in found.items() if wrong}


def test_a_gateway_that_does_not_start_is_no_gateway_that_passes() -> None:
    broken = replace(needed("Caddy, strict"), text="nonsense {")
    with pytest.raises(RuntimeError, match="Caddy, strict does not start: it ended with status 1"):
        gateways.faults(broken)


def test_a_gateway_that_does_not_start_ends_the_command_with_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(needed("Caddy, strict"), text="nonsense {")
    monkeypatch.setattr(gateways, "all_gateways", lambda: [broken])
    before, handler = DOCUMENT.read_text(), signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit, match=r"^Nothing is written: Caddy, strict does not start: "):
            main()
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert DOCUMENT.read_text() == before


def test_the_document_has_each_set_up() -> None:
    for name in EVERY:
        assert re.search(rf"^\| {titled(name)} \|", TABLES, re.M), name
    for candidate in (*servers.CANDIDATES, *servers.MORE):
        name = re.escape(candidate.name)
        assert re.search(rf"^\| {titled(candidate.name)} \||^{name} does not install", TABLES, re.M), candidate.name


def test_the_document_shows_strict_set_ups_without_a_failure_and_a_mend_for_each_failure() -> None:
    for name in STRICT:
        [found] = re.findall(rf"^\| {titled(name)} (\|.*)$", TABLES, re.M)
        assert found == "| ✓ " * len(COLUMNS) + "|", name
    assert "none that passes" not in TABLES
    assert "none is known" not in TABLES


def titled(name: str) -> str:
    """A pattern for the name with any version in its place."""
    program, comma, setting = name.partition(",")
    return rf"{re.escape(program)} \d[\w.]*{comma}{re.escape(setting)}"


@pytest.fixture(scope="module")
def lines() -> list[tables.Line]:
    every = [needed(name) for name in EVERY]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(gateways.faults, every))
    return [tables.Line(it.name, "0", faults) for it, faults in zip(every, found, strict=True)]


@pytest.mark.exhaustive
def test_strict_gateways_pass_and_usual_ones_fail(lines: list[tables.Line]) -> None:
    wrong = {line.name: [case for case, said in line.faults.items() if said] for line in lines}
    for name, cases in wrong.items():
        assert bool(cases) == (name not in STRICT), (name, cases)


@pytest.mark.exhaustive
def test_the_document_says_what_fails_here(lines: list[tables.Line]) -> None:
    """The versions are not compared: an updated package must pass on the same."""
    generated = tables.gateway_tables(lines, list(EVERY.values()))
    expected = TABLES.partition("### Gateways\n")[2].partition("### Servers\n")[0]
    assert without_releases(generated) == without_releases(expected)


def without_releases(text: str) -> list[str]:
    return [re.sub(r"^(\| [A-Za-z ]+) \d[\d.]*", r"\1", line) for line in text.strip().splitlines()]


# What only the strict set-up has. The wheel's Caddy does some of this by itself.
DEFENCES = {
    "Caddy of Debian, strict": (
        "\t\trespond @odd 400\n",
        "\t\trequest_header -Connection\n",
        "\t\trequest_header -X-User-*\n",
        "\t\trequest_header -*_*\n",
        "\t\trequest_header -*.*\n",
        "\t\t\t\t\theader X-User-ID *\n",
    ),
    "nginx, strict": (
        '\t\tif ($request_uri ~* "%5c|;") { return 400; }\n',
        '\t\t\tproxy_set_header X-User-ID "";\n',
    ),
    "HAProxy, strict": (
        "\thttp-request deny deny_status 400 if { path -m sub -i .. // %2e %2f %5c ; }\n",
        "\thttp-request del-header ^x[-_.]user[-_.] -m reg\n",
        "\thttp-request del-header [_.] -m reg\n",
        " if { var(txn.user) -m found }",
    ),
}


def without_each_defence() -> Iterator[tuple[gateways.Gateway, str]]:
    for name, defences in DEFENCES.items():
        for defence in defences:
            it = needed(name)
            assert it.text.count(defence) == 1, defence
            yield replace(it, text=it.text.replace(defence, "")), defence


@pytest.mark.exhaustive
def test_each_setting_of_a_strict_gateway_is_needed() -> None:
    weakened = list(without_each_defence())
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(gateways.faults, [it for it, _ in weakened]))
    for (it, defence), faults in zip(weakened, found, strict=True):
        assert any(faults.values()), (it.name, defence)
