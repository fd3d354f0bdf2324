"""The claims whose proofs ask the services, which are other processes. The site imports nothing of them.

Gives `proves_by_services`, the decorator of a proof that asks them.
"""

from collections.abc import Callable

from lab.claims.evidence import Proof, proves

# The ids of the claims whose proofs ask the services.
BY_SERVICES: set[str] = set()


def proves_by_services(*ids: str) -> Callable[[Proof], Proof]:
    """Registers the decorated function as `proves` does, and notes that the proof of these claims asks the services."""
    BY_SERVICES.update(ids)
    return proves(*ids)
