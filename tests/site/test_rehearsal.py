"""Two servers under load: the keys of both rings are rotated twice, then replaced at once. `make rehearse` runs it.

A rotation must cost no client a refusal. After a replacement at once every token of the old key must be refused.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator

import jwt
import pytest
from django.utils import timezone

from jwt_demo import keys
from jwt_demo.keys import DatedKey
from tests.running import until
from tests.site.rehearsal.clients import Clients, Figures, Login, claims_of, kid_of
from tests.site.rehearsal.servers import Servers, VerifierProcess
from tests.site.rehearsal.times import JWT_GRACE_PERIOD, JWT_KEYS_MAX_AGE, JWT_KEYS_REREAD

pytestmark = pytest.mark.exhaustive
REQUESTS, REFRESHES = 10_000, 500
KINDS = ("access", "refresh")


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers() as servers:
        yield servers


@pytest.fixture
def verifier(servers: Servers) -> Iterator[VerifierProcess]:
    with VerifierProcess(servers) as verifier:
        yield verifier


def test_keys_change_twice_and_nobody_notices(servers: Servers, verifier: VerifierProcess) -> None:
    began, generations = time.monotonic(), [newest(servers)]
    with Clients(servers, verifier) as clients:
        figures = clients.figures
        wait(figures, lambda: has_worked(figures, generations[-1]))
        # The totals to reach count from the first rotation on.
        requests, refreshes = figures.requests + REQUESTS, figures.refreshes + REFRESHES
        for _ in range(2):
            wait(figures, lambda: has_worked(figures, generations[-1]))
            logins = Login(servers, "alice"), Login(servers, "bob")
            with servers.rotating():
                generations.append(newest(servers))
                lose_an_answer(*logins, generations[-1])
        wait(figures, lambda: has_worked(figures, generations[-1]))
        wait(figures, lambda: all(has_retired(servers, *item) for item in generations[0].items()))
        assert_it_has_retired(servers, verifier, generations[0], generations[-1])
        wait(figures, lambda: figures.requests >= requests and figures.refreshes >= refreshes)
    assert figures.bad == []
    describe(figures, generations, time.monotonic() - began)


def newest(servers: Servers) -> dict[str, DatedKey]:
    return {kind: servers.newest(kind) for kind in KINDS}


def wait(figures: Figures, condition: Callable[[], bool]) -> None:
    until(lambda: figures.bad or condition(), 120)
    assert figures.bad == []


def has_worked(figures: Figures, generation: dict[str, DatedKey]) -> bool:
    return all(figures.has_worked(kind, dated.key.kid) for kind, dated in generation.items())


def has_retired(servers: Servers, kind: str, dated: DatedKey) -> bool:
    return dated.key.kid not in keys.read(servers.key_file)[kind]


def assert_it_has_retired(
    servers: Servers, verifier: VerifierProcess, first: dict[str, DatedKey], last: dict[str, DatedKey]
) -> None:
    """The first key's tokens are refused, and the same tokens signed with the last key are accepted."""
    login = Login(servers, "alice")
    kept, good = (signed_by(login.access[-1][1], generation["access"]) for generation in (first, last))
    assert [login.whoami(kept, server) for server in (0, 1)] == [401, 401]
    assert [login.whoami(good, server) for server in (0, 1)] == [200, 200]
    assert verifier.refuses(kept)
    assert not verifier.refuses(good)
    kept, good = (signed_by(login.refresh_token, generation["refresh"]) for generation in (first, last))
    assert [login.post("refresh", {"refreshToken": kept})[1] for _ in (0, 1)] == [401, 401]
    assert [login.post("refresh", {"refreshToken": good})[1] for _ in (0, 1)] == [200, 200]


def signed_by(token: str, dated: DatedKey, seconds: float = 0) -> str:
    """The same token, signed with this key and valid for so many seconds longer."""
    claims, header = claims_of(token), jwt.get_unverified_header(token) | {"kid": dated.key.kid}
    claims["exp"] += seconds
    return jwt.encode(claims, dated.key.signing, dated.key.algorithm, header)


def lose_an_answer(login: Login, other: Login, coming: dict[str, DatedKey]) -> None:
    """Refreshes shortly before the keys change and retries after it: the refresh token is the same."""
    presented, change = login.refresh_token, max(dated.active for dated in coming.values())
    # Half of the grace period is left for the retries, which come after the change.
    until(lambda: seconds_to(change) < JWT_GRACE_PERIOD / 2)
    lost = login.post("refresh", {"refreshToken": presented})
    until(lambda: seconds_to(change) < 0)
    again = [login.post("refresh", {"refreshToken": presented}) for _ in (0, 1)]
    other.refresh()
    assert kid_of(other.refresh_token) == coming["refresh"].key.kid
    assert {status for _, status, _ in (lost, *again)} == {200}
    before, *after = [json.loads(text)["refreshToken"] for _, _, text in (lost, *again)]
    assert kid_of(before) != coming["refresh"].key.kid
    assert after == [before, before]


def seconds_to(moment: object) -> float:
    return (moment - timezone.now()).total_seconds()


def describe(figures: Figures, generations: list[dict[str, DatedKey]], seconds: float) -> None:
    print(f"\n{figures.requests} requests and {figures.refreshes} refreshes in {seconds:.0f} s over two servers")
    print(f"{figures.verified_elsewhere} tokens verified by the published keys alone; both rings rotated twice")
    for number, generation in enumerate(generations, 1):
        for kind, dated in generation.items():
            signed, verified = (
                "+".join(str(counted[kind, dated.key.kid, server]) for server in (0, 1))
                for counted in (figures.signed, figures.verified)
            )
            print(
                f"  {number}. {kind:8}{dated.key.algorithm:6} {dated.key.kid[:8]}  signed {signed}, verified {verified}"
            )
    print("  0 answers other than 200, 0 refusals by the verifier")


def test_a_leaked_key_is_refused_everywhere_at_once(servers: Servers, verifier: VerifierProcess) -> None:
    login = Login(servers, "alice")
    leaked = servers.newest("access")
    # The thief of a key can sign any token.
    stolen = signed_by(login.access[-1][1], leaked, 3600)
    assert [login.whoami(stolen, server) for server in (0, 1)] == [200, 200]
    assert not verifier.refuses(stolen)
    refused = watch(servers, stolen, verifier)
    servers.manage("rotate_keys", "access", "--force")
    since = servers.key_file.stat().st_mtime
    delays = [moment - since for moment in refused()]
    print(f"\nrefused after {', '.join(f'{delay:.2f} s' for delay in delays)}: both servers, and the verifier")
    assert max(delays[:2]) < 3 * JWT_KEYS_REREAD
    assert delays[2] < 3 * (JWT_KEYS_REREAD + JWT_KEYS_MAX_AGE)
    # Replacing the key at once also ends the access token of the rightful user.
    assert [login.whoami(login.access[-1][1], server) for server in (0, 1)] == [401, 401]
    login.refresh()
    assert login.figures.bad == []
    assert kid_of(login.access[-1][1]) == servers.newest("access").key.kid
    assert [login.whoami(login.access[-1][1], server) for server in (0, 1)] == [200, 200]
    until(lambda: not verifier.refuses(login.access[-1][1]))
    servers.manage("rotate_keys", "refresh", "--force")
    presented = {"refreshToken": login.refresh_token}
    assert [login.post("refresh", presented)[1] for _ in (0, 1)] == [401, 401]
    assert [login.whoami(login.access[-1][1], server) for server in (0, 1)] == [401, 401]


def watch(servers: Servers, token: str, verifier: VerifierProcess) -> Callable[[], list[float]]:
    """Asks both servers and the verifier until they refuse this token. The returned function gives the times."""
    found: dict[int, float] = {}
    askers = [Login(servers, "bob") for _ in (0, 1)]
    questions: list[Callable[[], object]] = [
        lambda: askers[0].whoami(token, 0) == 401,
        lambda: askers[1].whoami(token, 1) == 401,
        lambda: verifier.refuses(token),
    ]

    def ask(number: int) -> None:
        until(questions[number], 60)
        found[number] = time.time()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(questions))]
    for thread in threads:
        thread.start()

    def moments() -> list[float]:
        for thread in threads:
            thread.join()
        return [found[number] for number in range(len(questions))]

    return moments
