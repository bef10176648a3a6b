"""How a worker shows that it lives: a file that is touched after every heartbeat that the database took."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from app.jobs.service import STALLED_SECONDS
from app.settings import Settings


def _folder(settings: Settings) -> Path:
    return Path(settings.media_root).parent / "run"


class Sign:
    """This process's file. Its age says when the database last took a heartbeat of this worker."""

    def __init__(self, settings: Settings) -> None:
        # Containers may share the folder and count their processes alike, so the host's name belongs to the file's.
        self._path = _folder(settings) / f"worker-{socket.gethostname()}-{os.getpid()}"

    def touch(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch()

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def ages(settings: Settings) -> dict[int, float]:
    """Seconds since the last heartbeat of every living worker process of this host, by process id."""
    now = time.time()
    return {pid: now - path.stat().st_mtime for pid, path in _living(settings)}


def is_well(age: float) -> bool:
    return age < STALLED_SECONDS


def _living(settings: Settings) -> Iterator[tuple[int, Path]]:
    prefix = f"worker-{socket.gethostname()}-"
    for path in sorted(_folder(settings).glob(f"{prefix}*")):
        pid = int(path.name.removeprefix(prefix))
        if _exists(pid):
            yield pid, path
        else:
            path.unlink(missing_ok=True)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
