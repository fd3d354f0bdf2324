"""A running site with its users, its store and its database, for the tests of races and revocations."""

import redis

from sessions_demo.store import digest
from tests import records
from tests.running import Site, no_failures_counted
from tests.site.backstage import Backstage
from tests.site.holder import AGENT, Holder
from tests.site.member import PATIENCE, Member

PASSWORD = "demo-only-alice"


class Arena:
    """All users have Alice's password, and each user belongs to one test only."""

    def __init__(self, site: Site, backstage: Backstage) -> None:
        self.site, self.backstage = site, backstage
        no_failures_counted(site)

    def store(self, db: int = 0) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.site.store_socket), db=db, socket_timeout=PATIENCE)

    def people(self, prefix: str, number: int) -> list[str]:
        """Creates `number` users; returns their e-mail addresses."""
        return self.backstage.ask("people", prefix, number, "alice@example.com")

    def member(self, email: str) -> Member:
        """Logs this user in with a new session."""
        member = Member(self.site)
        assert member.log_in(email, PASSWORD).status == 200
        member.device = records.read(self.store().get(self.key(member.session)))["_auth_device"]
        assert member.whoami() == 200
        return member

    def holders(self, email: str, number: int, window: int | None = None) -> list[Holder]:
        """Clients in which this user is logged in with JWTs, each with its own token family."""
        return [Holder(self.site, *tokens) for tokens in self.backstage.ask("families", email, number, AGENT, window)]

    def key(self, session: str) -> bytes:
        """The Redis key of this session's record."""
        return f":1:session:{digest(session)}".encode()
