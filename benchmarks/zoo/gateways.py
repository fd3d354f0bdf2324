"""Gateways in the usual and in a strict set-up, in front of a service that keeps the bytes that it receives.

Needs the programs: Caddy of the wheel, and Caddy, nginx and HAProxy of the system.
"""

import getpass
import os
import re
import shutil
import socket
import socketserver
import subprocess
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.servers import free_port
from benchmarks.zoo import configurations
from benchmarks.zoo.cases import SECRET, USER, Case, fault, requests

# Seconds within which an answer must have ended, and within which a gateway must listen or have ended.
PATIENCE, START = 5, 15
# Seconds for which the service waits for more bytes after a body.
REST = 0.3


@dataclass(frozen=True)
class Gateway:
    """One set-up. `mends` says by group what only the set-up `mended_by` has; it is empty for a strict one."""

    name: str
    program: str
    arguments: tuple[str, ...]
    text: str
    mends: dict[str, str]
    mended_by: str


def all_gateways() -> list[Gateway]:
    """Each usual set-up, and its strict one after it."""
    found = []
    for name, it in configurations.SET_UPS.items():
        path, strict = _path(it.program), f"{name.partition(',')[0]}, strict"
        found.append(Gateway(name, path, it.arguments, it.usual, it.mends, strict))
        if it.strict:
            found.append(Gateway(strict, path, it.arguments, it.strict, {}, ""))
    return found


def _path(program: str) -> str:
    if program == "wheel":
        return str(Path(sysconfig.get_path("scripts")) / "caddy")
    # Debian installs some of these where only root's PATH looks. The PATH may have the virtual environment's Caddy.
    return shutil.which(program, path="/usr/bin:/usr/local/bin:/usr/sbin:/usr/local/sbin") or f"/usr/bin/{program}"


def is_there(gateway: Gateway) -> bool:
    """Whether its program is on this machine."""
    return Path(gateway.program).is_file()


class Behind(socketserver.ThreadingTCPServer):
    """The service behind the gateway: keeps what it receives, and answers each connection once."""

    daemon_threads, allow_reuse_address, request_queue_size = True, True, 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keep)
        self.received: list[bytes] = []


class _Keep(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.settimeout(REST)
        received = b""
        with suppress(TimeoutError, ConnectionError):
            while part := self.request.recv(65536):
                received += part
                if b"\r\n\r\n" in received and received.startswith(b"GET"):
                    break
        assert isinstance(self.server, Behind)
        if received:
            self.server.received.append(received)
        with suppress(ConnectionError):
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


class Auth(ThreadingHTTPServer):
    """The service that the gateway asks. It lets two sessions in, and names the user for only one of them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        session = (self.headers["Cookie"] or "").removeprefix("session=")
        self.send_response(200 if session in ("good", "nobody") else 401)
        if session == "good":
            self.send_header("X-User-ID", USER)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def running(gateway: Gateway, port_behind: int = 0) -> Iterator[tuple[int, Behind]]:
    """Runs the gateway. Gives its port, and the service behind it, which `port_behind` replaces by another one.

    Raises `RuntimeError` if the gateway does not start.
    """
    with Behind() as behind, Auth() as auth, tempfile.TemporaryDirectory() as name:
        for server in (behind, auth):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        ports = {"port": free_port(), "behind": port_behind or behind.server_address[1], "auth": auth.server_address[1]}
        process = _start(gateway, name, ports)
        try:
            _wait(process, ports["port"], gateway.name)
            yield ports["port"], behind
        finally:
            process.terminate()
            process.communicate(timeout=START)
            behind.shutdown()
            auth.shutdown()


def _start(gateway: Gateway, folder: str, ports: dict[str, int]) -> "subprocess.Popen[bytes]":
    file = Path(folder) / "configuration"
    # If root starts nginx, its workers run as another user, who cannot open the folder.
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    values = {"folder": folder, "file": file, "secret": SECRET, "user": user, **ports}

    def filled(text: str) -> str:
        return re.sub(r"@(\w+)@", lambda found: str(values[found[1]]), text)

    file.write_text(filled(gateway.text))
    return subprocess.Popen(
        [gateway.program, *map(filled, gateway.arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"HOME": folder},
    )


def _wait(process: "subprocess.Popen[bytes]", port: int, name: str) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    if process.poll() is None:
        raise RuntimeError(f"{name} does not listen on its port after {START} s")
    assert process.stderr
    said = " ".join(process.stderr.read().decode()[-400:].split())
    raise RuntimeError(f"{name} does not start: it ended with status {process.returncode}. {said}")


def faults(gateway: Gateway) -> dict[tuple[str, str], str]:
    """What is wrong with each case, by group and name; "" if it is right. Raises as `running` does."""
    found = {}
    with running(gateway) as (port, behind):
        for case in requests():
            found[case.group, case.name] = fault(case, arrived(port, behind, case))
    return found


def arrived(port: int, behind: Behind, case: Case) -> list[bytes]:
    """What the service received by each connection until the gateway closed that of the client."""
    behind.received.clear()
    send(port, case.raw)
    return list(behind.received)


def send(port: int, raw: bytes, patience: float = PATIENCE) -> bytes:
    """Sends these bytes. Returns all that is answered until the gateway closes, or `patience` seconds are over."""
    received, end = b"", time.monotonic() + patience
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), patience) as connection:
        connection.sendall(raw)
        while (left := end - time.monotonic()) > 0:
            connection.settimeout(left)
            if not (part := connection.recv(65536)):
                break
            received += part
    return received


def release(gateway: Gateway) -> str:
    """The version that the program prints."""
    argument = "version" if gateway.program.endswith("caddy") else "-v"
    done = subprocess.run([gateway.program, argument], capture_output=True, text=True)
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    return found[0] if found else "?"
