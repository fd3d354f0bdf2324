"""The names and ports of the range. All of them are this machine: Chromium resolves `*.localhost` to loopback.

A cookie belongs to a host and ignores ports, and SameSite looks at the site: `victim.localhost`. So another port and
a sibling host are the same site as the victim, and the attacker is another one.
"""

import os

RANGE, VICTIM, SIBLING, ATTACKER = "range.localhost", "victim.localhost", "shop.victim.localhost", "attacker.localhost"
ALL = (RANGE, VICTIM, SIBLING, ATTACKER)
HIGHEST_PORT = 65535


def port() -> int:
    """The port of the range: RANGE_PORT, or ten above that of the site. Raises `ValueError` for one it cannot have."""
    found = _number("RANGE_PORT", site_port() + 10, HIGHEST_PORT - 1)
    if found in (site_port() - 1, site_port()):
        raise ValueError(f"RANGE_PORT and the port after it must be others than PORT {site_port()}, not {found}.")
    return found


def site_port() -> int:
    """The port of the site beside it. Raises `ValueError` for one there is not."""
    return _number("PORT", 8000, HIGHEST_PORT)


def _number(name: str, default: int, most: int) -> int:
    text = os.environ.get(name) or str(default)
    if not (text.isdecimal() and 1 <= int(text) <= most):
        raise ValueError(f"{name} must be a number from 1 to {most}, not {text!r}.")
    return int(text)


def other_port() -> int:
    """The port of another server on the victim's host: another origin, and the same site."""
    return port() + 1


def origin(host: str, other: bool = False) -> str:
    """`http://victim.localhost:8010`, the origin of a host of the range, at its `other` port if asked."""
    return f"http://{host}:{other_port() if other else port()}"
