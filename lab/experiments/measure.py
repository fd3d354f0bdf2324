"""Measures one whoami request in each mode: time, look-ups, bytes on the wire, and what the server stores for it.

One run measures all modes, one request of each in turn, so that other load on this machine slows all of them alike.
The ratios are meaningful on any machine, the milliseconds only on this one. The time is the server's alone, from the
handler's call to its answer, without a network and without the trace.
"""

import csv
import io
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit
from wsgiref.util import setup_testing_defaults

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django_redis import get_redis_connection
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from jwt_demo.models import Policy, TokenFamily
from lab.claims.sandbox import Answer, Sandbox, open_sandbox
from lab.experiments import revocation
from lab.experiments.revocation import BY_KEY, Credential, Strategy
from lab.tracing import sequence, trace
from sessions_demo.models import DeviceSession

MODES = tuple(BY_KEY)
WARM_UP = 3
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
READ_COMMANDS = {"GET", "MGET", "EXISTS", "TTL"}


@dataclass
class Mode:
    """The results of one mode. Times are in milliseconds, sizes in bytes. `ratio` is `p50` divided by the first mode's.

    `keys`, `bytes` and `rows` are what one login leaves behind: in Redis, and in the database. `banned` says how a
    request is answered after a ban.
    """

    key: str
    name: str
    n: int = 0
    p50: float = 0
    p95: float = 0
    ratio: float = 0
    sql: int = 0
    redis: int = 0
    credential: int = 0
    request_head: int = 0
    response_head: int = 0
    keys: float = 0
    bytes: float = 0
    rows: float = 0
    banned: str = ""


@dataclass
class Report:
    """One run. `trace` is the median of a traced request's time divided by the time of the untraced one next to it.
    `logins` is how many logins of each mode were made to count what they leave behind."""

    modes: list[Mode]
    machine: dict[str, str]
    logins: int
    trace: float
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The whole report."""
        return asdict(self)


@dataclass
class Probe:
    """A mode while it is measured. `plain` and `traced` are times in milliseconds."""

    held: Credential
    environ: dict[str, Any]
    plain: list[float] = field(default_factory=list)
    traced: list[float] = field(default_factory=list)


def measure(modes: list[str], requests: int, logins: int, progress: Callable[[int], None] | None = None) -> Report:
    """Measures `requests` requests and `logins` logins of each mode. `progress` gets the number of requests done.

    Raises `KeyError` for an unknown mode.
    """
    began = time.perf_counter()
    chosen = [BY_KEY[key] for key in dict.fromkeys(modes)]
    with open_sandbox() as sandbox:
        left = {strategy.key: count_leftovers(sandbox, strategy, logins) for strategy in chosen}
        probes = [_log_in_probe(sandbox, strategy) for strategy in chosen]
        _time_all(probes, requests, progress or (lambda done: None))
        rows = [_summarize(probe, left[probe.held.strategy.key]) for probe in probes]
        banned = _answers_after_ban(sandbox, [row.key for row in rows])
    for row in rows:
        row.ratio, row.banned = round(row.p50 / rows[0].p50, 2), banned[row.key]
    pairs = [pair for probe in probes for pair in zip(probe.traced, probe.plain, strict=True)]
    cost = median(traced / plain for traced, plain in pairs)
    return Report(rows, describe_machine(), logins, round(cost, 2), round(time.perf_counter() - began, 1))


def log_in(sandbox: Sandbox, strategy: Strategy) -> tuple[Credential, Answer]:
    """Logs in at the site's own address, with the usual lifetime."""
    browser, person = sandbox.browser(), sandbox.people[0] if sandbox.people else sandbox.person()
    flow = "session" if strategy.kind == "session" else "jwt"
    answer = browser.log_in(person, flow, **({"refresh": False} if strategy.key == "short" else {}))
    return Credential(strategy, browser, ends=int(flow == "jwt")), answer


def count_leftovers(sandbox: Sandbox, strategy: Strategy, logins: int) -> dict[str, float]:
    """What one login leaves behind on average: keys in Redis, their bytes, and rows in the database."""
    before, keys, size = _count_rows(sandbox), 0, 0
    for _ in range(logins):
        _, answer = log_in(sandbox, strategy)
        found = remaining_keys(answer)
        keys, size = keys + len(found), size + sum(found.values())
    return {"keys": keys / logins, "bytes": size / logins, "rows": (_count_rows(sandbox) - before) / logins}


def remaining_keys(answer: Answer) -> dict[str, int]:
    """The Redis keys that a request wrote and that still exist, with their size in bytes."""
    commands = [text.partition(" ") for text in answer.exchange.texts("redis")]
    sizes = {key: _memory_usage(key) for name, _, key in commands if key and name not in READ_COMMANDS}
    return {key: size for key, size in sizes.items() if size}


def _memory_usage(key: str) -> int:
    sizes = [get_redis_connection(alias).memory_usage(key) for alias in ("sessions", "denylist", "default")]
    return max(size or 0 for size in sizes)


def _count_rows(sandbox: Sandbox) -> int:
    ids = [person.user.pk for person in sandbox.people]
    models = (DeviceSession, TokenFamily, OutstandingToken)
    return sum(model._base_manager.filter(user_id__in=ids).count() for model in models)


def _log_in_probe(sandbox: Sandbox, strategy: Strategy) -> Probe:
    held, _ = log_in(sandbox, strategy)
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in held.browser.http.cookies.jar)
    environ: dict[str, Any] = {
        "PATH_INFO": strategy.path,
        "REMOTE_ADDR": held.browser.address,
        "HTTP_HOST": urlsplit(sandbox.origin).netloc,
        "HTTP_USER_AGENT": held.browser.agent,
        "HTTP_X_FORWARDED_FOR": held.browser.http.headers.get("X-Forwarded-For", ""),
        "HTTP_COOKIE": cookies,
        "wsgi.url_scheme": "https",
    }
    if held.ends:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {held.browser.access}"
    setup_testing_defaults(environ)
    return Probe(held, environ)


def _time_all(probes: list[Probe], requests: int, progress: Callable[[int], None]) -> None:
    site = WSGIHandler()
    for turn in range(-WARM_UP, requests):
        # The order changes with each turn, so that no mode gains or loses by its place.
        at = turn % len(probes)
        for probe in probes[at:] + probes[:at]:
            for on in (turn % 2 == 0, turn % 2 == 1):
                ms = _time_one(site, probe.environ, on)
                if turn >= 0:
                    (probe.traced if on else probe.plain).append(ms)
        progress(max(0, turn + 1))


def _time_one(site: WSGIHandler, environ: dict[str, Any], on: bool) -> float:
    status: list[str] = []

    def start(line: str, *headers: Any) -> Callable[[bytes], object]:
        status.append(line)
        return lambda data: None

    with trace.collecting() if on else trace.off():
        started = time.perf_counter()
        response = site(dict(environ), start)
        b"".join(response)
        ms = (time.perf_counter() - started) * 1000
        response.close()
    if not status[0].startswith("200"):
        raise RuntimeError(f"whoami itself failed with {status[0]}")
    return ms


def credential_size(held: Credential) -> tuple[int, int]:
    """Bytes of the credential, and of a header line that carries it and nothing else."""
    sent = held.ask().exchange
    name = "Bearer" if held.ends else settings.SESSION_COOKIE_NAME
    length = next(p["length"] for p in [*sent.cookies_sent, sent.authorization or {}] if p.get("name") == name)
    return length, sequence.credential_size(sent.as_json())


def _summarize(probe: Probe, left: dict[str, float]) -> Mode:
    answer, strategy = probe.held.ask(), probe.held.strategy
    return Mode(
        strategy.key,
        strategy.name,
        n=len(probe.plain),
        p50=round(median(probe.plain), 3),
        p95=round(quantiles(probe.plain, n=20, method="inclusive")[-1] if len(probe.plain) > 1 else probe.plain[0], 3),
        sql=answer.exchange.count("sql"),
        redis=answer.exchange.count("redis"),
        credential=credential_size(probe.held)[1],
        request_head=answer.exchange.request_head,
        response_head=answer.exchange.response_head,
        keys=left["keys"],
        bytes=left["bytes"],
        rows=left["rows"],
    )


def _answers_after_ban(sandbox: Sandbox, keys: list[str]) -> dict[str, str]:
    """How the next request after a ban is answered, in each mode."""
    max_seconds = Policy.default().access
    observations = revocation.run_round(sandbox, "ban", life=max_seconds, only=tuple(keys), max_seconds=0.01)
    late = f"works on, {max_seconds} s at most"
    return {observation.strategy.key: "dead at once" if observation.at_once else late for observation in observations}


def describe_machine() -> dict[str, str]:
    """The machine and the software that it ran on. Leaves out the name of the machine, which is private."""
    store = get_redis_connection("default").info("server")
    database_version = ".".join(map(str, connection.get_database_version()))
    name, number = (
        ("Valkey", store["valkey_version"]) if "valkey_version" in store else ("Redis", store["redis_version"])
    )
    return {
        "processors": str(os.cpu_count()),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "django": django.get_version(),
        "database": f"{DATABASES.get(connection.vendor, connection.vendor)} {database_version}",
        "store": f"{name} {number}",
    }


COLUMNS = {
    "name": "mode",
    "n": "requests",
    "p50": "p50, ms",
    "p95": "p95, ms",
    "ratio": "ratio",
    "sql": "SQL",
    "redis": "Redis",
    "credential": "credential, bytes",
    "request_head": "request head, bytes",
    "response_head": "response head, bytes",
    "keys": "Redis keys per login",
    "bytes": "Redis bytes per login",
    "rows": "rows per login",
    "banned": "after a ban",
}


def table_rows(report: Report) -> list[list[str]]:
    """The comparison as rows of text, the heading first."""
    lines = [[_format(getattr(mode, name)) for name in COLUMNS] for mode in report.modes]
    return [list(COLUMNS.values()), *lines]


def _format(value: object) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def as_markdown(report: Report) -> str:
    """The comparison as a Markdown table, with a caption."""
    head, *rows = table_rows(report)
    lines = [head, ["---"] + ["---:"] * (len(head) - 2) + ["---"], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{caption(report)}\n"


def caption(report: Report) -> str:
    """How and on what machine it was measured, in two sentences."""
    ran = report.machine
    return (
        f"{report.modes[0].n} requests of each, in turn, on {ran['processors']} processors ({ran['platform']}), "
        f"Python {ran['python']}, Django {ran['django']}, {ran['database']}, {ran['store']}; what a login leaves "
        f"behind: of {report.logins} of each. A traced request takes {report.trace:g} times as long; "
        "these were not traced."
    )


def as_csv(report: Report) -> str:
    """The comparison as CSV, the heading first."""
    out = io.StringIO()
    csv.writer(out).writerows([[item.name for item in fields(Mode)], *(asdict(mode).values() for mode in report.modes)])
    return out.getvalue()
