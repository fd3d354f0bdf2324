"""The names and ports of the range. All names stand for this machine: Chromium resolves `*.localhost` to loopback.

A cookie belongs to a host, at all of its ports. SameSite compares sites, and the site here is `victim.localhost`.
Therefore another port and a sibling host belong to the victim's site, and the attacker's host does not.
"""

import os

RANGE, VICTIM, SIBLING, ATTACKER = "range.localhost", "victim.localhost", "shop.victim.localhost", "attacker.localhost"
ALL = (RANGE, VICTIM, SIBLING, ATTACKER)
HIGHEST_PORT = 65535


def port() -> int:
    """The port of the range: RANGE_PORT, or the site's port plus ten. Raises `ValueError` for a port it cannot use."""
    found = _number("RANGE_PORT", site_port() + 10, HIGHEST_PORT - 1)
    if found in (site_port() - 1, site_port()):
        raise ValueError(f"RANGE_PORT and the port after it must be others than PORT {site_port()}, not {found}.")
    return found


def site_port() -> int:
    """The port of the site. Raises `ValueError` for a number that is not a port."""
    return _number("PORT", 8000, HIGHEST_PORT)


def _number(name: str, default: int, most: int) -> int:
    text = os.environ.get(name) or str(default)
    if not (text.isdecimal() and 1 <= int(text) <= most):
        raise ValueError(f"{name} must be a number from 1 to {most}, not {text!r}.")
    return int(text)


def other_port() -> int:
    """The second port of the range, which stands for another server on the victim's host: another origin, same site."""
    return port() + 1


def origin(host: str, other: bool = False) -> str:
    """The origin of a host of the range, such as `http://victim.localhost:8010`. With `other`, at the second port."""
    return f"http://{host}:{other_port() if other else port()}"
