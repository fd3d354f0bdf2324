"""The proofs, in modules by subject. Importing this package registers all of them."""

from lab.claims.proofs import (
    attacks,  # noqa: F401
    choice,  # noqa: F401
    clients,  # noqa: F401
    csrf,  # noqa: F401
    flows,  # noqa: F401
    gateway,  # noqa: F401
    introduction,  # noqa: F401
    questions,  # noqa: F401
    refresh_tokens,  # noqa: F401
    revocation,  # noqa: F401
    rotation,  # noqa: F401
    scale,  # noqa: F401
    sessions,  # noqa: F401
    summary,  # noqa: F401
    table,  # noqa: F401
    tokens,  # noqa: F401
    xss,  # noqa: F401
)
