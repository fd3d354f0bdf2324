"""Key changes under running clients: a rotation refuses no client, a replacement at once does. A run leaves no file."""

import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from jwt_demo import key_writing, keys
from jwt_demo.keys import DatedKey, Ring
from lab.experiments import key_change
from lab.experiments.key_change import FIRST_SERVER, PLACES, SECOND_SERVER, SERVICE, WAYS, Busy, Played, Server, Service
from lab.pages.keys import _as_json
from tests.conftest import Browser

PAGE = "/lab/keys/"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where this module's temporary files go."""
    path = tmp_path_factory.mktemp("keys")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(path))
        yield path


@pytest.fixture(scope="module")
def seen(folder: Path) -> list[list[tuple[int, int]]]:
    """The file modes of each folder and file of keys, recorded at each change of a run."""
    return []


@pytest.fixture(scope="module")
def played(folder: Path, seen: list[list[tuple[int, int]]]) -> list[Played]:
    """One run of both kinds of key changes."""

    def looking(way: key_change.Way) -> key_change.Way:
        def next_ring(before: Ring, now: datetime) -> Ring:
            files = folder.glob("*/keys.json")
            seen.append([tuple(stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file)) for file in files])  # type: ignore[misc]
            return way.next_ring(before, now)

        return key_change.Way(way.name, way.about, next_ring, way.delay)

    return key_change.run(tuple(looking(way) for way in WAYS))


def test_a_change_by_dates_refuses_nothing_and_a_change_at_once_does(played: list[Played]) -> None:
    by_dates, at_once = played
    assert by_dates.count("refused") == 0
    assert at_once.refused_by_other_server() > 0
    assert at_once.count("refused", place=SERVICE) > 0
    for places in ((FIRST_SERVER, SECOND_SERVER), (SERVICE,)):
        assert by_dates.longest_refusing(*places) == 0 < at_once.longest_refusing(*places)


def test_each_of_three_keys_signed_at_both_servers_and_was_verified_everywhere(played: list[Played]) -> None:
    for each in played:
        assert len(each.keys) == 3 and len(each.changes) == 2
        for kid in each.keys:
            for place in PLACES:
                assert bool(each.count("signed", kid=kid, place=place)) is (place != SERVICE)
                assert each.count("verified", kid=kid, place=place)
    # In the rotation by dates, only active keys have signed.
    for kid, dated in played[0].keys.items():
        signed = [played[0].began + timedelta(seconds=use.at) for use in played[0].uses if use.kid == kid]
        assert all(dated.active <= moment for moment in signed)


def test_the_counts_add_up(played: list[Played]) -> None:
    for each in map(_as_json, played):
        places = [place["counts"] for key in each["keys"] for place in key["places"]]
        for act in ("signed", "verified", "refused"):
            assert sum(counts[act] for counts in places) == each[act]
        assert each["verified"] + each["refused"] == each["requests"] > 100
        assert each["refused_by_servers"] + each["refused_by_service"] == each["refused"]
        assert each["refused_by_other_server"] <= each["refused_by_servers"]


def test_the_file_is_for_its_owner_alone_and_gone_afterwards(
    played: list[Played], seen: list[list[tuple[int, int]]], folder: Path
) -> None:
    assert len(seen) == 4 and all(seen)
    assert {modes for moment in seen for modes in moment} == {(0o700, 0o600)}
    assert list(folder.iterdir()) == []


class Rig:
    """A file with one key, two servers that read it, and a service that keeps the fetched keys."""

    def __init__(self, folder: Path) -> None:
        self.path, now = folder / "keys.json", timezone.now() - DAY
        self.write(Ring("access", [DatedKey(key_writing.new_secret("EdDSA"), now, now)]))
        self.servers = Server(FIRST_SERVER, self.path), Server(SECOND_SERVER, self.path)

    def write(self, ring: Ring) -> None:
        self.ring = ring
        key_writing.write(self.path, {"access": ring})

    def change(self, next_ring: Callable[[Ring, datetime], Ring]) -> None:
        """The next key, planned now."""
        self.write(next_ring(self.ring, timezone.now()))


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(key_change, "REREAD", 0)
    monkeypatch.setattr(key_change, "MAX_AGE", 3600)
    return Rig(tmp_path)


def without_pending(before: Ring, now: datetime) -> Ring:
    next_key = DatedKey(key_writing.new_secret("EdDSA"), now, now)
    return key_change.followed_by(before, next_key, timedelta(seconds=key_change.TOKEN_LIFE))


def without_retiring(before: Ring, now: datetime) -> Ring:
    next_key = DatedKey(key_writing.new_secret("EdDSA"), now, now + timedelta(seconds=key_change.PENDING))
    return key_change.followed_by(before, next_key, timedelta(0))


def test_a_service_knows_a_key_that_was_pending_and_refuses_one_that_was_not(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_change, "PENDING", 1)
    rig.change(key_change.planned)
    service, old = Service(rig.servers), rig.servers[0].sign()
    assert service.verifies(old)
    token = _signed_by_another_key(rig.servers[0], old)
    assert service.verifies(token)
    rig.change(without_pending)
    token = _signed_by_another_key(rig.servers[0], token)
    assert rig.servers[1].verifies(token) and not service.verifies(token)


def _signed_by_another_key(server: Server, before: str) -> str:
    end, header = time.monotonic() + 10, before.partition(".")[0]
    while (token := server.sign()).startswith(header):
        assert time.monotonic() < end, "the next key never signed"
        time.sleep(0.02)
    return token


def test_a_token_of_a_retiring_key_is_good_and_of_one_that_retired_at_once_is_not(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_change, "PENDING", 0)
    monkeypatch.setattr(key_change, "MAX_AGE", 0)
    service = Service(rig.servers)
    for way, good in ((key_change.planned, True), (without_retiring, False), (key_change.swapped, False)):
        token = rig.servers[0].sign()
        rig.change(way)
        assert [each.verifies(token) for each in (*rig.servers, service)] == [good] * 3
        fresh = rig.servers[0].sign()
        assert all(each.verifies(fresh) for each in (*rig.servers, service))


def test_a_service_takes_nothing_but_the_published_keys_of_this_issuer(rig: Rig, tmp_path: Path) -> None:
    service = Service(rig.servers)
    good = rig.servers[0].sign()
    head, body, _ = good.split(".")
    (tmp_path / "other").mkdir()
    other = Rig(tmp_path / "other").servers[0].sign()
    assert service.verifies(good)
    for bad in (other, f"{head}.{body}.{other.split('.')[2]}", f"{head}.{body}.", "x"):
        assert not service.verifies(bad)
    assert "secret" not in rig.servers[0].published() and '"d"' not in rig.servers[0].published()


def test_a_run_too_many_is_refused_with_the_seconds_to_wait(browser: Browser) -> None:
    for _ in range(key_change.RUNS_MAX):
        assert key_change._places.acquire(blocking=False)
    try:
        response = browser.submit(PAGE)
        assert response.status_code == 503 and response["Retry-After"] == "8"
        assert key_change.BUSY in response.content.decode()
        with pytest.raises(Busy):
            key_change.run()
    finally:
        for _ in range(key_change.RUNS_MAX):
            key_change._places.release()


def test_the_page_shows_what_was_seen_as_a_drawing_as_tables_and_as_json(
    browser: Browser, played: list[Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Seen just now" not in browser.get(PAGE).content.decode()
    # Uses the fixture's run, because another one would take nine seconds.
    monkeypatch.setattr(key_change, "run", lambda: played)
    page = browser.submit(PAGE).content.decode()
    by_dates, at_once = map(_as_json, played)
    assert f"0 of {by_dates['requests']} refused." in page
    assert f"{at_once['refused']} of {at_once['requests']} refused." in page
    assert page.count('<tr><th scope="row">') == 6 + 18
    assert all(state in page for state in ("band pending", "band active", "band retiring", "band retired"))
    body = browser.submit(PAGE, headers={"Accept": "application/json"}).json()
    assert body["ways"] == [by_dates, at_once]
    secrets = [dated.secret.removeprefix(keys.ED25519) for each in played for dated in each.keys.values()]
    assert not any(secret in page for secret in secrets)
