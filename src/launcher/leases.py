"""Who uses a cluster: a shared lock for each process that does, so that the last one can tell that it is the last."""

import fcntl
from pathlib import Path
from typing import IO

from launcher.postmaster import Postmaster
from launcher.project import lock_file

_held: dict[str, IO[str]] = {}


def take(name: str) -> None:
    """Held until this process ends, however it ends."""
    if name not in _held:
        _held[name] = lock_file(f"{name}-users")
        fcntl.flock(_held[name], fcntl.LOCK_SH)


def last_user(name: str) -> bool:
    """Give the lease back; true when nobody else has one."""
    file = _held.pop(name, None) or lock_file(f"{name}-users")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def keep_running(home: Path, server: Postmaster | None) -> None:
    """Note that this server outlives the processes that use it; a later server is not meant."""
    if server:
        (home / "keep").write_text(str(server.pid), encoding="ascii")


def is_kept(home: Path, server: Postmaster | None) -> bool:
    keep = home / "keep"
    return server is not None and keep.is_file() and keep.read_text(encoding="ascii") == str(server.pid)
