"""Reads `postmaster.pid`: whether a cluster runs, and on which port."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Line numbers of the file, from PostgreSQL's pidfile.h.
PID_LINE, PORT_LINE, STATUS_LINE = 0, 3, 7


@dataclass(frozen=True)
class Postmaster:
    pid: int
    port: int
    ready: bool


def parse(text: str) -> Postmaster | None:
    lines = text.splitlines()
    if len(lines) <= PORT_LINE or not lines[PID_LINE].strip().lstrip("-").isdecimal():
        return None
    if not lines[PORT_LINE].strip().isdecimal():
        return None
    ready = len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() == "ready"
    return Postmaster(abs(int(lines[PID_LINE])), int(lines[PORT_LINE]), ready)


def read(data: Path) -> Postmaster | None:
    """The server of a data folder, or nothing when it does not run, whatever its file says."""
    try:
        found = parse((data / "postmaster.pid").read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return None
    return found if found and _serves(found.pid, data) else None


def forget_if_dead(data: Path) -> None:
    """Remove what a killed server left: its number may by now be another program's, and PostgreSQL would not start."""
    if read(data) is None:
        (data / "postmaster.pid").unlink(missing_ok=True)


def _serves(pid: int, data: Path) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return str(data) in _command_line(pid)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except FileNotFoundError:
        command = ["ps", "-o", "command=", "-p", str(pid)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
