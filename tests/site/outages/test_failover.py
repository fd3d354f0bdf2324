"""The name of the store moves to another server, and the old one stays up as a replica that takes no writes."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from tests.running import Site, Store, until
from tests.site.holder import Holder
from tests.site.member import Member
from tests.site.outages.away import well_again

ALICE = ("alice@example.com", "demo-only-alice")


@contextmanager
def failed_over(store: Store, site: Site) -> Iterator[Store]:
    """Gives the store's name (a socket's path) to a copy of it. Open connections stay with the old store."""
    folder, moved = store.path.parent.with_name(store.path.parent.name + "-b"), store.path.with_suffix(".old")
    shutil.copytree(store.path.parent, folder, ignore=shutil.ignore_patterns("*.sock", "lock"))
    other = Store(folder / "valkey.sock")
    other.start()
    old = store.client()
    old.replicaof("127.0.0.1", "1")
    store.path.rename(moved)
    other.path.rename(store.path)
    try:
        yield other
    finally:
        moved.rename(store.path)
        old.replicaof("no", "one")
        other.kill()
        shutil.rmtree(folder)
        well_again(site)


def test_after_a_failover_by_name_everybody_is_in_again_without_a_restart(site: Site, store: Store) -> None:
    member, holder, processes = Member(site), Holder(site), site.processes()
    assert (member.log_in(*ALICE).status, holder.log_in(*ALICE).status) == (200, 200)
    for _ in range(12):  # every web process opens connections to the old store
        assert (member.whoami(), holder.whoami(), Holder(site).log_in(*ALICE).status) == (200, 200, 200)
    with failed_over(store, site):
        until(lambda: all(Member(site).log_in(*ALICE).status == 200 for _ in range(6)), 10)
        assert [member.whoami() for _ in range(6)] == [holder.whoami() for _ in range(6)] == [200] * 6
        assert (member.get("/readyz").status, holder.keep(holder.rotate()).status) == (200, 200)
        assert member.post("/session/auth/logout").status == 200
        assert member.whoami() == 401
    assert site.processes() == processes
