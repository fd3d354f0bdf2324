"""What this machine says: its environment and `.env`, for Django, the launcher and gunicorn alike.

Django reads its own variables in `config.settings`; what others read too is read here, so that all of them agree.
"""

import os
import re
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parent.parent
# The words that mean yes and no, in any case.
YES, NO = {"1", "true", "t", "yes", "y", "on"}, {"0", "false", "f", "no", "n", "off"}
# As many as services/places.py gives out.
SERVICES_PORTS = 6
# As services/gateway.py has them.
GATEWAYS = ("caddy", "nginx")
ENV_FILE = Path(os.environ.get("ENV_FILE") or ROOT / ".env")


def take_env_file() -> None:
    """Puts into the environment what `.env` says and the environment does not. An empty variable says nothing.

    Raises `ImproperlyConfigured` for a file that cannot be read.
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
    """Whether RANGE, or SERVICES, is wanted beside a demo. Raises `ImproperlyConfigured` for what is not yes or no."""
    text = os.environ.get(name) or "1"
    if text.lower() not in YES | NO:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {text!r}.")
    return text.lower() in YES


def range_port() -> int:
    """The lower of the two ports on which the attack range listens. Raises `ImproperlyConfigured` for any it cannot."""
    found = number("RANGE_PORT", port() + 10, 65534)
    if found in (port() - 1, port()):
        # Whichever process came first would have the port, and the site would not always start.
        raise ImproperlyConfigured(f"RANGE_PORT and the port after it must be others than PORT {port()}, not {found}.")
    return found


def services_port() -> int:
    """The first of the ports of the services, the gateway's.

    Raises `ImproperlyConfigured` for any they cannot have, and for a gateway that there is not.
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
        # gunicorn would take a port, a socket or a file descriptor from it.
        raise ImproperlyConfigured(f"WEB_HOST must be an address or a host name, not {host!r}.")
    return f"{host}:{port()}"
