"""`python -m benchmarks.candidates`: runs the checks of `raw_checks` on servers that could serve the site.

Each candidate is installed into a folder of its own under `var/servers`, configured as strictly as its options allow,
and serves the site with one process and a real Valkey. The command prints the results of the checks, and the processor
time of a request compared with gunicorn as the site configures it. `--only NAME` checks only that server;
`--without-costs` measures no processor time.
"""

import argparse
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from benchmarks import raw, raw_checks
from benchmarks.servers import CORES, OTHER_CORES, SERVER_CORES, free_port, listens_alone, pinned
from config.environment import ROOT

SERVERS = ROOT / "var" / "servers"
# Seconds within which a server must answer, and must have ended.
START, END = 30, 10
ROUNDS, SECONDS, CONNECTIONS = 3, 2, 16


@dataclass(frozen=True)
class Candidate:
    """A server. `command` is the arguments of `python`; `tls` is further arguments for TLS, `None` if it has no TLS."""

    name: str
    requirements: tuple[str, ...]
    command: str
    tls: str | None
    # The content of `file.py` in the folder of each run.
    file: str = ""


GUNICORN = "-m gunicorn --config config/gunicorn.py benchmarks.probe"
CHEROOT = """
import sys
from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server
from benchmarks.probe import application
server = Server(("127.0.0.1", int(sys.argv[1])), application, numthreads=8, max=8, timeout=10)
server.max_request_header_size = 8192
if sys.argv[2:]:
    server.ssl_adapter = BuiltinSSLAdapter(*sys.argv[2:])
server.safe_start()
"""


def gunicorn_with(name: str, lines: str, *requirements: str) -> Candidate:
    """gunicorn as the site configures it, with these lines added to its configuration."""
    command = "-m gunicorn --config {folder}/file.py benchmarks.probe"
    return Candidate(name, requirements, command, "", f"from config.gunicorn import *\n{lines}\n")


CANDIDATES = (
    Candidate("gunicorn", (), GUNICORN, ""),
    gunicorn_with("gunicorn, C parser", 'http_parser = "fast"', "gunicorn_h1c==0.6.10"),
    gunicorn_with("gunicorn, stock worker", 'worker_class = "gthread"'),
    Candidate(
        "granian",
        ("granian==2.8.9",),
        "-m granian --interface wsgi --host 127.0.0.1 --port {port} --workers 1 --blocking-threads 8 --http 1 --no-ws"
        " --http1-buffer-size 8192 --http1-header-read-timeout 10000 --log-config {log} benchmarks.probe:application",
        "--ssl-certificate {certificate} --ssl-keyfile {key}",
    ),
    Candidate("cheroot", ("cheroot==11.1.2",), "{folder}/file.py {port}", "{certificate} {key}", CHEROOT),
    Candidate(
        "waitress",
        ("waitress==3.0.2",),
        "-m waitress --listen=127.0.0.1:{port} --threads=8 --max-request-header-size=8192 --channel-timeout=10"
        " --cleanup-interval=1 benchmarks.probe:application",
        None,
    ),
    Candidate(
        "uvicorn",
        ("uvicorn==0.54.0", "httptools", "uvloop"),
        "-m uvicorn --host 127.0.0.1 --port {port} --no-access-log --log-config {log} --timeout-graceful-shutdown 3"
        " benchmarks.probe:asgi",
        "--ssl-certfile {certificate} --ssl-keyfile {key}",
    ),
    Candidate(
        "hypercorn",
        ("hypercorn==0.18.0",),
        "-m hypercorn --config file:{folder}/file.py --bind 127.0.0.1:{port} --log-config json:{log}"
        " benchmarks.probe:asgi",
        "--certfile {certificate} --keyfile {key}",
        "h11_max_incomplete_size = 8192\nread_timeout = 10\n",
    ),
    Candidate(
        "uWSGI",
        ("pyuwsgi==2.0.30.post1",),
        "{installed}/bin/uwsgi --http 127.0.0.1:{port} --master --die-on-term --no-orphans --need-app --enable-threads"
        ' --threads 8 --buffer-size 8192 --disable-logging --log-encoder json:{{"message":"${{msg}}"}}'
        " --http-timeout 10 --socket-timeout 10 --http-keepalive=10 --wsgi benchmarks.probe",
        None,
    ),
    Candidate("bjoern", ("bjoern==3.2.2",), "", None),
)


def main(words: list[str]) -> None:
    """Checks the candidates, measures them and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.candidates")
    parser.add_argument("--only", action="append", choices=[it.name for it in CANDIDATES], default=[])
    parser.add_argument("--without-costs", action="store_true")
    options = parser.parse_args(words)
    chosen = [it for it in CANDIDATES if not options.only or it.name in options.only]
    with Ground() as ground:
        absent = {it.name: why for it in chosen if (why := install(it))}
        there = [it for it in chosen if it.name not in absent]
        found = check_all(ground, there)
        costs = {} if options.without_costs else measure(ground, there)
    print(table(found, absent, costs))


def install(candidate: Candidate) -> str:
    """Installs the candidate into a folder of its own. Returns "", or the error of pip."""
    folder = place(candidate)
    if not candidate.requirements or (folder / "installed").exists():
        return ""
    shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(folder)]
    done = subprocess.run([*pip, *candidate.requirements], capture_output=True, text=True)
    if done.returncode:
        errors = [line.strip() for line in done.stderr.splitlines() if "error: " in line.lower()]
        return next((line for line in errors if "fatal" in line), (errors or ["pip failed"])[0])
    (folder / "installed").touch()
    return ""


def place(candidate: Candidate) -> Path:
    """The folder of its packages."""
    return SERVERS / re.sub(r"\W+", "-", candidate.name)


class Ground:
    """What all candidates share: a prepared site, its store, a certificate."""

    def __enter__(self) -> "Ground":
        self.folder = Path(tempfile.mkdtemp(prefix="servers-"))
        keys = {"SECRET_KEY": secrets.token_urlsafe(48)}
        own = {"ENV_FILE": os.devnull, "VAR_DIR": str(self.folder / "var"), "ALLOWED_HOSTS": "localhost", "DEMO": "1"}
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.environment = kept | keys | own | {"WEB_WORKERS": "1", "PYTHONUNBUFFERED": "1"}
        prepare = [sys.executable, "-m", "config.command", "check"]
        subprocess.run(prepare, cwd=ROOT, env=self.environment, check=True, stdout=subprocess.DEVNULL)
        store = [sys.executable, "-m", "config.store"]
        self.store = psutil.Popen(store, cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL)
        self._certify()
        self._write_log_configuration()
        return self

    def __exit__(self, *_: object) -> None:
        # SIGKILL also ends a store that a check has stopped. Its data is not needed any more.
        self.store.kill()
        self.store.wait(END)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _certify(self) -> None:
        issued = trustme.CA().issue_cert("localhost")
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        # granian reads only keys in PKCS #8.
        (self.folder / "site.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        for number, part in enumerate(issued.cert_chain_pems):
            part.write_to_path(str(self.folder / "site.pem"), append=number > 0)

    def _write_log_configuration(self) -> None:
        from config.gunicorn import logconfig_dict

        (self.folder / "log.json").write_text(json.dumps(logconfig_dict))


class Running:
    """A candidate that runs inside the `with` block. The end of the block ends all of its processes."""

    def __init__(
        self,
        ground: Ground,
        candidate: Candidate,
        wait: bool = True,
        tls: bool = False,
        cores: list[int] = CORES,
        **environment: str,
    ) -> None:
        self.ground, self.candidate, self.wait, self.tls, self.cores = ground, candidate, wait, tls, cores
        if tls and candidate.tls is None:
            raise raw.NotServing("has no TLS")
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(dir=ground.folder))
        (self.folder / "file.py").write_text(candidate.file)
        self.installed = place(candidate)
        own = {"PORT": str(self.port), "PYTHONPATH": f"{self.installed}:{ROOT}"}
        own |= {"TLS_FOLDER": str(ground.folder)} if tls else {}
        self.environment = ground.environment | own | environment

    def __enter__(self) -> "Running":
        names = {"port": self.port, "folder": self.folder, "installed": self.installed}
        files = {name: self.ground.folder / file for name, file in FILES.items()}
        command = self.candidate.command + (f" {self.candidate.tls}" if self.tls else "")
        words = [word.format(**names, **files) for word in command.split()]
        with (self.folder / "log").open("wb") as log:
            self.process = psutil.Popen(
                pinned([sys.executable, *words], self.cores),
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if self.wait:
            self._wait()
        return self

    def _wait(self) -> None:
        end = time.monotonic() + START
        while raw.statuses(raw.ask(self, raw.NOTHING, 1)) != [200]:
            if self.process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise raw.NotServing(f"does not start: {self.written()[-200:]}")
            time.sleep(0.1)
        if not listens_alone(self.process, self.port):
            self.__exit__()
            raise raw.NotServing("does not start: another process answers on its port")

    def __exit__(self, *_: object) -> None:
        # The whole process group, because a process whose parent was killed is no longer a child of this one.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(END)

    def written(self) -> str:
        """Its output."""
        return (self.folder / "log").read_text(errors="replace")

    def store(self) -> psutil.Process:
        """The store of its site."""
        return self.ground.store


FILES = {"certificate": "site.pem", "key": "site.key", "log": "log.json"}


def check_all(ground: Ground, candidates: list[Candidate]) -> dict[str, dict[str, str]]:
    """The result of every check for each candidate: "" if it passed."""
    names = [*raw_checks.REQUESTS, *raw_checks.PROCESSES]
    together = [(candidate, name) for candidate in candidates for name in names if name != "health"]
    # At the same time, because most checks wait for slow clients.
    with ThreadPoolExecutor(4) as pool:
        said = dict(zip(together, pool.map(lambda job: check(ground, *job), together), strict=True))
    # One after the other, because this check stops the store, which all candidates share.
    said |= {(candidate, "health"): check(ground, candidate, "health") for candidate in candidates}
    return {candidate.name: {name: said[candidate, name] for name in names} for candidate in candidates}


def check(ground: Ground, candidate: Candidate, name: str) -> str:
    """The result of one check: "" if it passed. A server that does not start fails."""
    start = partial(Running, ground, candidate)
    try:
        if name in raw_checks.PROCESSES:
            return raw_checks.PROCESSES[name](start)
        with start() as server:
            said = raw_checks.REQUESTS[name](server)
            return said if server.process.poll() is None else f"{said} and it ended"
    except raw.NotServing as error:
        return str(error)
    except (OSError, psutil.Error, ValueError) as error:
        return f"{type(error).__name__}: {error}"


# ── Costs ─────────────────────────────────────────────────────────────────────────────────────


def measure(ground: Ground, candidates: list[Candidate]) -> dict[str, dict[str, float]]:
    """Processor time in µs of an empty request and of a whoami with a session: medians of interleaved rounds."""
    taken: dict[str, dict[str, list[float]]] = {it.name: {"nothing": [], "whoami": []} for it in candidates}
    with contextlib.ExitStack() as stack:
        servers = {}
        for candidate in candidates:
            with contextlib.suppress(raw.NotServing):
                servers[candidate.name] = stack.enter_context(Running(ground, candidate, cores=SERVER_CORES))
        cookies = {name: raw.log_in(server).decode().strip() for name, server in servers.items()}
        for _ in range(ROUNDS):
            for name, server in servers.items():
                for what, path in PATHS.items():
                    taken[name][what].append(cost(server, path, cookies[name]))
    return {name: {what: statistics.median(costs) for what, costs in of.items() if costs} for name, of in taken.items()}


PATHS = {"nothing": "/probe/nothing", "whoami": "/session/api/whoami"}


def cost(server: Running, path: str, cookie: str) -> float:
    """Processor time in µs of all its processes, for each request of a short load.

    Raises `NotServing` if an answer is not a 2xx.
    """
    load = ["wrk", *f"-t 1 -c {CONNECTIONS} -d {SECONDS}s".split(), "-H", "Host: localhost", "-H", cookie]
    load.append(f"http://127.0.0.1:{server.port}{path}")
    before = processor_time(server)
    said = subprocess.run(pinned(load, OTHER_CORES), capture_output=True, text=True, check=True)
    used = processor_time(server) - before
    [requests] = re.findall(r"(\d+) requests in", said.stdout)
    if "Non-2xx" in said.stdout or not int(requests):
        raise raw.NotServing(said.stdout)
    return used / int(requests) * 1e6


def processor_time(server: Running) -> float:
    """Processor time in seconds of all its processes so far."""
    times = [process.cpu_times() for process in (server.process, *server.process.children(recursive=True))]
    return sum(time.user + time.system for time in times)


# ── The table ─────────────────────────────────────────────────────────────────────────────────


def table(found: dict[str, dict[str, str]], absent: dict[str, str], costs: dict[str, dict[str, float]]) -> str:
    """A Markdown table of the checks passed and the costs, then a list of the checks that failed."""
    base = costs.get("gunicorn", {})
    lines = ["| server | checks passed | µs, nothing | µs, whoami |", "| --- | --- | --- | --- |"]
    for name, said in found.items():
        of = costs.get(name, {})
        cells = [f"{of[what]:.0f}{ratio(of[what], base.get(what))}" if what in of else "–" for what in PATHS]
        lines.append(" | ".join([f"| {name}", f"{list(said.values()).count('')} of {len(said)}", *cells]) + " |")
    for name, said in found.items():
        wrong = [f"- {what}: {how}" for what, how in said.items() if how]
        lines += [f"\n{name}:", *wrong] if wrong else []
    return "\n".join(lines + [f"\n{name} does not install: {why}" for name, why in absent.items()])


def ratio(cost: float, base: float | None) -> str:
    """The cost divided by gunicorn's, in brackets."""
    return f" ({cost / base:.2f})" if base else ""


if __name__ == "__main__":
    main(sys.argv[1:])
