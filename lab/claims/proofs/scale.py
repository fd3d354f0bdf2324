"""Logins on a site with two web processes, and after the restart of one."""

from collections.abc import Iterator

from lab.claims.evidence import Evidence, holds
from lab.claims.sandbox import Sandbox
from lab.claims.services import proves_by_services
from lab.experiments import scale
from lab.experiments.scale import MEMORY

KIB = 1024
# The fewest bytes that a session takes in memory.
SMALLEST = 200


@proves_by_services("C46")
def a_session_in_memory_is_unknown_to_the_second_process(sandbox: Sandbox) -> Iterator[Evidence]:
    """Sends requests to two processes in turn."""
    for found in scale.in_turn(sandbox):
        first, second = found.statuses[::2], found.statuses[1::2]
        there = 401 if found.flow == MEMORY else 200
        yield holds(f"{found.where}: requests in turn", found.statuses, set(first) == {200} and set(second) == {there})


@proves_by_services("C91")
def a_restart_loses_sessions_in_memory_and_they_grow(sandbox: Sandbox) -> Iterator[Evidence]:
    """Restarts the first process, and sends visitors who never log in to the second."""
    for found in scale.after_restart(sandbox):
        expected = 0 if found.flow == MEMORY else found.of
        seen = f"{found.known} of {found.of}"
        yield holds(f"{found.where}: still logged in after a restart", seen, found.known == expected)
    unlimited, limited = scale.grown(sandbox)
    seen = f"{unlimited.memory // KIB} KiB more"
    yield holds(f"memory after {unlimited.visitors} visitors", seen, unlimited.memory > SMALLEST * unlimited.visitors)
    seen = f"{limited.kept} of {limited.visitors} sessions kept"
    yield holds("… in a cache with the limit of Django's cache in memory", seen, limited.kept < limited.visitors)
