"""Everything that can happen to families of tokens, in any order, compared with a short model.

The model knows which client holds which token and when it was issued. It knows nothing of generations, keys or rows.
`SOAK=1` tries as many sequences as `make soak` promises.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import User
from config.stores import DENYLIST
from jwt_demo import housekeeping, lifecycle
from jwt_demo.flow import FLOW
from jwt_demo.lifecycle import InvalidRefresh, IssuedTokens, ReusedAfterGrace, ReuseDetected
from jwt_demo.models import TokenFamily, Transport
from jwt_demo.revocation import LEASE
from jwt_demo.tokens import RefreshToken
from security.client import Client
from security.models import SecurityEvent
from security.revocation import revoke_access
from tests.conftest import NOON, Clock
from tests.jwt_demo.inside import committed, counts, everything
from tests.running import Store

pytestmark = [pytest.mark.soak, committed]
SOAK = bool(os.environ.get("SOAK"))
BOUNDED = settings(
    max_examples=600 if SOAK else 16,
    stateful_step_count=50 if SOAK else 25,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
DAY, WINDOW, ACCESS = 86_400, 10, 900
NEXT, SAME, NOTHING, LATE, THEFT = "the next", "the same again", "nothing", "one family ends", "everything ends"
CLIENTS = [Client("192.0.2.1", "first"), Client("198.51.100.2", "first"), Client("203.0.113.3", "second")]
EMPTIED = ("jwt_demo_tokenfamily", "token_blacklist_blacklistedtoken", "token_blacklist_outstandingtoken")
FORGOTTEN = ("security_securityevent", "accounts_outgoingmail", "security_knownclient", "accounts_user")

some = st.integers(0, 7)
clients, transports = st.sampled_from(CLIENTS), st.sampled_from(Transport.values)


@dataclass
class Token:
    """One refresh token that was issued, and the access token that was issued with it."""

    text: str
    at: float
    end: float
    access: IssuedTokens


@dataclass
class Family:
    """What the model knows of one login."""

    email: str
    home: Client
    transport: str
    idle: int
    last_day: float
    tokens: list[Token] = field(default_factory=list)
    latest_holder: str = ""
    void: int = 0
    over: bool = False
    # Which token the owner's client has, and whether another client ever presented one.
    hers: int = 0
    disturbed: bool = False

    def handed_out(self, issued: IssuedTokens, client: Client, now: float) -> None:
        assert issued.family
        end = min(now + self.idle, self.last_day)
        self.tokens.append(Token(str(issued.family.token()), now, end, issued))
        self.latest_holder = client.user_agent


class Families(RuleBasedStateMachine):
    """Two users, three clients, and any number of logins."""

    clock: ClassVar[Clock]
    store: ClassVar[Store]

    @initialize()
    def begin(self) -> None:
        self.now, self.families, self.mails = 0.0, list[Family](), 0
        self.clock(0)
        self.store.client().flushall()
        self.store.client(DENYLIST).set(LEASE, 1, ex=36_000)
        for email in ("alice@example.com", "bob@example.com"):
            User.objects.create(email=email)
            self.log_in(email.partition("@")[0], CLIENTS[0], Transport.COOKIE, True)

    def teardown(self) -> None:
        with connection.cursor() as cursor:
            for table in (*EMPTIED, *FORGOTTEN):
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608

    # ── What may happen ──

    @rule(
        email=st.sampled_from(["alice", "alice", "bob"]), client=clients, transport=transports, remember=st.booleans()
    )
    def log_in(self, email: str, client: Client, transport: str, remember: bool) -> None:
        user = User.objects.get(email=f"{email}@example.com")
        issued = lifecycle.start(user, client, remember, transport)
        idle, absolute = (30, 90) if remember else (7, 30)
        family = Family(user.email, client, transport, idle * DAY, self.now + absolute * DAY)
        family.handed_out(issued, client, self.now)
        self.families.append(family)

    @precondition(lambda self: self.families)
    @rule(which=some, lost=st.booleans())
    def refresh_by_its_owner(self, which: int, lost: bool) -> None:
        """The owner presents her token, and the answer may be lost. Within the grace period she can ask again."""
        family = self.families[-1 - which % len(self.families)]
        in_time = family.hers == len(family.tokens) - 1 or self.now - family.tokens[-1].at < WINDOW
        found = self.present(family, family.hers, family.home, family.transport) if in_time else None
        if in_time and not family.disturbed and not self.has_ended(family):
            assert found in (NEXT, SAME)
        if found in (NEXT, SAME) and not lost:
            family.hers = len(family.tokens) - 1

    @precondition(lambda self: self.families)
    @rule(which=some, back=st.integers(0, 3), client=clients, transport=transports, right=st.booleans())
    def present_any_token(self, which: int, back: int, client: Client, transport: str, right: bool) -> None:
        family = self.families[-1 - which % len(self.families)]
        index = max(0, len(family.tokens) - 1 - back)
        transport = family.transport if right else transport
        family.disturbed = True
        self.present(family, index, client, transport)

    @precondition(lambda self: self.families)
    @rule(which=some, client=clients)
    def prove_the_password_again(self, which: int, client: Client) -> None:
        family = self.families[-1 - which % len(self.families)]
        if self.has_ended(family):
            return
        issued = lifecycle.reauthenticate(self.row(family), User.objects.get(email=family.email), client)
        family.handed_out(issued, family.home, self.now)
        family.void = family.hers = len(family.tokens) - 1

    @precondition(lambda self: self.families)
    @rule(which=some, back=st.integers(0, 3))
    def log_out(self, which: int, back: int) -> None:
        family = self.families[-1 - which % len(self.families)]
        index = max(0, len(family.tokens) - 1 - back)
        if self.now < family.tokens[index].end:
            lifecycle.end(RefreshToken(family.tokens[index].text), None, "logged out")
            # A token from before the password was proved again ends nothing, unless that was just now.
            under_way = index + 1 == family.void == len(family.tokens) - 1
            just_now = under_way and self.now < family.tokens[-1].at + lifecycle.LOGOUT_GRACE.total_seconds()
            family.over = family.over or index >= family.void or just_now

    @precondition(lambda self: self.families)
    @rule(which=some, others=st.booleans())
    def end_from_a_list(self, which: int, others: bool) -> None:
        family = self.families[-1 - which % len(self.families)]
        user, pk = User.objects.get(email=family.email), self.row(family).pk if self.row(family) else None
        mine = [entry for entry in self.families if entry.email == family.email and not self.has_ended(entry)]
        ended = [entry for entry in mine if (entry is family) is not others]
        found = FLOW.end_others(user, str(pk), "test") if others else FLOW.end(user, pk, "test")
        assert found == len(ended)
        for entry in ended:
            entry.over = True

    @rule(email=st.sampled_from(["alice", "bob"]))
    def revoke(self, email: str) -> None:
        revoke_access(User.objects.get(email=f"{email}@example.com"), "test")
        self.over_for(f"{email}@example.com")

    @rule(seconds=st.sampled_from([1, 1, 8, 9, 10, 11, 600, DAY, 6 * DAY, 7 * DAY, 29 * DAY]))
    def let_time_pass(self, seconds: int) -> None:
        self.now += seconds
        self.clock(self.now)

    @rule()
    def purge(self) -> None:
        """A purge changes no answer."""
        housekeeping.purge()

    # ── What must follow ──

    def present(self, family: Family, index: int, client: Client, transport: str) -> str:
        promised = self.meaning(family, index, client, transport)
        before = everything(self.store) if promised is NOTHING else None
        found, issued = self.tried(family.tokens[index].text, client, transport)
        if issued and issued.family and promised is SAME:
            found = SAME if str(issued.family.token()) == family.tokens[-1].text else "another"
        assert found == promised
        if promised is NOTHING:
            assert everything(self.store) == before
        elif promised is NEXT and issued:
            family.handed_out(issued, client, self.now)
        elif promised is LATE:
            family.over = True
        elif promised is THEFT:
            self.over_for(family.email)
            self.mails += 1
        return promised

    @staticmethod
    def tried(text: str, client: Client, transport: str) -> tuple[str, IssuedTokens | None]:
        try:
            return NEXT, lifecycle.rotate(RefreshToken(text), client, transport)
        except ReusedAfterGrace:
            return LATE, None
        except ReuseDetected:
            return THEFT, None
        except (InvalidRefresh, TokenError):
            return NOTHING, None

    def meaning(self, family: Family, index: int, client: Client, transport: str) -> str:
        """What must happen to the token that was issued as number `index`."""
        behind = len(family.tokens) - 1 - index
        if self.has_ended(family) or self.now >= family.tokens[index].end or index < family.void:
            return NOTHING
        if behind == 0:
            return NEXT if transport == family.transport else NOTHING
        same = transport == Transport.BODY or client.user_agent == family.latest_holder
        if behind == 1 and transport == family.transport and same:
            return SAME if self.now - family.tokens[-1].at < WINDOW else LATE
        return THEFT

    def has_ended(self, family: Family) -> bool:
        return family.over or self.now >= family.tokens[-1].end

    def over_for(self, email: str) -> None:
        for family in self.families:
            family.over = family.over or family.email == email

    @staticmethod
    def row(family: Family) -> Any:
        return TokenFamily.objects.filter(pk=family.tokens[0].access.access["sid"]).first()

    @invariant()
    def no_more_lives_than_was_promised(self) -> None:
        """A live family has one good refresh token, and an ended family has none. No other family was changed."""
        for family in self.families:
            leaves = OutstandingToken.objects.filter(
                jti__startswith=family.tokens[0].access.access["sid"],
                blacklistedtoken=None,
                expires_at__gt=NOON + timedelta(seconds=self.now),
            )
            expected = [] if self.has_ended(family) else [RefreshToken(family.tokens[-1].text)["jti"]]
            assert list(leaves.values_list("jti", flat=True)) == expected
        live = TokenFamily.objects.live().count()
        assert live == sum(not self.has_ended(family) for family in self.families)

    @invariant()
    def no_token_outlives_its_family(self) -> None:
        for family in self.families:
            token, ends = family.tokens[-1], NOON.timestamp() + family.last_day
            assert token.access.access["exp"] <= ends
            if self.now < token.end:
                assert RefreshToken(token.text)["exp"] == int(NOON.timestamp() + token.end) <= ends
            if self.now < token.at + ACCESS:
                assert counts(token.access) is not family.over

    @invariant()
    def each_theft_was_told_once(self) -> None:
        told = SecurityEvent.objects.filter(name=SecurityEvent.Name.TOKEN_REUSED, detail__everything=True)
        assert told.count() == self.mails


@pytest.fixture
def machine(clock: Clock, store: Store) -> type[Families]:
    return type("Story", (Families,), {"clock": staticmethod(clock), "store": store})


def test_whatever_happens_a_family_is_what_was_promised(machine: Callable[[], Families]) -> None:
    run_state_machine_as_test(machine, settings=BOUNDED)
