import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError
from django.test import RequestFactory
from pytest_django import Settings

from accounts.models import User
from security import backends, hashing, throttle
from security.client import Client
from security.models import KnownClient, SecurityEvent
from security.throttle import Limit, Throttled, attempt, begin, login_limits, mail_limits
from tests.conftest import PASSWORDS, Browser, Clock, told
from tests.running import Store
from tests.sampling import sampled

HERE = Client("192.0.2.1", "browser")


def address(number: int) -> Client:
    return Client(f"198.51.{number // 256}.{number % 256}", "stranger")


def use_up(limits: Callable[[int], list[Limit]], most: int) -> None:
    """Makes `most` attempts that are accepted, and one more that is refused."""
    for number in range(most):
        attempt(limits(number))
    with pytest.raises(Throttled):
        attempt(limits(most))


@pytest.mark.parametrize(
    ("limits", "most", "seconds"),
    [
        (lambda n: login_limits("alice@example.com", HERE, True), 10, 300),
        (lambda n: login_limits("alice@example.com", HERE, False), 10, 300),
        (lambda n: login_limits(f"user{n}@example.com", HERE, False), 100, 300),
        (lambda n: login_limits("alice@example.com", address(n), False), 50, 3600),
        (lambda n: mail_limits("register", "alice@example.com", address(n)), 5, 3600),
        (lambda n: mail_limits("register", f"user{n}@example.com", HERE), 20, 3600),
    ],
    ids=["account and address, known", "account and address", "address", "account", "mailbox", "mails from address"],
)
def test_each_limit_lets_its_number_through_and_tells_how_long_to_wait(
    clock: Clock, limits: Callable[[int], list[Limit]], most: int, seconds: int
) -> None:
    use_up(limits, most)
    clock(1.5)
    with pytest.raises(Throttled) as refusal:
        attempt(limits(most))
    assert refusal.value.retry_after == seconds - 1
    clock(seconds - 0.001)
    with pytest.raises(Throttled) as refusal:
        attempt(limits(most))
    assert refusal.value.retry_after == 1
    clock(seconds)
    attempt(limits(most))


def test_the_window_slides(clock: Clock) -> None:
    limits = [Limit("throttle:test", 3, 300)]
    for second in (0, 100, 299):
        clock(second)
        attempt(limits)
    clock(300)  # the attempt at 0 has left the window, the other two have not
    attempt(limits)
    with pytest.raises(Throttled) as refusal:
        attempt(limits)
    assert refusal.value.retry_after == 100


def test_an_attempt_counts_under_every_limit_or_under_none(clock: Clock, store: Store) -> None:
    full, free = Limit("throttle:full", 1, 300), Limit("throttle:free", 100, 300)
    attempt([full])
    for limits in ([full, free], [free, full]):
        with pytest.raises(Throttled):
            attempt(limits)
    assert store.client(1).zcard("throttle:free") == 0


def test_the_longest_wait_of_all_full_limits_is_told(clock: Clock) -> None:
    limits = [Limit("throttle:short", 1, 60), Limit("throttle:long", 1, 3600)]
    attempt(limits)
    for order in (limits, limits[::-1]):
        with pytest.raises(Throttled) as refusal:
            attempt(order)
        assert refusal.value.retry_after == 3600


def test_refused_attempts_are_not_counted(clock: Clock) -> None:
    limits = [Limit("throttle:test", 2, 300)]
    use_up(lambda _: limits, 2)
    for second in range(1, 300, 20):
        clock(second)
        with pytest.raises(Throttled):
            attempt(limits)
    clock(300)
    attempt(limits)


def test_a_right_password_is_taken_back_and_nothing_else_is(clock: Clock, store: Store) -> None:
    limits = login_limits("alice@example.com", HERE, False)
    attempt(limits)
    begin(limits).settle(failed=False)
    assert [store.client(1).zcard(limit.key) for limit in limits] == [1, 1, 1]
    assert len(store.client(1).keys()) == len(limits)


@pytest.mark.parametrize("note", [attempt, begin, lambda limits: begin(limits).settle(failed=True)])
def test_what_is_counted_goes_by_itself(clock: Clock, store: Store, note: Callable[[list[Limit]], Any]) -> None:
    limits = login_limits("alice@example.com", HERE, False)
    note(limits)
    redis = store.client(1)
    for limit in limits:
        [key] = [key for key in (limit.key, f"{limit.key}:open") if redis.exists(key)]
        assert 0 < redis.ttl(key) <= limit.seconds
    assert store.client(0).dbsize() == 0


def test_redis_holds_no_email_address(clock: Clock, store: Store) -> None:
    attempt(login_limits("alice@example.com", HERE, False))
    attempt(mail_limits("register", "alice@example.com", HERE))
    assert not [key for key in store.client(1).scan_iter() if b"alice" in key or b"example" in key]


@pytest.mark.usefixtures("file_database")
def test_a_burst_of_forty_lets_exactly_ten_through(at_once: Callable[..., list[Any]]) -> None:
    User.objects.create_user("alice@example.com", PASSWORDS["alice@example.com"])

    def guess(number: int) -> int:
        return int(Browser().log_in("alice@example.com", f"guess {number}").status_code)

    statuses = at_once(40, guess)
    assert sorted(statuses) == [200] * 10 + [429] * 30
    assert SecurityEvent.objects.filter(name=SecurityEvent.Name.LOGIN_FAIL).count() == 10


# ── Attempts that are not settled yet ─────────────────────────────────────────────────────────

TEN = [Limit("throttle:test", 10, 300)]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that has to wait gives up at its second look."""
    monkeypatch.setattr(throttle, "PATIENCE", 0)


def refusal(limits: list[Limit]) -> int:
    """The seconds after which a refused attempt may try again."""
    with pytest.raises(Throttled) as refused:
        begin(limits)
    return refused.value.retry_after


@pytest.fixture
def slow_hashes(file_database: None, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were hashed. Each hash takes so long that simultaneous logins overlap."""
    hashed: list[str] = []
    fits = backends._password_fits

    def slowly(user: User | None, password: str) -> bool:
        hashed.append(password)
        time.sleep(0.1)
        return fits(user, password)

    monkeypatch.setattr(backends, "_password_fits", slowly)
    # On a busy machine all of them together take longer than `PATIENCE`, and some logins would give up.
    monkeypatch.setattr(throttle, "PATIENCE", 60)
    monkeypatch.setattr(hashing, "PATIENCE", 60)
    return hashed


@pytest.mark.parametrize("number", sampled([24, 60], {24}))
def test_right_passwords_sent_at_once_are_all_let_in(
    slow_hashes: list[str], at_once: Callable[..., list[Any]], store: Store, number: int
) -> None:
    User.objects.create_superuser("admin@example.com", PASSWORDS["admin@example.com"])
    assert at_once(number, lambda _: Browser().log_in("admin@example.com").status_code) == [302] * number
    assert store.client(1).keys() == []
    assert Browser().log_in("admin@example.com", "wrong").status_code == 200


def test_wrong_passwords_among_right_ones_are_hashed_as_often_as_the_limit_says(
    slow_hashes: list[str], at_once: Callable[..., list[Any]]
) -> None:
    User.objects.create_superuser("admin@example.com", PASSWORDS["admin@example.com"])
    passwords = ["wrong", PASSWORDS["admin@example.com"]] * 20
    statuses = at_once(40, lambda number: Browser().log_in("admin@example.com", passwords[number]).status_code)
    assert (slow_hashes.count("wrong"), statuses[::2].count(200), statuses[::2].count(429)) == (10, 10, 10)
    right = PASSWORDS["admin@example.com"]
    assert statuses[1::2].count(302) == slow_hashes.count(right), "none that began was refused"
    assert set(statuses[1::2]) <= {302, 429}


def test_an_attempt_waits_for_those_under_way_and_goes_in_when_one_is_taken_back() -> None:
    others = [begin(TEN) for _ in range(10)]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(begin, TEN)
        with pytest.raises(TimeoutError):
            waiting.result(0.3)
        for other in others[1:]:
            other.settle(failed=True)
        with pytest.raises(TimeoutError):
            waiting.result(0.3)
        others[0].settle(failed=False)
        waiting.result(15).settle(failed=False)
    assert attempt(TEN) is None


def test_an_attempt_that_waits_is_refused_when_those_under_way_fail(clock: Clock) -> None:
    others = [begin(TEN) for _ in range(10)]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(begin, TEN)
        with pytest.raises(TimeoutError):
            waiting.result(0.3)
        for other in others:
            other.settle(failed=True)
        with pytest.raises(Throttled) as refused:
            waiting.result(15)
    assert refused.value.retry_after == 300


def test_who_waited_in_vain_is_told_to_come_back_at_once(clock: Clock, impatient: None) -> None:
    for _ in range(10):
        begin(TEN)
    assert refusal(TEN) == 1


def test_the_wait_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "PATIENCE", 0.5)
    for _ in range(10):
        begin(TEN)
    started = time.monotonic()
    assert refusal(TEN) == 1
    assert 0.5 <= time.monotonic() - started < 1.5


def test_a_failure_counts_from_when_it_began(clock: Clock) -> None:
    attempts = [begin(TEN) for _ in range(10)]
    clock(5)
    for one in attempts:
        one.settle(failed=True)
    assert refusal(TEN) == 295


def test_an_attempt_whose_process_died_is_a_failure_after_its_lease(
    clock: Clock, store: Store, impatient: None
) -> None:
    for _ in range(10):
        begin(TEN)
    clock(throttle.LEASE - 0.001)
    assert refusal(TEN) == 1
    clock(throttle.LEASE)
    assert refusal(TEN) == 300 - throttle.LEASE
    assert 0 < store.client(1).ttl("throttle:test") <= 300
    clock(300)
    begin(TEN)


def test_a_right_password_that_took_longer_than_the_lease_is_no_failure(clock: Clock, store: Store) -> None:
    slow = begin(TEN)
    clock(throttle.LEASE)
    begin(TEN).settle(failed=False)
    assert store.client(1).zcard("throttle:test") == 1
    slow.settle(failed=False)
    assert store.client(1).keys() == []


def test_a_wrong_password_that_took_longer_than_the_lease_is_one_failure(clock: Clock, store: Store) -> None:
    slow = begin(TEN)
    clock(throttle.LEASE)
    begin(TEN).settle(failed=False)
    slow.settle(failed=True)
    assert store.client(1).zcard("throttle:test") == 1


def test_an_attempt_under_way_takes_room_under_every_limit_or_under_none(
    clock: Clock, store: Store, impatient: None
) -> None:
    full, free = Limit("throttle:full", 1, 300), Limit("throttle:free", 100, 300)
    begin([full])
    for limits in ([full, free], [free, full]):
        assert refusal(limits) == 1
    assert store.client(1).keys() == [b"throttle:full:open"]


def test_an_outage_during_a_login_is_no_failure_of_its_user(
    admin: User, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> bool:
        raise OperationalError

    browser.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr(backends, "_password_fits", away)
        assert {browser.log_in(admin.email).status_code for _ in range(11)} == {503}
    assert browser.log_in(admin.email).status_code == 302


def test_a_right_password_costs_two_commands_and_a_refusal_one(
    alice: User, measured: Callable[..., Any], clock: Clock
) -> None:
    request = RequestFactory().get("/")
    with measured() as cost:
        assert backends.verify(request, alice.email, PASSWORDS[alice.email]) == alice
    assert cost.redis == ["EVAL", "EVAL"]
    for _ in range(10):
        begin(login_limits(alice.email, Client.of(request), False)).settle(failed=True)
    with measured() as cost, pytest.raises(Throttled):
        backends.verify(request, alice.email, PASSWORDS[alice.email])
    assert (cost.redis, cost.hashes) == (["EVAL"], 0)


# ── Refusals ──────────────────────────────────────────────────────────────────────────────────


def fail(browser: Browser, email: str, times: int) -> list[int]:
    return [browser.log_in(email, "wrong").status_code for _ in range(times)]


@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_a_refused_login_says_when_and_computes_no_hash(
    alice: User, browser: Browser, measured: Callable[..., Any], clock: Clock, email: str
) -> None:
    assert fail(browser, email, 10) == [200] * 10
    clock(60)
    events = SecurityEvent.objects.count()
    with measured() as cost:
        refused = browser.log_in(email, PASSWORDS[alice.email])
    assert (refused.status_code, refused["Retry-After"], cost.hashes) == (429, "240", 0)
    assert browser.session_id == ""
    assert SecurityEvent.objects.count() == events
    clock(300)
    assert browser.log_in(email, "wrong").status_code == 200


def test_unknown_and_known_accounts_are_refused_alike(
    alice: User, browser: Browser, measured: Callable[..., Any], clock: Clock
) -> None:
    answers = []
    for email in ("alice@example.com", "nobody@example.com"):
        fail(browser, email, 10)
        with measured() as cost:
            refused = browser.log_in(email, "wrong")
        answers.append((refused.status_code, told(refused), refused.content, cost.counts))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("email", ["alice@example.com", " ALICE@example.com", "\uff41lice@example.com"])
def test_another_spelling_is_the_same_account(alice: User, browser: Browser, email: str) -> None:
    fail(browser, "alice@example.com", 10)
    assert browser.log_in(email, "wrong").status_code == 429


@pytest.mark.parametrize(
    "limits", [lambda email: login_limits(email, HERE, False), lambda email: mail_limits("register", email, HERE)]
)
def test_no_caller_counts_a_spelling_apart(limits: Callable[[str], list[Limit]]) -> None:
    assert limits(" ALICE@example.com") == limits("alice@example.com") != limits("bob@example.com")


def test_logging_in_does_not_use_up_the_limit(admin: User) -> None:
    assert [Browser().log_in(admin.email).status_code for _ in range(12)] == [302] * 12


def test_the_admin_and_the_password_page_share_one_count(alice: User, browser: Browser) -> None:
    browser.force_login(alice)
    wrong = {"old_password": "wrong", "new_password1": "new and longer", "new_password2": "new and longer"}
    assert [browser.submit("/accounts/password/", wrong).status_code for _ in range(5)] == [200] * 5
    assert fail(Browser(), alice.email, 6) == [200] * 5 + [429]
    refused = browser.submit("/accounts/password/", wrong)
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 290


def test_a_known_client_is_not_locked_out_by_strangers(
    admin: User, browser: Browser, mallory: Browser, clock: Clock
) -> None:
    assert browser.log_in(admin.email).status_code == 302
    for number in range(50):
        attempt(login_limits(admin.email, address(number), False))
    assert mallory.log_in(admin.email, "wrong").status_code == 429
    elsewhere = Browser(REMOTE_ADDR="203.0.113.99")
    assert elsewhere.log_in(admin.email).status_code == 302


def test_an_account_nobody_knows_is_limited_from_everywhere_too(mallory: Browser, db: None) -> None:
    for number in range(50):
        attempt(login_limits("nobody@example.com", address(number), False))
    assert mallory.log_in("nobody@example.com", "wrong").status_code == 429


def test_a_client_known_to_bob_is_a_stranger_to_alice(alice: User, bob: User, browser: Browser) -> None:
    KnownClient.remember(str(bob.pk), Client(user_agent="Mozilla/5.0 (test)"))
    for number in range(50):
        attempt(login_limits(alice.email, address(number), False))
    assert browser.log_in(alice.email, "wrong").status_code == 429


@pytest.mark.parametrize("proxies", [0, 1])
def test_a_spoofed_forwarded_address_does_not_reset_the_count(alice: User, settings: Settings, proxies: int) -> None:
    settings.TRUSTED_PROXIES = proxies
    appended = ", 203.0.113.5" if proxies else ""
    statuses = [
        Browser({"X-Forwarded-For": f"6.6.6.{number}{appended}"}).log_in(alice.email, "wrong").status_code
        for number in range(11)
    ]
    assert statuses == [200] * 10 + [429]


@pytest.mark.parametrize("entry", ["203.0.113.9:{}", "[2001:db8::1]:{}", '"203.0.113.9:{}"'])
def test_a_port_is_no_other_address(alice: User, settings: Settings, entry: str) -> None:
    settings.TRUSTED_PROXIES = 1
    from_ports = [Browser({"X-Forwarded-For": entry.format(port)}) for port in range(51234, 51245)]
    assert [browser.log_in(alice.email, "wrong").status_code for browser in from_ports] == [200] * 10 + [429]
    assert Browser({"X-Forwarded-For": "203.0.113.10:51234"}).log_in(alice.email, "wrong").status_code == 200


UNREADABLE = [(1, "unknown"), (1, "_hidden"), (1, ""), (1, "6.6.6.6, "), (2, "203.0.113.9"), (0, None)]


def unreadable(forwarded: str | None, agent: str) -> Browser:
    headers = {"User-Agent": agent} | ({} if forwarded is None else {"X-Forwarded-For": forwarded})
    return Browser(headers, **({"REMOTE_ADDR": ""} if forwarded is None else {}))


@pytest.mark.parametrize(("proxies", "forwarded"), sampled(UNREADABLE, UNREADABLE[:1] + UNREADABLE[-1:]))
def test_strangers_whose_address_cannot_be_read_lock_nobody_out(
    admin: User, settings: Settings, proxies: int, forwarded: str | None
) -> None:
    settings.TRUSTED_PROXIES = proxies
    stranger, owner = unreadable(forwarded, "stranger/1.0"), unreadable(forwarded, "owner/1.0")
    assert fail(stranger, admin.email, 11) == [200] * 10 + [429]
    assert {stranger.log_in(f"user{number}@example.com", "wrong").status_code for number in range(101)} == {200}
    assert owner.log_in(admin.email).status_code == 302
    assert fail(owner, admin.email, 11) == [200] * 10 + [429], "and yet nobody guesses without a limit"


def test_without_an_address_too_an_account_is_limited_from_everywhere(
    alice: User, settings: Settings, clock: Clock
) -> None:
    settings.TRUSTED_PROXIES = 1
    statuses = [unreadable("unknown", f"agent/{n}").log_in(alice.email, "wrong").status_code for n in range(51)]
    assert statuses == [200] * 50 + [429]


def test_strangers_whose_address_cannot_be_read_keep_nobody_from_a_mail(settings: Settings, db: None) -> None:
    settings.TRUSTED_PROXIES = 1
    stranger = unreadable("unknown", "stranger/1.0")
    asked = [stranger.submit("/accounts/password/reset/", {"email": f"user{n}@example.com"}) for n in range(21)]
    assert {answer.status_code for answer in asked} == {302}
    again = [stranger.submit("/accounts/password/reset/", {"email": "user0@example.com"}) for _ in range(5)]
    assert [answer.status_code for answer in again] == [302] * 4 + [429]


def test_ipv6_neighbours_share_a_count(alice: User) -> None:
    statuses = [
        Browser(REMOTE_ADDR=f"2001:db8:1:2:{number:x}::1").log_in(alice.email, "wrong").status_code
        for number in range(11)
    ]
    assert statuses == [200] * 10 + [429]
    assert Browser(REMOTE_ADDR="2001:db8:1:3::1").log_in(alice.email, "wrong").status_code == 200


def test_another_address_has_a_count_of_its_own(alice: User, browser: Browser, mallory: Browser) -> None:
    fail(mallory, alice.email, 10)
    assert browser.log_in(alice.email, "wrong").status_code == 200


@pytest.mark.parametrize(
    ("path", "extra"), [("/accounts/register/", {"name": "Alice"}), ("/accounts/password/reset/", {})]
)
@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_a_mailbox_is_not_flooded_through_us(
    alice: User, clock: Clock, path: str, extra: dict[str, str], email: str
) -> None:
    from accounts.models import OutgoingMail

    answers = [Browser(REMOTE_ADDR=f"192.0.2.{n}").submit(path, {"email": email, **extra}) for n in range(6)]
    assert [answer.status_code for answer in answers] == [302] * 5 + [429]
    assert answers[5]["Retry-After"] == "3600"
    assert OutgoingMail.objects.count() == 5


def test_an_absent_store_opens_no_door(alice: User, browser: Browser, store: Store) -> None:
    browser.raise_request_exception = False
    store.kill()
    refused = browser.log_in(alice.email)
    assert refused.status_code == 503
    assert browser.session_id == ""


def test_the_numbers_are_those_that_are_documented(settings: Settings) -> None:
    limits = login_limits("alice@example.com", HERE, False)
    assert [(limit.most, limit.seconds) for limit in limits] == [(10, 300), (100, 300), (50, 3600)]
    assert len(login_limits("alice@example.com", HERE, True)) == 2
    assert [(limit.most, limit.seconds) for limit in mail_limits("register", "alice@example.com", HERE)] == [
        (5, 3600),
        (20, 3600),
    ]


def test_a_retry_after_is_never_zero(clock: Clock) -> None:
    limits = [Limit("throttle:test", 1, 1)]
    attempt(limits)
    clock(0.9999)
    with pytest.raises(throttle.Throttled) as refusal:
        attempt(limits)
    assert refusal.value.retry_after == 1


def test_registering_an_owners_address_keeps_her_from_no_reset(alice: User, browser: Browser) -> None:
    asked = [browser.submit("/accounts/register/", {"email": alice.email, "name": "x"}).status_code for _ in range(6)]
    assert asked == [302] * 5 + [429]
    assert browser.submit("/accounts/password/reset/", {"email": alice.email}).status_code == 302
