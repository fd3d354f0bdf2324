"""A running site, the people in it, and the means to look behind it: what races and revocations play in."""

import redis

from sessions_demo.store import digest
from tests import records
from tests.running import Site, no_failures_counted
from tests.site.backstage import Backstage
from tests.site.holder import AGENT, Holder
from tests.site.member import PATIENCE, Member

PASSWORD = "demo-only-alice"


class Arena:
    """Everybody in it has alice's password, and plays in one test only."""

    def __init__(self, site: Site, backstage: Backstage) -> None:
        self.site, self.backstage = site, backstage
        no_failures_counted(site)

    def store(self, db: int = 0) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.site.store_socket), db=db, socket_timeout=PATIENCE)

    def people(self, prefix: str, number: int) -> list[str]:
        """So many new users; returns their addresses."""
        return self.backstage.ask("people", prefix, number, "alice@example.com")

    def member(self, email: str) -> Member:
        """A new session of this user."""
        member = Member(self.site)
        assert member.log_in(email, PASSWORD).status == 200
        member.device = records.read(self.store().get(self.key(member.session)))["_auth_device"]
        assert member.whoami() == 200
        return member

    def holders(self, email: str, number: int, window: int | None = None) -> list[Holder]:
        """So many clients in which this user is logged in by token, each with a family of its own."""
        return [Holder(self.site, *tokens) for tokens in self.backstage.ask("families", email, number, AGENT, window)]

    def key(self, session: str) -> bytes:
        """The name of the record of a session in Redis."""
        return f":1:session:{digest(session)}".encode()
