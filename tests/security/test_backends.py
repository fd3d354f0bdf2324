"""Every login goes through one backend, and every refused login gets the same response."""

import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import authenticate, update_session_auth_hash
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import get_hasher
from django.core.signals import got_request_exception, request_finished
from django.http import HttpRequest
from django.test import RequestFactory, override_settings

from accounts.models import User
from config.stores import THROTTLE
from security.backends import InvalidCredentials, PasswordBackend, throttled_is_raised, verify
from security.models import KnownClient, SecurityEvent
from security.throttle import Throttled
from tests.conftest import PASSWORDS, Browser, Clock, told
from tests.running import Store

RIGHT = PASSWORDS["alice@example.com"]
REFUSED = ["wrong", "unknown", "inactive", "inactive and wrong", "without a password", "not staff"]


@pytest.fixture
def request_() -> HttpRequest:
    return RequestFactory().post("/")


@pytest.fixture
def credentials(alice: User, bob: User, admin: User) -> dict[str, tuple[str, str]]:
    """Credentials that the admin's login refuses, by the reason."""
    User.objects.filter(pk=bob.pk).update(is_active=False)
    User.objects.create_user("carol@example.com")
    return {
        "wrong": (admin.email, "wrong"),
        "unknown": ("nobody@example.com", RIGHT),
        "inactive": (bob.email, PASSWORDS[bob.email]),
        "inactive and wrong": (bob.email, "wrong"),
        "without a password": ("carol@example.com", "wrong"),
        "not staff": (alice.email, RIGHT),
    }


def test_the_right_password_names_its_user(alice: User, request_: HttpRequest) -> None:
    assert verify(request_, " ALICE@example.com", RIGHT) == alice


@pytest.mark.parametrize("why", [why for why in REFUSED if why != "not staff"])
def test_everyone_else_is_refused_in_the_same_words(
    credentials: dict[str, tuple[str, str]], request_: HttpRequest, why: str
) -> None:
    with pytest.raises(InvalidCredentials) as refusal:
        verify(request_, *credentials[why])
    assert str(refusal.value) == ""


def without_echo(body: bytes, email: str) -> bytes:
    """The page without the parts that always differ: the form's CSRF token, and the e-mail address as it was typed."""
    body = re.sub(rb'name="csrfmiddlewaretoken" value="\w+"', b"", body)
    return body.replace(email.encode(), b"")


def test_a_refused_login_does_not_tell_why(
    credentials: dict[str, tuple[str, str]], measured: Callable[..., Any], store: Store, clock: Clock
) -> None:
    answers = {}
    for why, (email, password) in credentials.items():
        browser = Browser()
        browser.get("/admin/login/")
        with measured() as cost:
            answer = browser.log_in(email, password)
        headers = {name: value for name, value in told(answer).items() if name != "Content-Length"}
        assert browser.session_id == ""
        answers[why] = {
            "status": answer.status_code,
            "body": without_echo(answer.content, email),
            "costs": (cost.counts, headers.pop("Server-Timing", "")),
            "headers": headers,
            "cookies": set(answer.cookies),
        }
    wrong = answers["wrong"]
    assert (wrong["status"], wrong["costs"][0]) == (200, (1, 2, 2))
    # The costs differ for "not staff": the password is right, and the failure that was counted is taken back.
    assert answers["not staff"] | {"costs": None} == wrong | {"costs": None}
    for why in REFUSED[:-1]:
        assert answers[why] == wrong, why
    assert store.client(0).dbsize() == 0


def test_a_refused_login_costs_what_an_unknown_one_costs_from_a_known_client_too(
    alice: User, measured: Callable[..., Any]
) -> None:
    browser = Browser()
    KnownClient.objects.create(user_key=str(alice.pk), user_agent_hash=_digest_of(browser))
    costs = []
    for email in (alice.email, "nobody@example.com"):
        with measured() as cost:
            browser.log_in(email, "wrong")
        costs.append(cost.counts)
    assert costs[0] == costs[1]


def _digest_of(browser: Browser) -> str:
    from security.client import Client

    return Client.of(browser.get("/healthz").wsgi_request).user_agent_hash


@pytest.mark.parametrize("user", ["alice@example.com", "nobody@example.com"])
@pytest.mark.parametrize(
    "password",
    [
        "",
        " ",
        "x" * 50_000,
        "\0",
        "p\u00e4ssw\u00f6rd \U0001f984",
        "\ud83d",
        "$argon2id$v=19$m=8,t=1,p=1$",
        RIGHT + "x",
        RIGHT[:-1],
    ],
)
def test_an_odd_password_is_a_wrong_password(
    alice: User, request_: HttpRequest, measured: Callable[..., Any], user: str, password: str
) -> None:
    with measured() as cost, pytest.raises(InvalidCredentials):
        verify(request_, user, password)
    assert cost.hashes == 1


@pytest.mark.parametrize("email", ["", "\0", "\ud800", "x" * 50_000, "'; DROP TABLE accounts_user; --", "%", "*"])
def test_an_odd_address_is_an_unknown_address(alice: User, request_: HttpRequest, email: str) -> None:
    with pytest.raises(InvalidCredentials):
        verify(request_, email, RIGHT)


@pytest.mark.parametrize("password", ["\U0001f984" * 8, "p\u00e4ssw\u00f6rter", "  blanks around  ", "x" * 1024])
def test_a_password_counts_to_its_last_character(alice: User, request_: HttpRequest, password: str) -> None:
    alice.set_password(password)
    alice.save()
    assert verify(request_, alice.email, password) == alice
    for near in (password[:-1], password + " ", password.strip() + "."):
        with pytest.raises(InvalidCredentials):
            verify(request_, alice.email, near)


@pytest.mark.parametrize("missing", [{"username": None}, {"password": None}])
def test_nothing_is_not_a_password(alice: User, request_: HttpRequest, missing: dict[str, None]) -> None:
    given: dict[str, Any] = {"username": alice.email, "password": RIGHT, **missing}
    assert authenticate(request_, **given) is None


def test_a_login_takes_a_hash_with_older_parameters_to_the_present_ones(
    alice: User, request_: HttpRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as then:
        then.setattr("security.hashers.Argon2id.memory_cost", 1024)
        then.setattr("security.hashers.Argon2id.time_cost", 1)
        alice.set_password(RIGHT)
        alice.save()
    assert "m=1024,t=1,p=1" in alice.password
    with pytest.raises(InvalidCredentials):
        verify(request_, alice.email, "wrong")
    verify(request_, alice.email, RIGHT)
    alice.refresh_from_db()
    assert not get_hasher().must_update(alice.password)
    assert verify(request_, alice.email, RIGHT) == alice


def raised(request: HttpRequest, email: str, password: str) -> Any:
    """Authenticates as the admin's form does, which gets `Throttled` raised."""
    with throttled_is_raised():
        return authenticate(request, username=email, password=password)


def test_the_door_is_throttled_whoever_asks(alice: User, request_: HttpRequest) -> None:
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            verify(request_, alice.email, "wrong")
    # A project's own form calls Django's `authenticate`, which returns None for every refusal.
    assert authenticate(request_, username=alice.email, password=RIGHT) is None
    for asks in (verify, raised):
        with pytest.raises(Throttled):
            asks(request_, alice.email, RIGHT)


def test_a_refused_login_is_an_event_with_its_reason_for_us_only(
    credentials: dict[str, tuple[str, str]], request_: HttpRequest
) -> None:
    for why in ("wrong", "unknown", "inactive"):
        with pytest.raises(InvalidCredentials):
            verify(request_, *credentials[why])
    unknown, inactive = {"unknown"}, {"inactive"}
    events = SecurityEvent.objects.filter(name=SecurityEvent.Name.LOGIN_FAIL).order_by("pk")
    assert [(event.email, set(event.detail)) for event in events] == [
        ("admin@example.com", inactive),
        ("", unknown),
        ("bob@example.com", inactive),
    ]
    assert [event.detail.get("inactive") for event in events] == [False, None, True]


def test_an_inactive_user_is_out_at_the_next_request(admin: User, browser: Browser) -> None:
    browser.log_in(admin.email)
    assert browser.get("/accounts/password/").status_code == 200
    User.objects.filter(pk=admin.pk).update(is_active=False)
    assert browser.get("/accounts/password/").status_code == 302


class Elsewhere(BaseBackend):
    """A backend that accepts a password which this database does not store."""

    def authenticate(self, request: HttpRequest | None, username: str = "", password: str = "", **_: Any) -> Any:
        return User.objects.get(email=username) if password == "kept elsewhere" else None


TWO = ["security.backends.PasswordBackend", "tests.security.test_backends.Elsewhere"]


@pytest.mark.django_db(transaction=True)
@override_settings(AUTHENTICATION_BACKENDS=TWO)
def test_a_password_that_another_backend_knows_is_no_failure(alice: User, store: Store, request_: HttpRequest) -> None:
    """This holds without a login too: an API that checks the password on each request sends no `user_logged_in`."""
    for _ in range(2):
        assert authenticate(request_, username=alice.email, password="kept elsewhere") == alice
    request_finished.send(None)
    assert not store.client(THROTTLE).keys("throttle:*")
    assert authenticate(request_, username=alice.email, password="wrong") is None
    request_finished.send(None)
    assert store.client(THROTTLE).keys("throttle:*")
    assert SecurityEvent.objects.filter(name=SecurityEvent.Name.LOGIN_FAIL).count() == 1


class Broken(BaseBackend):
    """A later backend that raises because its own store is down."""

    def authenticate(self, request: Any, username: Any = None, password: Any = None, **kwargs: Any) -> Any:
        raise ZeroDivisionError


@pytest.mark.django_db(transaction=True)
@override_settings(AUTHENTICATION_BACKENDS=[TWO[0], f"{__name__}.Broken"])
def test_a_wrong_password_counts_although_a_later_backend_raises(
    alice: User, store: Store, request_: HttpRequest
) -> None:
    """Otherwise passwords could be guessed without a limit: the first backend accepts the right one."""
    with pytest.raises(ZeroDivisionError):
        verify(request_, alice.email, "wrong")
    with pytest.raises(ZeroDivisionError):
        authenticate(request_, username=alice.email, password="wrong")
    got_request_exception.send(None)
    request_finished.send(None)
    assert SecurityEvent.objects.filter(name=SecurityEvent.Name.LOGIN_FAIL).count() == 2
    assert verify(request_, alice.email, PASSWORDS[alice.email]) == alice


def test_a_user_of_a_session_can_be_kept_in_a_cache(alice: User) -> None:
    """A project may pickle `request.user`."""
    user = PasswordBackend().get_user(alice.pk)
    again = pickle.loads(pickle.dumps(user))  # noqa: S301
    assert again.get_session_auth_hash() == user.get_session_auth_hash()


@pytest.mark.django_db(transaction=True)
def test_a_session_outlives_that_django_is_given_the_user_by_another_way(admin: User, browser: Browser) -> None:
    """The admin does so when administrators change their own password, and so may a view after a registration."""
    browser.force_login(User.objects.get(pk=admin.pk), TWO[0])
    assert browser.get("/admin/").status_code == 200
    request = HttpRequest()
    request.user, request.session = User.objects.get(pk=admin.pk), browser.session
    user = User.objects.get(pk=admin.pk)
    user.name = "Another"
    user.save()
    update_session_auth_hash(request, user)
    request.session.save()
    browser.cookies[settings.SESSION_COOKIE_NAME] = request.session.session_key
    assert browser.get("/admin/").status_code == 200
