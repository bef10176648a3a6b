"""Where a private cluster keeps its data."""

import hashlib
import os
import tempfile
from pathlib import Path

from launcher.accounts import give_to_server, server_can_enter
from launcher.project import ROOT, VAR

SOCKET_PATH_LIMIT = 107


def cluster_home(name: str) -> Path:
    """Where a cluster already is, else in `var/` if the server can get there, else in the state folder."""
    inside, outside = VAR / "postgres" / name, state_folder() / name
    for home in (inside, outside):
        if (home / "data" / "PG_VERSION").exists():
            return home
    return inside if _usable(inside) else outside


def make_home(home: Path) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    give_to_server(home)


def state_folder() -> Path:
    """Outside the project, with a name of its own for each checkout."""
    mark = hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]
    if os.geteuid() == 0:
        return Path("/var/lib/relampago-dev") / mark
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "relampago-dev" / mark


def socket_folder(home: Path) -> Path:
    """Beside the data, unless the path would be longer than a socket's may be."""
    beside = home / "socket"
    if len(os.fsencode(beside / ".s.PGSQL.65535")) <= SOCKET_PATH_LIMIT:
        return beside
    mark = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    # Root's own temporary folder may be closed to the server; give_to_server() refuses a folder of somebody else.
    temporary = "/tmp" if os.geteuid() == 0 else tempfile.gettempdir()  # noqa: S108
    return Path(temporary) / f"relampago-{mark}"


def _usable(home: Path) -> bool:
    # A parent may be closed to the server's account (root's home), or the file system may know no owners.
    try:
        make_home(home)
        usable = server_can_enter(home)
        if not usable:
            home.rmdir()
    except OSError:
        return False
    return usable
