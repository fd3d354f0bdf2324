"""Measures each operation at all servers in turn (A B A B …). Every round starts the servers again."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import redis

from benchmarks import client, flood, load, servers
from benchmarks.client import Login
from benchmarks.contestant import CannotRun, Contestant, Flow, Place
from benchmarks.contestants import CONTESTANTS
from benchmarks.load import CONNECTIONS, Load, Request, Script
from benchmarks.servers import CORES, SERVER_CORES, Server

OPERATIONS = ("nothing", "whoami", "profile", "login", "refresh", "logout")
READS = ("nothing", "whoami", "profile")
# The number of users whose requests alternate.
READERS = 8
# How many users log in once, refresh again and again, or log out once in one measurement.
LOGGED_IN, REFRESHED, LOGGED_OUT = 32, CONNECTIONS, 24
# The row that others are compared with, by flow: this project with its default settings.
YARDSTICK: dict[str, tuple[str, str]] = {"session": ("ours", ""), "token": ("ours", "denylist"), "": ("ours", "")}
# Variants, and the only operations in which each differs: by the check of a token, its signature, the trace of a
# request, or by how the key is kept. They are measured only there.
ALIKE_BUT_FOR = {
    **dict.fromkeys(("ours-expiry", "ours-version", "ours-demo"), ("whoami",)),
    **dict.fromkeys(("ours-eddsa", "ours-es256"), ("whoami", "refresh")),
    "KeyObject": ("whoami", "profile"),
}
# Two workers may use all cores. The load generator runs on one of these cores too.
WITH_TWO_WORKERS, DONE_BY_TWO = ("ours", "stock", "express"), ("whoami", "login")
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Target:
    """One flow at one running server."""

    server: Server
    flow: Flow

    def does(self, operation: str) -> bool:
        """Whether this operation is measured: the flow has it, and the variant differs from the rest in it."""
        if operation == "nothing" or not self.flow.kind:
            return operation == "nothing" and not self.flow.kind
        parts = ALIKE_BUT_FOR.get(self.server.contestant.key) or ALIKE_BUT_FOR.get(self.flow.variant) or OPERATIONS
        return operation in parts and bool(getattr(self.flow, operation))

    def script(self, operation: str) -> Script:
        """The requests of this operation. If a credential works only once, this logs in once for each of them."""
        if operation == "nothing":
            headers = client.common_headers(self.server)
            return Script((Request("GET", self.server.contestant.nothing, headers),))
        if operation == "login":
            requests = (client.login_request(self.server, self.flow, user) for user in range(LOGGED_IN))
            return Script(tuple(requests), once=True)
        if operation == "refresh":
            return client.refreshing(self._log_in(REFRESHED))
        if operation == "logout":
            return Script(tuple(login.logout() for login in self._log_in(LOGGED_OUT)), once=True)
        return Script(tuple(login.get(getattr(self.flow, operation)) for login in self.readers))

    def load(self, operation: str, seconds: int) -> Load:
        """Runs one load of this operation."""
        script = self.script(operation)
        if operation in READS:
            load.run(self.server, script, 1)  # warms up: what is made at first use is not measured
        return load.run(self.server, script, seconds)

    @cached_property
    def readers(self) -> list[Login]:
        """Some users who are logged in."""
        return self._log_in(READERS)

    def _log_in(self, number: int) -> list[Login]:
        wanted = self.flow.kind, self.flow.log_in_by or self.flow.variant
        flow = next(it for it in self.server.contestant.flows if (it.kind, it.variant) == wanted)
        return [Login.of(self.server, flow, user) for user in range(number)]


@dataclass
class Row:
    """One operation in one flow at one contestant, and the load of each round."""

    operation: str
    contestant: Contestant
    flow: Flow
    loads: list[Load] = field(default_factory=list)

    def ratios(self, yardstick: "Row") -> list[float]:
        """For each round, the requests a second divided by those of the yardstick."""
        pairs = zip(self.loads, yardstick.loads, strict=True)
        return [mine.rate / other.rate for mine, other in pairs]

    def as_json(self, yardstick: "Row") -> dict[str, Any]:
        """The medians of the rounds, and the rate of each round."""
        middle = {name: round(median(getattr(load, name) for load in self.loads), 3) for name in ("p50", "p95", "p99")}
        cpu = [load.cpu for load in self.loads]
        rates = [round(load.rate, 1) for load in self.loads]
        ratios = self.ratios(yardstick)
        return {
            "operation": self.operation,
            "flow": self.flow.kind,
            "contestant": self.contestant.result_key,
            "variant": self.flow.variant,
            "requests": sum(load.requests for load in self.loads),
            "rates": rates,
            "rate": median(rates),
            "ratios": [round(ratio, 3) for ratio in ratios],
            "ratio": round(median(ratios), 3),
            **middle,
            # If one round was too short to measure, the median would be that of the longer rounds only.
            "cpu": None if None in cpu else round(median(cpu)),  # type: ignore[type-var, arg-type]
        }


class Bench:
    """One run of the bench: the places of the contestants, and the results so far."""

    def __init__(self, folder: Path, seconds: int, names: list[str], say: Callable[[str], None]) -> None:
        self.folder, self.seconds, self.say = folder, seconds, say
        self.store = folder / "store" / "valkey.sock"
        self.places = {name: Place(folder / name, self.store, servers.free_port(), 1) for name in names}
        self.rows: dict[Key, Row] = {}
        self.resident: dict[str, list[tuple[float, float]]] = {}
        self.session_bytes: dict[str, int] = {}
        self.pairs: dict[Key, list[Load]] = {}

    def prepare(self) -> dict[str, str]:
        """Makes databases and users. Returns, by key, why a contestant cannot run; it is then left out.

        Raises `CannotRun` for this project, with which all others are compared.
        """
        reasons = {}
        for name, place in self.places.items():
            self.say(f"preparing {name}")
            place.folder.mkdir(parents=True)
            try:
                CONTESTANTS[name].prepare(place)
            except CannotRun as error:
                reasons[name] = str(error)
        self.places = {name: place for name, place in self.places.items() if name not in reasons}
        if "ours" in reasons:
            raise CannotRun(f"This project cannot be prepared: {reasons['ours']}")
        return reasons

    def round(self) -> None:
        """Starts all contestants on the first core, and measures every operation at each of them."""
        with ExitStack() as stack:
            started = [self._start(stack, name) for name in self.places]
            targets = [Target(server, flow) for server in started for flow in server.contestant.flows or (Flow(""),)]
            before = {server: server.resident() for server in started}
            for operation in OPERATIONS:
                busy = self._go_around(operation, targets)
                if operation == "login":
                    for server in busy:
                        seen = before[server], server.resident()
                        self.resident.setdefault(server.contestant.result_key, []).append(seen)
            for target in targets:
                if target.flow.kind == "session" and target.does("login"):
                    self.session_bytes[target.server.contestant.result_key] = self._size_of_session(target)

    def round_of_two_workers(self) -> None:
        """Measures some contestants and operations with one worker and with two."""
        with ExitStack() as stack:
            names = [name for name in WITH_TWO_WORKERS if name in self.places]
            started = [self._start(stack, name, workers) for name in names for workers in (1, 2)]
            targets = [Target(server, flow) for server in started for flow in server.contestant.flows]
            for operation in DONE_BY_TWO:
                for target in targets:
                    if target.does("login"):
                        key = (operation, target.flow.kind, target.server.contestant.result_key, target.flow.variant)
                        self.pairs.setdefault(key, []).append(self._load(operation, target))

    def flood(self, number: int) -> list[dict[str, Any]]:
        """Measures whoami during many logins at once. Each server is started again for it."""
        found = []
        for name in WITH_TWO_WORKERS:
            if name in self.places:
                with ExitStack() as stack:
                    self.say(f"flood of logins: {name}")
                    found.append(flood.measure(self._start(stack, name), number))
        return found

    def _size_of_session(self, target: Target) -> int:
        """Bytes of the keys that one more login adds to the sessions in the store, as the store counts them."""
        number = target.server.contestant.store_databases[0]
        with closing(redis.Redis(unix_socket_path=str(self.store), db=number)) as store:
            before = set(store.scan_iter(count=1000))
            Login.of(target.server, target.flow, user=0)
            return sum(store.memory_usage(key) or 0 for key in set(store.scan_iter(count=1000)) - before)

    def _start(self, stack: ExitStack, name: str, workers: int = 1) -> Server:
        place = replace(self.places[name], port=servers.free_port(), workers=workers)
        return stack.enter_context(servers.running(CONTESTANTS[name], place, SERVER_CORES if workers == 1 else CORES))

    def _go_around(self, operation: str, targets: list[Target]) -> list[Server]:
        """Measures each target that has the operation, and returns the servers that were busy.

        Every second time the order is reversed: a machine that becomes slower must not always slow the same target.
        """
        chosen = [target for target in targets if target.does(operation)]
        rows = [self._row(operation, target) for target in chosen]
        order = list(zip(rows, chosen, strict=True))
        for row, target in order if len(rows[0].loads) % 2 == 0 else reversed(order):
            row.loads.append(self._load(operation, target))
        return list(dict.fromkeys(target.server for target in chosen))

    def _row(self, operation: str, target: Target) -> Row:
        contestant, flow = target.server.contestant, target.flow
        key = (operation, flow.kind, contestant.result_key, flow.variant)
        return self.rows.setdefault(key, Row(operation, contestant, flow))

    def _load(self, operation: str, target: Target) -> Load:
        seen = target.load(operation, self.seconds)
        self.say(
            f"{operation:8} {target.server.contestant.key:13} {target.flow.kind:8} {target.flow.variant:16} "
            f"{seen.rate:8.0f}/s {seen.p50:8.2f} ms {seen.cpu or 0:7.0f} µs"
        )
        return seen

    def speed(self) -> list[dict[str, Any]]:
        """Every row, with its ratio to this project's."""
        return [row.as_json(self._yardstick(key)) for key, row in self.rows.items()]

    def _yardstick(self, key: Key) -> Row:
        operation, flow, *_ = key
        same = (operation, flow) if flow else ("whoami", "session")
        return self.rows[(*same, *YARDSTICK[flow])]

    def workers(self) -> list[dict[str, Any]]:
        """Requests a second with one worker and with two."""
        columns = ("operation", "flow", "contestant", "variant")
        return [
            dict(zip(columns, key, strict=True)) | {"one": round(one.rate, 1), "two": round(two.rate, 1)}
            for key, (one, two) in self.pairs.items()
        ]

    def memory(self) -> list[dict[str, Any]]:
        """Resident MiB of a worker just after its start, and after logins, sixteen at a time."""
        return [
            {
                "contestant": key,
                "before": round(median(before for before, _ in seen), 1),
                "after": round(median(after for _, after in seen), 1),
            }
            for key, seen in self.resident.items()
        ]

    def stored(self) -> list[dict[str, Any]]:
        """Bytes of a session in the store."""
        return [{"contestant": key, "flow": "session", "bytes": size} for key, size in self.session_bytes.items()]
