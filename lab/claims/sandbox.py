"""Where proofs run: throwaway users, in browsers of their own, send requests to the real addresses of this site.

The requests go through the whole site, in this process: the same handler, middleware, views and stores that
answer every client. The users are removed afterwards, with every row and key.
"""

import contextvars
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections, transaction
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.utils import timezone
from django_redis import get_redis_connection
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import DemoMail, OutgoingMail, User
from jwt_demo.models import TokenFamily
from jwt_demo.revocation import prefix_of
from lab.tracing import trace
from lab.tracing.trace import Exchange
from security import throttle
from security.client import Client
from security.conf import conf as security_conf
from security.housekeeping import task
from security.models import KnownClient, PendingRevocation, SecurityEvent, UserAccess
from security.users import user_key
from security.waits import Busy
from sessions_demo import store
from sessions_demo.models import DeviceSession

PREFIX, DOMAIN = "lab-", "@throwaway.invalid"
# Reserved for documentation (RFC 3849): no real client has such an address.
NETWORK = "2001:db8"
# Longer than any proof takes: an older user was left behind by a killed process or a closed page.
FORGOTTEN_AFTER = timedelta(hours=1)
FLOWS = ("session", "jwt")
T = TypeVar("T")


@dataclass(frozen=True)
class Person:
    """A user who exists for one proof."""

    user: User
    email: str
    password: str


@dataclass(frozen=True)
class Answer:
    """A response, and the trace of what the server did for it."""

    response: httpx.Response
    exchange: Exchange

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def json(self) -> Any:
        """The parsed body; an empty dict if the body is not JSON."""
        is_json = self.response.headers.get("Content-Type", "").startswith("application/json")
        return self.response.json() if is_json else {}

    @property
    def set_cookies(self) -> list[str]:
        """The `Set-Cookie` lines as they were sent."""
        return [line.strip() for line in self.response.headers.get_list("Set-Cookie")]


class Browser:
    """One client: its cookies, its user agent, its address; and, in the JWT flow, its access token."""

    def __init__(self, address: str, agent: str, origin: str) -> None:
        self.address, self.agent, self.access = address, agent, ""
        transport = httpx.WSGITransport(app=_site(), remote_addr=address, raise_app_exceptions=False)
        headers = {"User-Agent": agent, "Origin": origin, "Sec-Fetch-Site": "same-origin"}
        if security_conf.TRUSTED_PROXIES:
            # The proxies would set this header. Without it the site cannot find the client's address.
            headers["X-Forwarded-For"] = ", ".join([address] * security_conf.TRUSTED_PROXIES)
        self.http = httpx.Client(transport=transport, base_url=origin, headers=headers)

    def ask(self, method: str, path: str, **options: Any) -> Answer:
        """Sends one request. It carries this browser's CSRF token and, under /jwt/, its access token, unless `headers`
        says otherwise; a header of `None` is left out."""
        headers = {"X-CSRFToken": self.cookie(settings.CSRF_COOKIE_NAME)}
        if self.access and path.startswith("/jwt/"):
            headers["Authorization"] = f"Bearer {self.access}"
        headers |= options.pop("headers", {})
        request = self.http.build_request(method, path, **options)
        for name, value in headers.items():
            request.headers.pop(name, None)
            if value:
                request.headers[name] = value
        with trace.collecting() as exchanges:
            response = self.http.send(request)
        return Answer(response, exchanges[-1])

    def get(self, path: str, **options: Any) -> Answer:
        """A GET."""
        return self.ask("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        """A POST of JSON."""
        return self.ask("POST", path, json={} if body is None else body, **options)

    def log_in(self, person: Person, flow: str, **body: Any) -> Answer:
        """Logs `person` in by one of the flows; in the JWT flow this browser then holds the access token.

        Raises `Busy` if the site cannot log anybody in now, and `RuntimeError` if the login fails.
        """
        if flow == "session" and not self.cookie(settings.CSRF_COOKIE_NAME):
            self.get("/session/api/")
        answer = self.post(f"/{flow}/auth/login", {"email": person.email, "password": person.password, **body})
        if answer.status == 503:
            raise Busy
        if answer.status != 200:
            raise RuntimeError(f"the login itself failed with {answer.status}")
        self.keep(answer)
        return answer

    def keep(self, answer: Answer) -> Answer:
        """Keeps the access token of an answer, if it has one, and returns the answer."""
        self.access = answer.json.get("accessToken") or self.access
        return answer

    def cookie(self, name: str) -> str:
        """The value of a cookie; "" if this browser has no such cookie."""
        return next((cookie.value or "" for cookie in self.http.cookies.jar if cookie.name == name), "")

    def set_cookie(self, name: str, value: str) -> None:
        """Puts a cookie into this browser, as a thief does with a stolen one."""
        # The jar adds .local to a host name without a dot. Under any other domain, a cookie that the server sets would
        # be kept beside this one instead of replacing it.
        host = urlsplit(str(self.http.base_url)).hostname or ""
        self.http.cookies.set(name, value, domain=host if "." in host else f"{host}.local")


@cache
def _site() -> WSGIHandler:
    return WSGIHandler()


class Sandbox:
    """Makes people and browsers. `open_sandbox` removes the people at the end."""

    def __init__(self) -> None:
        self.people: list[Person] = []
        # The proofs use the site's own throttle. In a common network, the failed logins of one proof would throttle
        # another.
        self.network = f"{NETWORK}:{secrets.randbelow(2**16):x}:{secrets.randbelow(2**16):x}"
        self.origin = f"https://{urlsplit(settings.SITE_URL).netloc}"

    def person(self, **fields: Any) -> Person:
        """A new user, a member unless `role` says otherwise."""
        email, password = f"{PREFIX}{secrets.token_hex(6)}{DOMAIN}", secrets.token_urlsafe(12)
        person = Person(User.objects.create_user(email, password, name="Throwaway", **fields), email, password)
        self.people.append(person)
        return person

    def browser(self, agent: str = "Mozilla/5.0 (lab) Chrome/1") -> Browser:
        """A new browser, without cookies."""
        return Browser(f"{self.network}::{secrets.randbelow(2**16):x}", agent, self.origin)

    def logged_in(self, flow: str, person: Person | None = None, agent: str = "", **body: Any) -> Browser:
        """A new browser in which `person`, or a new user, is logged in."""
        browser = self.browser(agent) if agent else self.browser()
        browser.log_in(person or self.person(), flow, **body)
        return browser

    def at_once(self, work: list[Callable[[], T]]) -> list[T]:
        """Does all of `work` at the same time, each in a thread with connections of its own. Returns the results in
        order."""

        def one(do: Callable[[], T]) -> T:
            try:
                return do()
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(work)) as pool:
            waiting = [pool.submit(contextvars.copy_context().run, one, do) for do in work]
            return [future.result() for future in waiting]


@contextmanager
def open_sandbox() -> Iterator[Sandbox]:
    """A sandbox whose people are removed at the end, also after an error."""
    sandbox = Sandbox()
    try:
        yield sandbox
    finally:
        delete_people([person.user.pk for person in sandbox.people], [person.email for person in sandbox.people])
        _delete_throttle_counts(sandbox.network)
        _delete_events_of_strangers(sandbox.network)


def delete_people(ids: list[int], emails: list[str]) -> None:
    """Removes throwaway users with their rows, their sessions, and their keys in the denylist and the throttle."""
    sessions = DeviceSession.objects.filter(user_id__in=ids)
    store.delete(list(sessions.values_list("digest", flat=True)))
    sessions.delete()
    TokenFamily.objects.filter(user_id__in=ids).delete()
    OutstandingToken.objects.filter(user_id__in=ids).delete()
    with transaction.atomic():
        # Two processes may remove the same users at once. The second would fail on a row that the first has removed.
        here = [*User.objects.select_for_update().filter(pk__in=ids).values_list("pk", flat=True)]
        User.objects.filter(pk__in=here).delete()
    keys = [user_key(pk) for pk in ids]
    for model in (PendingRevocation, SecurityEvent, UserAccess, KnownClient):
        rows = model._base_manager.filter(user_key__in=keys)
        # Security events refuse to be deleted, and a token version outlives its user. These belong to no real user.
        rows._raw_delete(rows.db)
    for mails in (OutgoingMail, DemoMail):
        mails.objects.filter(to__in=emails).delete()
    _delete_keys("denylist", [f"{prefix_of(key)}*" for key in keys])
    limits = [limit for email in emails for limit in throttle.login_limits(email, Client(), False)]
    _delete_keys("default", [limit.key + "*" for limit in limits])


def _delete_throttle_counts(network: str) -> None:
    _delete_keys("default", [f"throttle:*:{Client(f'{network}::1').network}*"])


def _delete_events_of_strangers(network: str, **more: Any) -> None:
    # A failed login with an unknown e-mail address is recorded without a user. Only a sandbox has this network.
    rows = SecurityEvent._base_manager.filter(user_key="", address__startswith=f"{network}:", **more)
    rows._raw_delete(rows.db)


def _delete_keys(alias: str, patterns: list[str]) -> None:
    redis = get_redis_connection(alias)
    for pattern in patterns:
        if keys := list(redis.scan_iter(pattern, count=1000)):
            redis.delete(*keys)


@receiver(pre_save, sender=OutgoingMail)
def hold_back_mail(sender: object, instance: OutgoingMail, raw: bool, **kwargs: Any) -> None:
    """Holds back mail to a throwaway user. It is removed with the user; otherwise it would be sent, or lie in the
    mailbox, after the user is removed."""
    if not raw and instance.to.startswith(PREFIX) and instance.to.endswith(DOMAIN):
        instance.due = timezone.now() + 2 * FORGOTTEN_AFTER


@task("lab", every=600)
def delete_forgotten_people() -> str:
    """Removes people that a killed proof or a closed page left behind, at most a hundred at a time."""
    before = timezone.now() - FORGOTTEN_AFTER
    left = User.objects.filter(email__startswith=PREFIX, email__endswith=DOMAIN, created__lt=before)
    people = dict(left.values_list("pk", "email")[:100])
    if people:
        delete_people(list(people), list(people.values()))
    _delete_events_of_strangers(NETWORK, at__lt=before)
    return f"{len(people)} removed" if people else ""
