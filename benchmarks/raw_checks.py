"""What a server in front of Django must do with raw requests, one check for each demand.

A check returns "" if the server passes, or in a few words what it did instead. `REQUESTS` need a running server,
`PROCESSES` start servers of their own. Needs nothing of the site but its addresses.
"""

import contextlib
import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psutil

from benchmarks.raw import (
    CLOSE,
    HEALTHZ,
    HOST,
    NOTHING,
    Server,
    Start,
    ask,
    ask_until_closed,
    log_in,
    statuses,
)
from benchmarks.raw_slow import (
    CROWD,
    PROMPT,
    dripping_heads,
    is_open,
    plain,
    silent,
    slow,
    staying,
    stopped_bodies,
    stopped_heads,
)

# ── Fields ────────────────────────────────────────────────────────────────────────────────────


def foreign_cookie(server: Server) -> str:
    """A byte that is not ASCII in another site's cookie does not remove the site's own cookie."""
    found = seen(server, b"Cookie: theirs=\xe9\x80; ours=1\r\n")
    cookie = found if isinstance(found, int) else found.get("HTTP_COOKIE", "")
    return "" if "ours=1" in str(cookie) else f"{cookie!r} instead of the cookies"


def cookie_lines(server: Server) -> str:
    """Two `Cookie` lines are joined to one list, or refused."""
    found = seen(server, b"Cookie: a=1\r\nCookie: b=2\r\n")
    if isinstance(found, int):
        return "" if 400 <= found < 500 else f"status {found}"
    cookie = found.get("HTTP_COOKIE", "")
    return "" if sorted(cookie.split("; ")) == ["a=1", "b=2"] else f"{cookie!r}"


def seen(server: Server, fields: bytes, method: bytes = b"GET") -> dict[str, str] | int:
    """The fields that Django sees of a request with `fields`, or the status of the refusal; 0 without an answer."""
    answer = ask(server, method + b" /probe/seen HTTP/1.1\r\n" + CLOSE + fields + b"\r\n")
    if statuses(answer) != [200]:
        return (statuses(answer) or [0])[0]
    found: dict[str, str] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


NAMES = (
    "X_Forwarded_For",
    "X-Forwarded_For",
    "X.Forwarded.For",
    "Sec_Fetch_Site",
    "Content_Length",
    "Transfer_Encoding",
)


def disguised_names(server: Server) -> str:
    """A field with `_` or `.` in its name is not taken for another field."""
    wrong = []
    for name in NAMES:
        found = seen(server, f"{name}: 7\r\n".encode())
        if isinstance(found, int):
            wrong += [] if 400 <= found < 500 else [f"{name} is {found}"]
        elif "7" in found.values() and re.sub(r"\W", "_", name.upper()) in {key.removeprefix("HTTP_") for key in found}:
            wrong.append(name)
    return f"taken for another field: {', '.join(wrong)}" if wrong else ""


LONG_HEADS = {
    "a field of 9 KB": CLOSE + b"X: " + b"x" * 9000 + b"\r\n",
    "200 fields": CLOSE + b"".join(b"X-%d: x\r\n" % number for number in range(200)),
    "64 KB in 40 fields": CLOSE + b"".join(b"X-%d: %s\r\n" % (number, b"x" * 1600) for number in range(40)),
}


def long_heads(server: Server) -> str:
    """Refuses heads with a field above 8 KB, with more than 50 fields, or above 32 KB in all."""
    requests = {name: b"GET /probe/nothing HTTP/1.1\r\n" + head + b"\r\n" for name, head in LONG_HEADS.items()}
    requests["an address of 9 KB"] = b"GET /probe/nothing?" + b"x" * 9000 + b" HTTP/1.1\r\n" + CLOSE + b"\r\n"
    return taken(server, requests)


def taken(server: Server, requests: dict[str, bytes]) -> str:
    """Which of these requests are not refused, and how they are answered."""
    with ThreadPoolExecutor(8) as pool:
        answers = dict(zip(requests, pool.map(partial(ask_until_closed, server), requests.values()), strict=True))
    wrong = [f"{name}: {said}" for name, answer in answers.items() if (said := not_refused(*answer))]
    return ", ".join(wrong)


def not_refused(answer: bytes, closed: bool) -> str:
    """What was answered instead of a refusal. One 4xx, 501 or 505 is a refusal, and so is a close without an answer."""
    found = [status for status in statuses(answer) if status != 100]
    if len(found) > 1:
        return f"{len(found)} answers"
    if not found:
        return "" if closed else "no answer"
    return "" if 400 <= found[0] < 500 or found[0] in (501, 505) else str(found[0])


# ── Framing ───────────────────────────────────────────────────────────────────────────────────

BROKEN = {
    "no HTTP": b"GET / HTP/1.1\r\n" + CLOSE,
    "a method G@T": b"G@T / HTTP/1.1\r\n" + CLOSE,
    "no version": b"GET /\r\n" + CLOSE,
    "NUL in a field": b"GET / HTTP/1.1\r\n" + CLOSE + b"X: a\0b\r\n",
    "CR in a field": b"GET / HTTP/1.1\r\n" + CLOSE + b"X: a\rb\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\n" + CLOSE + b"X : a\r\n",
    "a folded field": b"GET / HTTP/1.1\r\n" + CLOSE + b"X: a\r\n b\r\n",
    "a line without a colon": b"GET / HTTP/1.1\r\n" + CLOSE + b"nonsense\r\n",
    "two hosts": b"GET / HTTP/1.1\r\n" + CLOSE + b"Host: evil.example\r\n",
    "a control character in the address": b"GET /\x01 HTTP/1.1\r\n" + CLOSE,
}


def broken_http(server: Server) -> str:
    """Requests that are not valid HTTP are refused, and not with a 500."""
    requests = {name: request + b"\r\n" for name, request in BROKEN.items()}
    return taken(server, requests | {"bare line feeds": NOTHING.replace(b"\r", b"")})


# A last chunk of five bytes, and a request that the server must not see as one.
BEHIND = b"0\r\n\r\n" + NOTHING
# One flaw each: a server could accept the first flaw and refuse the request for the second.
FRAMINGS = {
    "a length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    "chunks and a length": b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "chunked, identity": b"Transfer-Encoding: chunked, identity",
    "xchunked": b"Transfer-Encoding: xchunked",
    "VT before chunked": b"Transfer-Encoding: \x0bchunked",
    # A server that ignores this name takes all of it for the body, which the site refuses because it is not JSON.
    "Transfer_Encoding": b"Transfer_Encoding: chunked\r\nContent-Length: %d" % len(BEHIND),
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6",
    "+5": b"Content-Length: +5",
}


# The site answers a logout without a token with 200, so a refusal can only be because of the framing.
LOGOUT = b"POST /jwt/auth/logout HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"


def smuggled(server: Server) -> str:
    """A body with two different ends is refused, and what follows is not taken for a second request."""
    return taken(server, {name: LOGOUT + framing + b"\r\n\r\n" + BEHIND for name, framing in FRAMINGS.items()})


def chunks(server: Server) -> str:
    """A chunked body is answered with 411: the site reads only bodies with a length. A next request may follow."""
    found = statuses(ask(server, LOGOUT + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + NOTHING))
    return "" if found in ([411], [411, 200]) else f"{found}"


# ── Health and output ─────────────────────────────────────────────────────────────────────────


def health(server: Server) -> str:
    """`/healthz` answers while all threads wait for a store that hangs."""
    whoami = b"GET /session/api/whoami HTTP/1.1\r\n" + CLOSE + log_in(server) + b"\r\n"
    if statuses(ask(server, whoami)) != [200]:
        return "whoami is not 200"
    with ThreadPoolExecutor(CROWD) as pool, stopped(server.store()):
        waiting = [pool.submit(ask, server, whoami) for _ in range(CROWD)]
        time.sleep(0.3)
        started = time.monotonic()
        answered = statuses(ask(server, HEALTHZ))
        took = time.monotonic() - started
        found = {status for one in waiting for status in statuses(one.result())}
    end = time.monotonic() + 10
    while statuses(ask(server, whoami)) != [200] and time.monotonic() < end:
        time.sleep(0.2)
    if found != {503}:
        return f"the others are {found}"
    return "" if answered == [200] and took < 0.5 else f"{answered} after {took:.1f} s"


@contextlib.contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    """Stops the process for the time of the block, as if it hung."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def output(server: Server) -> str:
    """The output is a line of JSON for a good request and for one that is not HTTP, and nothing else."""
    since = len(server.written())
    ask(server, HEALTHZ)
    ask(server, b"GET / HTP/1.1\r\n" + CLOSE + b"\r\n", PROMPT)
    time.sleep(0.5)
    lines = server.written()[since:].splitlines()
    if text := [line for line in lines if not _is_object(line)]:
        return f"{len(text)} lines of plain text: {text[0][:60]}"
    routes = [json.loads(line).get("route") for line in lines]
    said = [] if routes.count("healthz") == 1 else [f"{routes.count('healthz')} lines for a good request"]
    return ", ".join(said + ([] if len(lines) > len(routes) - routes.count(None) else ["none for broken HTTP"]))


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


# ── Processes ─────────────────────────────────────────────────────────────────────────────────


def refused_setting(start: Start) -> str:
    """If the site refuses a setting, the server ends with the site's sentence and a status that is not 0."""
    with start(wait=False, SECRET_KEY="") as server:
        try:
            status = server.process.wait(20)
        except psutil.TimeoutExpired:
            return "it goes on"
        text = server.written()
    said = ["status 0"] if status == 0 else []
    said += [] if "SECRET_KEY" in text else ["does not say why"]
    return ", ".join(said + (["a traceback"] if "Traceback" in text else []))


def sigterm(start: Start) -> str:
    """At SIGTERM a running request is finished, and then all processes end."""
    with start() as server, ThreadPoolExecutor(1) as pool:
        family = [server.process, *server.process.children(recursive=True)]
        running = pool.submit(ask, server, NOTHING.replace(b"nothing", b"slow"))
        time.sleep(0.4)
        server.process.send_signal(signal.SIGTERM)
        answered = statuses(running.result())
        try:
            status = server.process.wait(15)
        except psutil.TimeoutExpired:
            return "still there after 15 s"
        left = [process for process in psutil.wait_procs(family[1:], timeout=5)[1] if _works(process)]
    said = [] if answered == [200] else [f"the running request: {answered or 'cut off'}"]
    said += [] if status in (0, -signal.SIGTERM) else [f"status {status}"]
    return ", ".join(said + ([f"{len(left)} processes left"] if left else []))


def _works(process: psutil.Process) -> bool:
    """Whether the process still runs: it is not a zombie, whose new parent has not yet read its status."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def sigkill(start: Start) -> str:
    """If the first process is killed, and so cannot tell the others, they end too."""
    with start() as server:
        others = server.process.children(recursive=True)
        server.process.kill()
        server.process.wait(5)
        left = [process for process in psutil.wait_procs(others, timeout=10)[1] if _works(process)]
        answers = bool(statuses(ask(server, NOTHING, 1)))
        for process in left:
            process.kill()
    return f"{len(left)} processes go on{' serving' * answers}" if left or answers else ""


def tls(start: Start) -> str:
    """The server answers over TLS, silent clients do not delay others, and a handshake that stops is ended."""
    with start(tls=True) as server:
        if statuses(ask(server, HEALTHZ)) != [200]:
            return "no answer over TLS"
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
        with plain(server.port) as half:
            half.sendall(hello)
            said = slow(server, b"")
            ended = not is_open(half, b"")
    return ", ".join(filter(None, [said and f"silent clients: {said}", "" if ended else "half a handshake stays"]))


REQUESTS: dict[str, Callable[[Any], str]] = {
    "a foreign cookie": foreign_cookie,
    "two Cookie lines": cookie_lines,
    "disguised names": disguised_names,
    "long heads": long_heads,
    "broken HTTP": broken_http,
    "two ends of a body": smuggled,
    "chunks": chunks,
    "heads that stop": stopped_heads,
    "heads that drip": dripping_heads,
    "bodies that stop": stopped_bodies,
    "silent clients": silent,
    "clients that stay": staying,
    "health": health,
    "output": output,
}
PROCESSES: dict[str, Callable[[Any], str]] = {
    "a refused setting": refused_setting,
    "SIGTERM": sigterm,
    "SIGKILL": sigkill,
    "TLS": tls,
}
