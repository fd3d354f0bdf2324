"""Where the processes listen, and the folder in which they keep what is theirs.

Reads the environment alone: `orders` and `billing` have no settings of the site.
"""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
HIGHEST_PORT = 65535
# Those that listen at a port, in the order of their ports; the first is the way in.
PORTS = ("gateway", "orders", "billing", "careless gateway", "first worker", "second worker")
WORKERS = ("first worker", "second worker")
SERVICES = ("orders", "billing")


@dataclass(frozen=True)
class Places:
    """The first of the ports, and the folder."""

    base: int
    folder: Path

    @classmethod
    def of_environment(cls) -> "Places":
        """What SERVICES_PORT, PORT and VAR_DIR say. Raises `ValueError`, with a sentence, for ports there cannot be."""
        site = _number("PORT", 8000, HIGHEST_PORT)
        base = _number("SERVICES_PORT", site + 20, HIGHEST_PORT - len(PORTS) + 1)
        if base <= site < base + len(PORTS):
            raise ValueError(f"SERVICES_PORT and the {len(PORTS) - 1} ports after it must be others than PORT {site}.")
        return cls(base, Path(os.environ.get("VAR_DIR") or ROOT / "var").resolve() / "services")

    def port(self, name: str) -> int:
        """The port of one of `PORTS`."""
        return self.base + PORTS.index(name)

    def url(self, name: str) -> str:
        """Where one of `PORTS` answers, without a slash at the end."""
        return f"http://{HOST}:{self.port(name)}"

    @property
    def auth_socket(self) -> Path:
        """Where `auth` listens. Not at a port: who asks it gets internal tokens, and that is the gateway alone."""
        return self.folder / "auth.sock"

    @property
    def internal_keys(self) -> Path:
        """The public half of the key of internal tokens, written by `auth` and read by the services."""
        return self.folder / "internal-keys.json"

    def log(self, name: str) -> Path:
        """What one of them wrote about the requests that came to it."""
        return self.folder / f"{name}.log"


def _number(name: str, default: int, most: int) -> int:
    text = os.environ.get(name) or str(default)
    if not (text.isdecimal() and 1 <= int(text) <= most):
        raise ValueError(f"{name} must be a number from 1 to {most}, not {text!r}.")
    return int(text)
