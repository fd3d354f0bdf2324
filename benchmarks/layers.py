"""Where the time of one request goes: `make bench PROFILE=1`, or `python -m benchmarks.layers --requests 600`.

The requests go to `config.wsgi.application` in this process, set up as in production, with a store and a database in a
temporary folder. In half of the requests the functions of `wrapping.LAYERS` are wrapped, in the other half they are
not, in turn. The time of a layer does not include the layers that it calls, so the layers of a request add up to the
whole request. The wrappers take time themselves. That time is measured first and subtracted.

There is one thread and no other load. Only the ratios can be compared with another machine.
"""

import argparse
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any
from wsgiref.util import setup_testing_defaults

from benchmarks.stopwatch import Stopwatch
from benchmarks.wrapping import LAYERS, REST, installed, middlewares

# Requests in a row with or without wrappers, and requests before them that are not counted: after a function was
# replaced, the interpreter needs some calls until it is as fast as before.
BLOCK, WARM_UP = 10, 5
SUMMARY = {
    "sum": "sum of the layers",
    "plain": "the same request without wrappers",
    "wrappers": "what the wrappers cost, not in the sum",
    "spread": "difference between the halves of the run, %",
}
LATEST = Path(__file__).parent / "results" / "latest.json"
EMAIL, PASSWORD = "alice@example.com", "correct horse alice"
ORIGIN = "https://localhost"


def main(words: list[str] | None = None) -> None:
    """Sets up a site, measures, and prints a table, or JSON with `--json`. Raises as `profile` does."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layers", description="Microseconds a layer.")
    parser.add_argument("--requests", type=int, default=300, help="of each kind, with wrappers and again without")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    options = parser.parse_args(words)
    if options.requests < 2:
        parser.error("--requests must be 2 or more")
    with site():
        from django.contrib.auth import get_user_model

        get_user_model().objects.create_user(EMAIL, PASSWORD)
        report = profile(options.requests)
    print(json.dumps(report, indent=1) if options.json else as_table(report))


@contextmanager
def site() -> Iterator[None]:
    """Sets up Django as in production, with a temporary store and database. Can be used once in a process."""
    with tempfile.TemporaryDirectory(prefix="layers-") as folder, (Path(folder) / "log").open("w") as log:
        # Without these, this would use the data and the proxies of the site that is configured on this machine.
        for name in ("REDIS_URL", "DATABASE_URL", "TRUSTED_PROXIES", "HTTPS"):
            os.environ.pop(name, None)
        keys = {name: os.urandom(32).hex() for name in ("SECRET_KEY", "JWT_ACCESS_KEYS", "JWT_REFRESH_KEYS")}
        os.environ.update(keys, ENV_FILE=os.devnull, DEMO="0", ALLOWED_HOSTS="localhost", SITE_URL=ORIGIN)
        os.environ.update(VAR_DIR=folder, EMAIL_URL="smtp://localhost", DJANGO_SETTINGS_MODULE="config.settings")
        # The log writes to the standard output that it finds when it is set up.
        with redirect_stdout(log):
            from config import command, run

            run.prepare()
            with command.running_store(), _second_connection():
                yield


@contextmanager
def _second_connection() -> Iterator[None]:
    """Holds the database open, as the site's housekeeping does.

    Without it, a request would close the last connection, and SQLite would clear up the write-ahead log each time.
    """
    from django.conf import settings

    with closing(sqlite3.connect(settings.DATABASES["default"]["NAME"], uri=True)) as database:
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield


def profile(requests: int) -> dict[str, Any]:
    """Microseconds of each layer, for each target: `requests` with wrappers, and as many without.

    Needs a store, and the user Alice in the database. Raises `LookupError` if the table of layers names a function
    that does not exist, and `RuntimeError` if an answer is not a 2xx.
    """
    targets = log_in()
    measured = {target.name: Measured() for target in targets}
    watch = Stopwatch()
    watch.calibrate()
    for done in range(0, requests, BLOCK):
        # Each block begins with another target, and takes the wrapped requests first in every second block.
        at, counted = done // BLOCK % len(targets), min(BLOCK, requests - done)
        for target in targets[at:] + targets[:at]:
            for wrapped in (at % 2 == 0, at % 2 == 1):
                _run_block(target, measured[target.name], counted, watch if wrapped else None)
    found = {name: entry.as_json() for name, entry in measured.items()}
    return {"unit": "µs", "requests": requests, "targets": found, "server": server_time()}


@dataclass
class Target:
    """A request that is sent again and again. With `rotates`, it sends the refresh token of the previous answer."""

    name: str
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    rotates: bool = False

    def environ(self) -> dict[str, Any]:
        """The WSGI environ that a server would pass to the application."""
        environ: dict[str, Any] = {"REQUEST_METHOD": self.method, "PATH_INFO": self.path, "HTTP_HOST": "localhost"}
        environ |= {"REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "https", **self.headers}
        if self.body is not None:
            data = json.dumps(self.body).encode()
            environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(data))}
            environ["wsgi.input"] = BytesIO(data)
        setup_testing_defaults(environ)
        return environ

    def take(self, answer: "Answer") -> None:
        """Checks an answer, and takes the refresh token of it. Raises `RuntimeError` unless it is a 2xx."""
        if not answer.status.startswith("2"):
            raise RuntimeError(f"{self.name} was answered {answer.status}: {answer.body[:200]!r}")
        if self.rotates:
            self.body = {"refreshToken": json.loads(answer.body)["refreshToken"]}


@dataclass(frozen=True)
class Answer:
    """What the application answered."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


def log_in() -> list[Target]:
    """The targets, each with a new credential of Alice."""
    credentials = {"email": EMAIL, "password": PASSWORD}
    token_login = Target("token login", "POST", "/jwt/auth/login", body=credentials | {"transport": "body"})
    tokens = json.loads(ask(token_login).body)
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {tokens['accessToken']}"}
    cookie = {"HTTP_COOKIE": _session_cookie(credentials)}
    return [
        Target("session whoami", "GET", "/session/api/whoami", cookie),
        Target("token whoami", "GET", "/jwt/api/whoami", bearer),
        Target("session profile", "GET", "/session/api/profile", cookie),
        Target("token profile", "GET", "/jwt/api/profile", bearer),
        Target("refresh", "POST", "/jwt/auth/refresh", body={"refreshToken": tokens["refreshToken"]}, rotates=True),
        token_login,
    ]


def _session_cookie(credentials: dict[str, str]) -> str:
    csrf = _cookies(ask(Target("CSRF", "GET", "/session/api/")))
    name = next(name for name in csrf if "csrf" in name)
    headers = {"HTTP_COOKIE": f"{name}={csrf[name]}", "HTTP_X_CSRFTOKEN": csrf[name], "HTTP_ORIGIN": ORIGIN}
    cookies = _cookies(ask(Target("session login", "POST", "/session/auth/login", headers, credentials)))
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def _cookies(answer: Answer) -> dict[str, str]:
    jar = SimpleCookie("; ".join(value.partition(";")[0] for name, value in answer.headers if name == "Set-Cookie"))
    return {name: morsel.value for name, morsel in jar.items()}


def ask(target: Target) -> Answer:
    """Sends the request of the target once. The target checks the answer."""
    answer = serve(target.environ())
    target.take(answer)
    return answer


def serve(environ: dict[str, Any]) -> Answer:
    """Does what a server does after it has read a request: calls the application, takes its answer, closes it."""
    from config import wsgi

    head: list[Any] = []
    response: Any = wsgi.application(environ, lambda *sent: head.extend(sent))
    body = b"".join(response)
    response.close()
    return Answer(head[0], head[1], body)


@dataclass
class Measured:
    """Nanoseconds of each request of one target, without wrappers and with them. `costs` is what was subtracted."""

    plain: list[int] = field(default_factory=list)
    wrapped: list[dict[str, int]] = field(default_factory=list)
    costs: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Medians in µs. `wrappers` is what was subtracted for the wrappers. `spread` is the difference between the two
        halves of the run in percent: the larger one of the sum of the layers and of the plain request."""
        half = len(self.plain) // 2
        plain, total = _median(self.plain), _median([sum(times.values()) for times in self.wrapped])
        sums = [_median([sum(times.values()) for times in part]) for part in (self.wrapped[:half], self.wrapped[half:])]
        plains = [_median(part) for part in (self.plain[:half], self.plain[half:])]
        spread = max(abs(sums[0] - sums[1]) / total, abs(plains[0] - plains[1]) / plain)
        names = {name for times in self.wrapped for name in times}
        layers = {name: _median([times.get(name, 0) for times in self.wrapped]) for name in sorted(names)}
        return {
            "layers": layers,
            "sum": round(sum(layers.values()), 1),
            "plain": plain,
            "wrappers": _median(self.costs),
            "spread": round(100 * spread, 1),
        }


def _median(nanoseconds: list[int]) -> float:
    return round(median(nanoseconds) / 1000, 1)


def _run_block(target: Target, measured: Measured, counted: int, watch: Stopwatch | None) -> None:
    from jwt_demo.housekeeping import keep_complete

    # The site's housekeeping renews the denylist's lease each second. Without this, a request would have to.
    keep_complete()
    with installed(watch) if watch else nullcontext():
        for turn in range(-WARM_UP, counted):
            took = _ask_timed(target, watch)
            if turn < 0:
                continue
            if watch:
                measured.wrapped.append(dict(watch.times))
                measured.costs.append(watch.cost)
            else:
                measured.plain.append(took)


def _ask_timed(target: Target, watch: Stopwatch | None) -> int:
    environ, ask_site = target.environ(), serve
    if watch:
        watch.begin()
        ask_site = watch.wrap(REST, serve)
    started = time.perf_counter_ns()
    answer = ask_site(environ)
    took = time.perf_counter_ns() - started
    target.take(answer)
    return took


def server_time() -> dict[str, Any]:
    """What gunicorn adds to a request: the processor time in µs of `bare-gunicorn` in the last run of `make bench`.

    `cpu` is `None` if there was no such run.
    """
    rows = json.loads(LATEST.read_text())["speed"] if LATEST.exists() else []
    found = [row for row in rows if row["operation"] == "nothing" and row["contestant"] == "bare-gunicorn"]
    return {"cpu": found[0]["cpu"] if found else None, "source": f"bare-gunicorn in {LATEST.name}"}


def as_table(report: dict[str, Any]) -> str:
    """A row for each layer, a column for each target. A dash: the target's requests do not use the layer."""
    columns = report["targets"].values()
    order = [REST, *middlewares(), *LAYERS]
    rows = [[name, *(column["layers"].get(name) for column in columns)] for name in order]
    rows = [row for row in rows if any(row[1:])]
    for key, label in SUMMARY.items():
        rows.append([label, *(column[key] for column in columns)])
    head = [f"µs, median of {report['requests']}", *report["targets"]]
    text = _aligned([head, *([_cell(value) for value in row] for row in rows)])
    text.insert(-len(SUMMARY), "-" * len(text[0]))
    return "\n".join([*text, "", _server_line(report["server"])])


def _aligned(lines: list[list[str]]) -> list[str]:
    first, *others = [max(map(len, column)) for column in zip(*lines, strict=True)]
    cells = [(line[0].ljust(first), *map(str.rjust, line[1:], others)) for line in lines]
    return ["  ".join(line) for line in cells]


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.1f}" if value else "-"


def _server_line(server: dict[str, Any]) -> str:
    if server["cpu"] is None:
        return "The server's own time is not known. `make bench` measures it."
    return f"The server adds {server['cpu']} µs of processor time to a request ({server['source']})."


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
