"""The environment of this machine and `.env`, for Django, the launcher and gunicorn.

`config.settings` reads the variables that only Django needs. The others are read here, so that all programs agree.
"""

import os
import re
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parent.parent
# The words that mean yes and no, in upper or lower case.
YES, NO = {"1", "true", "t", "yes", "y", "on"}, {"0", "false", "f", "no", "n", "off"}
# The number of ports that services/places.py uses.
SERVICES_PORTS = 6
# The names of the gateways in services/gateway.py.
GATEWAYS = ("caddy", "nginx")
ENV_FILE = Path(os.environ.get("ENV_FILE") or ROOT / ".env")


def take_env_file() -> None:
    """Adds the variables of `.env` to the environment. A variable that is set and not empty keeps its value.

    Raises `ImproperlyConfigured` if the file cannot be read.
    """
    try:
        values = dotenv_values(ENV_FILE)
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"ENV_FILE {ENV_FILE} cannot be read: {error}") from error
    for name, value in values.items():
        if value and not os.environ.get(name):
            os.environ[name] = value


def number(name: str, default: int, most: int) -> int:
    """The variable `name`, from 1 to `most`. Raises `ImproperlyConfigured` for anything else."""
    text = os.environ.get(name) or str(default)
    if not (text.isdecimal() and 1 <= int(text) <= most):
        raise ImproperlyConfigured(f"{name} must be a number from 1 to {most}, not {text!r}.")
    return int(text)


def port() -> int:
    """The port on which the web process listens."""
    return number("PORT", 8000, 65535)


def is_wanted(name: str) -> bool:
    """Whether the variable `name`, RANGE or SERVICES, says yes. Empty means yes.

    Raises `ImproperlyConfigured` for any other word than yes or no.
    """
    text = os.environ.get(name) or "1"
    if text.lower() not in YES | NO:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {text!r}.")
    return text.lower() in YES


def range_port() -> int:
    """The lower of the two ports of the attack range. Raises `ImproperlyConfigured` if one of them cannot be used."""
    found = number("RANGE_PORT", port() + 10, 65534)
    if found in (port() - 1, port()):
        # Otherwise both want one port, and whether the site starts depends on which process is first.
        raise ImproperlyConfigured(f"RANGE_PORT and the port after it must be others than PORT {port()}, not {found}.")
    return found


def services_port() -> int:
    """The first port of the services, which is the gateway's.

    Raises `ImproperlyConfigured` if one of their ports cannot be used, or if GATEWAY names no known gateway.
    """
    if (gateway := os.environ.get("GATEWAY") or "caddy") not in GATEWAYS:
        raise ImproperlyConfigured(f"GATEWAY must be one of {', '.join(GATEWAYS)}, not {gateway!r}.")
    found, last = number("SERVICES_PORT", port() + 20, 65536 - SERVICES_PORTS), SERVICES_PORTS - 1
    taken = {"PORT": [port()]}
    if is_wanted("RANGE"):
        taken["RANGE_PORT"] = [range_port(), range_port() + 1]
    for name, ports in taken.items():
        if any(found <= other <= found + last for other in ports):
            raise ImproperlyConfigured(
                f"SERVICES_PORT and the {last} ports after it must be others than {name} {ports[0]}, not {found}."
            )
    return found


def bind() -> str:
    """The address and the port on which the web process listens, as gunicorn reads them."""
    host = os.environ.get("WEB_HOST") or "127.0.0.1"
    with suppress(ValueError):
        if ip_address(host.strip("[]")).version == 6:
            return f"[{host.strip('[]')}]:{port()}"
    if not re.fullmatch(r"[\w.-]+", host):
        # gunicorn would read another text as a port, a Unix socket or a file descriptor.
        raise ImproperlyConfigured(f"WEB_HOST must be an address or a host name, not {host!r}.")
    return f"{host}:{port()}"
