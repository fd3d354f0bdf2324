"""`make zoo`: prints the tables, and writes them into docs/gateways.md."""

import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks import raw
from benchmarks.candidates import Candidate, Ground, Running
from benchmarks.report import ROOT, between_markers
from benchmarks.zoo import gateways, servers, tables

DOCUMENT = ROOT / "docs" / "gateways.md"
BEGIN, END = "<!-- make zoo: begin -->", "<!-- make zoo: end -->"
# The gateway that servers are tried behind. Every installation has it, from its wheel.
BEFORE = "Caddy, strict"


def main() -> None:
    """Tries everything. Exits with a sentence if a program is missing, or if a gateway does not start."""
    # Without this, a SIGTERM would leave the servers running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    every = gateways.all_gateways()
    if missing := sorted({it.program for it in every if not gateways.is_there(it)}):
        sys.exit(f"Not there: {', '.join(missing)}. On Debian: apt install caddy nginx-light haproxy")
    try:
        generated = all_tables(every)
    except RuntimeError as error:
        sys.exit(f"Nothing is written: {error}")
    print(generated)
    DOCUMENT.write_text(between_markers(DOCUMENT.read_text(), generated, BEGIN, END))


def all_tables(every: list[gateways.Gateway]) -> str:
    """The generated part of the document. Raises `RuntimeError` if a gateway does not start."""
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(try_gateway, every))
    parts = ["### Gateways", tables.gateway_tables(found, every), "### Servers", try_servers(every)]
    return "\n\n".join(parts)


def try_gateway(gateway: gateways.Gateway) -> tables.Line:
    """The gateway's line of the table. Raises `RuntimeError` if it does not start."""
    print(gateway.name, "…", file=sys.stderr)
    return tables.Line(gateway.name, gateways.release(gateway), gateways.faults(gateway))


def try_servers(every: list[gateways.Gateway]) -> str:
    """The tables of all servers that can be installed: alone and behind a strict gateway."""
    [before] = [it for it in every if it.name == BEFORE]
    there, absent = servers.available()
    with Ground() as ground, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(partial(try_server, ground, before), there))
    lines = [line for line in found if isinstance(line, tables.Line)]
    return tables.server_tables(lines, absent | dict(it for it in found if isinstance(it, tuple)), BEFORE)


def try_server(ground: Ground, before: gateways.Gateway, candidate: Candidate) -> tables.Line | tuple[str, str]:
    """The server's line of the table, or its name and why it does not start."""
    print(candidate.name, "…", file=sys.stderr)
    try:
        with Running(ground, candidate) as server:
            alone = servers.faults(server)
            behind = servers.faults_behind(before, server) if any(alone.values()) else None
    except raw.NotServing as error:
        return candidate.name, str(error)
    return tables.Line(candidate.name, servers.release(candidate), alone, behind)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
