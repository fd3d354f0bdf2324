"""Sends requests to a server with wrk, for a limited time, and measures the answers.

Every answer that is counted is a 2xx of the process that was started. Any other answer ends the run.
"""

import json
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.servers import OTHER_CORES, Server, pinned

CONNECTIONS = 16
SCRIPT = Path(__file__).with_name("load.lua")
MISSING = "There is no wrk on the PATH. It sends the requests. On Debian: apt install wrk"
# Seconds within which a script that is sent once must be answered.
ONCE = 60
# Seconds of processor time. The kernel counts in hundredths: a smaller value would be wrong by more than 5 %.
MEASURABLE = 0.2
# The placeholder for a token in the template of a request.
TOKEN = "TOKEN"  # noqa: S105


@dataclass(frozen=True)
class Request:
    """One request. `str` of it is what wrk sends."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    @property
    def head(self) -> str:
        """The head without `Content-Length`, because the body may have a placeholder for a token."""
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\r\n".join([*lines, ""])

    def __str__(self) -> str:
        if self.method == "GET":
            return f"{self.head}\r\n"
        return f"{self.head}Content-Length: {len(self.body)}\r\n\r\n{self.body}"


@dataclass(frozen=True)
class Next:
    """The next request, with `TOKEN` in it, and the cookie or JSON field of an answer that contains the token."""

    request: Request
    cookie: str = ""
    field: str = ""

    @property
    def pattern(self) -> str:
        """The Lua pattern that finds the token in an answer."""
        name = re.sub(r"(\W)", r"%\1", self.cookie or self.field)
        return f"{name}=([^;]+)" if self.cookie else f'"{name}"%s*:%s*"([^"]+)"'


@dataclass(frozen=True)
class Script:
    """Requests that all connections send in turn: again and again, each `once`, or each followed by its `next`."""

    requests: tuple[Request, ...]
    once: bool = False
    next: Next | None = None

    def as_lua(self) -> str:
        """The file that `load.lua` reads."""
        fields = [f"requests = {{{', '.join(_quoted(str(request)) for request in self.requests)}}}"]
        fields.append(f"once = {json.dumps(self.once)}")
        if it := self.next:
            texts = {"head": it.request.head, "body": it.request.body, "pattern": it.pattern}
            inner = ", ".join(f"{name} = {_quoted(text)}" for name, text in texts.items())
            fields.append(f"next = {{{inner}, cookie = {json.dumps(bool(it.cookie))}}}")
        return f"return {{{', '.join(fields)}}}\n"


@dataclass(frozen=True)
class Load:
    """The result of one run.

    The number of requests, requests a second, three percentiles in milliseconds, and the server's processor time for
    each request in µs, `None` if the run was too short to measure it.
    """

    requests: int
    rate: float
    p50: float
    p95: float
    p99: float
    cpu: float | None


def run(server: Server, script: Script, seconds: int) -> Load:
    """Sends the script for `seconds`, or, with `once`, until all of it is answered.

    Raises `RuntimeError` if an answer is not a 2xx, a connection fails, another process listens on the port, or the
    server is still busy long after the last answer.
    """
    server.assert_listens_alone()
    before = server.cpu()
    found = _measured(_wrk(server, script, seconds), script)
    server.settle()
    used = server.cpu() - before
    server.assert_listens_alone()
    # When the time is over, the server still answers one request of each connection, which wrk does not count.
    answered = found.requests + (0 if script.once else CONNECTIONS)
    return replace(found, cpu=used / answered * 1e6 if used >= MEASURABLE else None)


def _wrk(server: Server, script: Script, seconds: int) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        work, output = Path(folder) / "work.lua", Path(folder) / "output"
        work.write_text(script.as_lua())
        duration = ONCE if script.once else seconds
        sizes = ["--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{duration}s", "--timeout", "20s"]
        command = pinned(["wrk", *sizes, "--script", str(SCRIPT), server.base, "--", str(work)], OTHER_CORES)
        with output.open("w") as file:
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        _wait(process, work.with_name("work.lua.done"), duration + ONCE)
        said = output.read_text()
    if process.returncode:
        raise RuntimeError(f"wrk failed: {said}")
    return said.splitlines()


def _wait(process: subprocess.Popen[bytes], done: Path, seconds: int) -> None:
    """Waits until wrk has ended. Interrupts it when the file `done` exists, and kills it after `seconds`."""
    end = time.monotonic() + seconds
    try:
        while process.poll() is None and time.monotonic() < end:
            if done.exists():
                # Sent again and again, because wrk ignores the signal while it starts.
                process.send_signal(signal.SIGINT)
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()


def _measured(lines: list[str], script: Script) -> Load:
    at = next(number for number, line in enumerate(lines) if line.startswith('{"requests"'))
    seen = json.loads(lines[at])
    # In a script that is sent once, a connection waits when no request is left, and the server may close it. A request
    # that was lost is missed below.
    lost = seen["failed"] + (0 if script.once else seen["closed"])
    if seen["bad"] or lost or not seen["requests"]:
        raise RuntimeError(f"{script.requests[0].path}: {lines[at]} {' '.join(lines[at + 1 :])}")
    if script.once and seen["requests"] != len(script.requests):
        raise RuntimeError(f"{script.requests[0].path}: {seen['requests']} of {len(script.requests)} in {ONCE} s")
    rate = seen["requests"] / seen["seconds"]
    return Load(seen["requests"], rate, seen["p50"], seen["p95"], seen["p99"], cpu=None)


def _quoted(text: str) -> str:
    """A Lua string. JSON's notation is also Lua's if every character is printable ASCII, CR or LF."""
    if not re.fullmatch(r"[\r\n\x20-\x7e]*", text):
        raise ValueError(f"not plain ASCII: {text!r}")
    return json.dumps(text)


def is_available() -> bool:
    """Whether wrk is installed."""
    return shutil.which("wrk") is not None
