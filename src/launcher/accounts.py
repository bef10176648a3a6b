"""The operating system account that PostgreSQL runs as. The server refuses root."""

import os
import pwd
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from launcher.console import Failure, child_environment

Completed = subprocess.CompletedProcess[str]


def server_account() -> pwd.struct_passwd:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Failure("PostgreSQL does not run as root, and this system has neither the account `postgres` nor `nobody`")


def run_as_server(
    command: Sequence[str | Path], *, stdin: str = "", quiet: bool = False, env: Mapping[str, str] | None = None
) -> Completed:
    """Run a tool of PostgreSQL as its own account, from a folder that account can enter; quiet drops its output."""
    account = server_account()
    # A caller's PGHOST, PGDATA and the like would lead the tools to another server.
    environment = {name: value for name, value in child_environment().items() if not name.startswith("PG")}
    environment |= {"HOME": account.pw_dir, "LC_ALL": "C", **(env or {})}
    as_root = os.geteuid() == 0
    output = subprocess.DEVNULL if quiet else subprocess.PIPE
    return subprocess.run(
        command,
        input=stdin,
        stdout=output,
        stderr=output,
        text=True,
        check=False,
        cwd="/",
        env=environment,
        user=account.pw_uid if as_root else None,
        group=account.pw_gid if as_root else None,
        extra_groups=[] if as_root else None,
    )


def server_can_enter(folder: Path) -> bool:
    """Whether the server's account gets to a folder through all its parents."""
    return run_as_server(["/bin/sh", "-c", 'cd "$0"', str(folder)]).returncode == 0


def give_to_server(folder: Path) -> None:
    """Make a folder that the server's account alone can use."""
    account = server_account()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), account.pw_uid}:
        raise Failure(f"{folder} belongs to another account; remove it")
    folder.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(folder, account.pw_uid, account.pw_gid)
