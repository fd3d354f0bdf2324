"""The attacks. Importing this package registers all of their cases."""

from attack_range.attacks import (
    alg,  # noqa: F401
    broken,  # noqa: F401
    csrf,  # noqa: F401
    csrf_origin,  # noqa: F401
    csrf_ours,  # noqa: F401
    csrf_single,  # noqa: F401
    enumeration,  # noqa: F401
    fixation,  # noqa: F401
    replay,  # noqa: F401
    secret,  # noqa: F401
    xss,  # noqa: F401
    xss_inside,  # noqa: F401
    xss_ours,  # noqa: F401
)
