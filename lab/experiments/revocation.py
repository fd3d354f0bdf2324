"""One round: a user logs in once with each strategy, the user's access is revoked, and each credential is tried until
it is refused."""

import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any

from django.db import transaction

from accounts.models import User
from jwt_demo import lifecycle
from jwt_demo.models import Policy, Transport
from lab.claims.sandbox import Answer, Browser, Person, Sandbox
from security import passwords
from security.client import Client
from security.revocation import revoke_access


@dataclass(frozen=True)
class Strategy:
    """One way to check whether a credential still counts. `kind` is the CSS class of its lane: session or token."""

    key: str
    name: str
    kind: str
    path: str
    how: str


STRATEGIES = (
    Strategy("session", "Session", "session", "/session/api/whoami", "looks up a record in Redis each time"),
    Strategy("expiry", "Token, expiry", "token", "/lab/whoami/expiry", "looks up nothing; renewed by refresh"),
    Strategy("denylist", "Token, denylist", "token", "/lab/whoami/denylist", "looks in a Redis list each time"),
    Strategy("version", "Token, version", "token", "/lab/whoami/version", "looks up a database row each time"),
    Strategy(
        "short", "Token, access token only", "token", "/lab/whoami/expiry", "looks up nothing; has no refresh token"
    ),
)
BY_KEY = {strategy.key: strategy for strategy in STRATEGIES}


@dataclass(frozen=True)
class RevocationAct:
    """A change that revokes a user's access. `do` makes the change as the site itself does."""

    name: str
    description: str
    do: Callable[[User], object]


def _ban(user: User) -> None:
    user.is_active = False
    user.save()


def _change_password(user: User) -> None:
    passwords.choose(user, secrets.token_urlsafe(12))
    passwords.replace(user, Client())


def _log_out_everywhere(user: User) -> None:
    revoke_access(user, "logged out everywhere")


def _demote(user: User) -> None:
    user.role = User.Role.MEMBER
    user.save()


ACTS = {
    "ban": RevocationAct("Ban", "An administrator deactivates Dana.", _ban),
    "password": RevocationAct("Change password", "Dana sets a new password in another browser.", _change_password),
    "everywhere": RevocationAct("Log out everywhere", "Dana ends all sessions and token logins.", _log_out_everywhere),
    "demote": RevocationAct("Demote", "An administrator makes Dana a member again.", _demote),
}


def revoke(user_id: int, act: str) -> None:
    """Revokes this user's access, now. Raises `KeyError` for an unknown act, `User.DoesNotExist` for a deleted user."""
    with transaction.atomic():
        # Without the lock, another request could delete the user now, and `save()` would insert the user again.
        ACTS[act].do(User.objects.select_for_update().get(pk=user_id))


@dataclass(frozen=True)
class Credential:
    """What one client holds. `ends` is the `exp` of its access token, in seconds since 1970; 0 for a session."""

    strategy: Strategy
    browser: Browser
    refresh: str = ""
    ends: int = 0

    def ask(self) -> Answer:
        """Asks whoami with this credential, at the address of its strategy."""
        bearer = {"Authorization": f"Bearer {self.browser.access}"} if self.ends else {}
        return self.browser.get(self.strategy.path, headers=bearer)


def log_in(sandbox: Sandbox, person: Person, strategy: Strategy, life: int) -> Credential:
    """Logs in. Access tokens live `life` seconds. Raises `InvalidCredentials`; for a session, `RuntimeError`."""
    browser = sandbox.browser()
    if strategy.kind == "session":
        browser.log_in(person, "session")
        return Credential(strategy, browser)
    check = strategy.path.rpartition("/")[2]
    policy = replace(Policy.default(), access=life, revocation=check)
    issued = lifecycle.start(person.user, Client(browser.address, browser.agent), False, Transport.BODY, policy)
    browser.access = str(issued.access)
    # "Access token only" uses the same token, but has no refresh token.
    refresh = str(issued.family.token()) if issued.family and strategy.key != "short" else ""
    return Credential(strategy, browser, refresh, issued.access["exp"])


@dataclass
class Observation:
    """What became of one credential. Seconds count from the revocation. `left` is what its token had left then."""

    strategy: Strategy
    left: float | None
    works: bool = False
    last_ok: float | None = None
    refused: float | None = None
    asked: int = 0
    reason: str = ""
    sql: int = 0
    redis: int = 0
    ms: list[float] = field(default_factory=list)

    def add_answer(self, answer: Answer, seconds: float | None) -> None:
        """Records one answer. `seconds` is `None` before the revocation."""
        if answer.status == 200:
            self.sql, self.redis = answer.exchange.count("sql"), answer.exchange.count("redis")
            self.ms.append(answer.exchange.ms)
        if seconds is None:
            self.works = answer.status == 200
            return
        self.asked += 1
        if answer.status == 200:
            self.last_ok = seconds
        else:
            self.refused, self.reason = seconds, answer.json.get("error", str(answer.status))

    @property
    def at_once(self) -> bool:
        """Whether the first request after the revocation was refused."""
        return self.refused is not None and self.asked == 1

    @property
    def explanation(self) -> str:
        """What was seen, in one line."""
        good = "" if self.last_ok is None else f"200 until {self.last_ok:.2f} s"
        dead = "" if self.refused is None else f"401 {self.reason} after {self.refused:.2f} s"
        return ", ".join(filter(None, [good, dead])) + (f", of {self.left:.2f} s left" if self.left else "")

    def as_json(self) -> dict[str, Any]:
        """The values that the page and its script show."""
        content = asdict(self) | {"key": self.strategy.key, "at_once": self.at_once, "ms": median(self.ms or [0])}
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in content.items()}


def run_round(
    sandbox: Sandbox, act: str, life: int, only: tuple[str, ...] = (), max_seconds: float = 0, interval: float = 0.1
) -> list[Observation]:
    """Runs a round: logs in, revokes, and asks with each credential every `interval` seconds until it is refused.

    `life` is the lifetime of access tokens in whole seconds. The round ends `max_seconds` after the revocation at the
    latest, or one second after the tokens have expired if `max_seconds` is 0.
    """
    person = sandbox.person(role=User.Role.ADMIN)
    chosen = [strategy for strategy in STRATEGIES if not only or strategy.key in only]
    credentials = [log_in(sandbox, person, strategy, life) for strategy in chosen]
    observations = {credential.strategy.key: Observation(credential.strategy, None) for credential in credentials}
    for _ in range(2):
        # Twice: the first request may have to sync the denylist, which would be counted as the price of a check.
        for credential in credentials:
            observations[credential.strategy.key].add_answer(credential.ask(), None)
    revoke(person.user.pk, act)
    _watch(credentials, observations, max_seconds or life + 1, interval)
    return list(observations.values())


def watch_unrevoked(credential: Credential, max_seconds: float, interval: float = 0.1) -> Observation:
    """Asks with a credential that is not revoked, for `max_seconds` from now."""
    observation = Observation(credential.strategy, None)
    observation.add_answer(credential.ask(), None)
    _watch([credential], {credential.strategy.key: observation}, max_seconds, interval)
    return observation


def _watch(
    credentials: list[Credential], observations: dict[str, Observation], max_seconds: float, interval: float
) -> None:
    began = time.time()
    for credential in credentials:
        observations[credential.strategy.key].left = credential.ends - began if credential.ends else None
    alive = credentials
    while alive and time.time() - began < max_seconds:
        for credential in alive:
            # The time of the request, not of the answer: a token may expire in between, and was valid when it was sent.
            asked = time.time() - began
            observations[credential.strategy.key].add_answer(credential.ask(), asked)
        alive = [credential for credential in alive if observations[credential.strategy.key].refused is None]
        time.sleep(interval if alive else 0)
