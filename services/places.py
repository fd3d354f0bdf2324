"""Where the processes listen, and the folder of their files.

This module reads only the environment, because `orders` and `billing` do not have the settings of the site.
"""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
HIGHEST_PORT = 65535
# The processes and servers that listen at a port, in the order of their ports. Clients use the first.
PORTS = ("gateway", "orders", "billing", "careless gateway", "first worker", "second worker")
WORKERS = ("first worker", "second worker")
SERVICES = ("orders", "billing")


@dataclass(frozen=True)
class Places:
    """The number of the first port, and the folder."""

    base: int
    folder: Path

    @classmethod
    def of_environment(cls) -> "Places":
        """Reads SERVICES_PORT, PORT and VAR_DIR. Raises `ValueError` for a port that is invalid or the site's own."""
        site = _number("PORT", 8000, HIGHEST_PORT)
        base = _number("SERVICES_PORT", site + 20, HIGHEST_PORT - len(PORTS) + 1)
        if base <= site < base + len(PORTS):
            raise ValueError(f"SERVICES_PORT and the {len(PORTS) - 1} ports after it must be others than PORT {site}.")
        return cls(base, Path(os.environ.get("VAR_DIR") or ROOT / "var").resolve() / "services")

    def port(self, name: str) -> int:
        """The port of one of `PORTS`."""
        return self.base + PORTS.index(name)

    def url(self, name: str) -> str:
        """The origin of one of `PORTS`: no slash at the end."""
        return f"http://{HOST}:{self.port(name)}"

    @property
    def auth_socket(self) -> Path:
        """The Unix socket of `auth`. At a port, every local user could ask `auth` for internal tokens."""
        return self.folder / "auth.sock"

    @property
    def internal_keys(self) -> Path:
        """The file with the public key of internal tokens. `auth` writes it, and the services read it."""
        return self.folder / "internal-keys.json"

    def log(self, name: str) -> Path:
        """The file in which this process logs its requests."""
        return self.folder / f"{name}.log"


def _number(name: str, default: int, most: int) -> int:
    text = os.environ.get(name) or str(default)
    if not (text.isdecimal() and 1 <= int(text) <= most):
        raise ValueError(f"{name} must be a number from 1 to {most}, not {text!r}.")
    return int(text)
