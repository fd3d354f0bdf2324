"""Makes keys, and writes the file that `jwt_demo.keys` reads. Commands and the first start need it, requests do not."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from jwt_demo.keys import ED25519, ES256, DatedKey, Ring, State, base64url


def new_secret(algorithm: str) -> str:
    """The secret of a new key, from the system's random source."""
    if algorithm == "EdDSA":
        return ED25519 + base64url(secrets.token_bytes(32))
    if algorithm == "ES256":
        return ES256 + base64url(generate_private_key(SECP256R1()).private_numbers().private_value.to_bytes(32))
    return secrets.token_urlsafe(48)


def write(path: Path, rings: Mapping[str, Ring]) -> None:
    """Replaces the file by one with these rings, in one step: a reader finds the old file or the new one.

    The caller holds the lock of `locked`. If the path is a link, the file that it points to is replaced. Raises
    `OSError`, also when the new file cannot be given to the owner of the old one, who could then not read it.
    """
    path = Path(os.path.realpath(path))
    entries = {kind: [_as_json(dated) for dated in ring.dated] for kind, ring in rings.items()}
    # Always the same name: otherwise each process that is killed here would leave one more file of secrets behind.
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    try:
        with open(new, "x", opener=_open_private) as file:
            os.fchmod(file.fileno(), 0o600)  # the umask may have removed the owner's permissions
            _give_to_owner(file.fileno(), path)
            json.dump(entries, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _give_to_owner(handle: int, path: Path) -> None:
    if path.exists():
        os.fchown(handle, path.stat().st_uid, -1)
    elif os.geteuid() == 0:
        # The first keys, made by root for a site that does not run as root.
        os.fchown(handle, path.parent.stat().st_uid, -1)


def _as_json(dated: DatedKey) -> dict[str, str | None]:
    moments = {state.value: getattr(dated, state) for state in State}
    return {"secret": dated.secret} | {name: moment and moment.isoformat() for name, moment in moments.items()}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits until no other process writes the file. Without this, one of two rotations at once would undo the other."""
    folder = os.open(Path(os.path.realpath(path)).parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
        os.fsync(folder)  # or a power cut could bring the old file back
    finally:
        os.close(folder)
