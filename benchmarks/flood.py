"""How a flood of logins slows other requests: the time of a whoami without other requests, and during many logins.

A few connections send whoami at a fixed pace. Each time is counted from the moment at which the request was due, so
that an answer that delays the next request counts for that one too.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks import client
from benchmarks.client import Login
from benchmarks.contestant import USERS
from benchmarks.load import Request
from benchmarks.servers import OTHER_CORES, Server

# Logins at once: one for each user. A 503 is a valid answer to them.
LOGINS = USERS
# Connections that send whoami, and seconds between two requests of each.
ASKING, EVERY = 4, 0.05
# Seconds that are measured without a login. Seconds after the last login, in which a server may give memory back.
QUIET, AFTERWARDS = 5, 3
ANSWERS = (200, 204, 503)


def measure(server: Server, times: int) -> dict[str, Any]:
    """Milliseconds of whoami, the outcome of the logins and the memory after them, at one contestant.

    Raises `RuntimeError` if a whoami is not 200, or a login neither a success nor a 503.
    """
    flow = next(flow for flow in server.contestant.flows if flow.kind == "session")
    whoami = Login.of(server, flow, user=0).get(flow.whoami)
    logins = [client.login_request(server, flow, user) for user in range(LOGINS)]
    with _on_other_cores():
        seen = [asyncio.run(_round(server, whoami, logins)) for _ in range(times)]
        time.sleep(AFTERWARDS)
    return {
        "contestant": server.contestant.result_key,
        **{name: round(median(one[name] for one in seen), 2) for name in seen[0]},
        "memory": round(server.resident(), 1),
    }


async def _round(server: Server, whoami: Request, logins: list[Request]) -> dict[str, float]:
    await _asked(server, whoami, asyncio.sleep(1))  # warms up: what is made at first use is not measured
    quiet = await _asked(server, whoami, asyncio.sleep(QUIET))
    statuses: Counter[int] = Counter()
    began = time.perf_counter()
    flood = await _asked(server, whoami, _all_at_once(server, logins, statuses))
    return {
        "quiet_p50": _percentile(quiet, 50),
        "quiet_p99": _percentile(quiet, 99),
        "flood_p50": _percentile(flood, 50),
        "flood_p99": _percentile(flood, 99),
        "seconds": time.perf_counter() - began,
        "refused": statuses[503],
    }


async def _asked(server: Server, request: Request, meanwhile: Any) -> list[float]:
    """Sends requests until `meanwhile` is done. Returns the milliseconds of each."""
    seen: list[float] = []
    asking = [asyncio.create_task(_ask(server, request, number, seen)) for number in range(ASKING)]
    await meanwhile
    for task in asking:
        task.cancel()
    for ended in await asyncio.gather(*asking, return_exceptions=True):
        if not isinstance(ended, asyncio.CancelledError):
            raise RuntimeError(f"{request.path}: {ended}")
    return seen


async def _ask(server: Server, request: Request, number: int, seen: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.place.port)
    due = time.perf_counter() + EVERY * number / ASKING
    while True:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if (status := await _answer(reader, writer, request)) != 200:
            raise RuntimeError(f"status {status}")
        seen.append((time.perf_counter() - due) * 1000)
        due += EVERY


async def _all_at_once(server: Server, logins: list[Request], statuses: "Counter[int]") -> None:
    connections = [await asyncio.open_connection("127.0.0.1", server.place.port) for _ in logins]
    answers = (_answer(*ends, login) for ends, login in zip(connections, logins, strict=True))
    statuses.update(await asyncio.gather(*answers))
    for _, writer in connections:
        writer.close()
    if wrong := statuses.keys() - set(ANSWERS):
        raise RuntimeError(f"{logins[0].path}: status {wrong}")


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request) -> int:
    """Sends the request, reads the whole answer and returns its status."""
    writer.write(str(request).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, _, rest = head.partition(b"content-length:")
    await reader.readexactly(int(rest.partition(b"\r\n")[0] or b"0"))
    return int(head.split()[1])


def _percentile(seen: list[float], which: int) -> float:
    return sorted(seen)[len(seen) * which // 100]


@contextmanager
def _on_other_cores() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, OTHER_CORES)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
