"""Makes, starts and stops the server of one data folder, with PostgreSQL's own tools."""

import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from launcher import postmaster
from launcher.accounts import Completed, give_to_server, run_as_server, server_account
from launcher.binaries import Binaries
from launcher.console import Failure, last_lines
from launcher.places import socket_folder

LOOPBACK = "127.0.0.1"
COMMON = ("timezone = 'UTC'", "log_timezone = 'UTC'", "log_line_prefix = '%m [%p] %u@%d '")
SETTINGS_FILE = "launcher.conf"
START_TRIES = 5
LOG_LIMIT_BYTES = 20_000_000


def make(tools: Binaries, home: Path, owner: str) -> None:
    """A new data folder, whose owner comes in over the socket by system account and over TCP by password alone."""
    unfinished = home / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    command = [
        tools.tool("initdb"),
        "--pgdata",
        str(unfinished),
        "--username",
        owner,
        "--encoding=UTF8",
        "--locale=C",
        f"--lc-ctype={_utf8_locale()}",
        "--auth-local=peer",
        "--auth-host=reject",
    ]
    _checked(run_as_server(command), "initdb")
    account = server_account().pw_name
    (unfinished / "pg_ident.conf").write_text(f"launcher {account} {owner}\n", encoding="utf-8")
    (unfinished / "pg_hba.conf").write_text(
        f"local all {owner} peer map=launcher\nlocal all all scram-sha-256\nhost all all {LOOPBACK}/32 scram-sha-256\n",
        encoding="utf-8",
    )
    with (unfinished / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(f"\ninclude_if_exists = '{SETTINGS_FILE}'\n")
    # Renamed last, so that a folder by this name is always complete.
    unfinished.rename(home / "data")


def start(tools: Binaries, home: Path, options: Sequence[str]) -> None:
    data, log = home / "data", home / "postgresql.log"
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.unlink()
    postmaster.forget_if_dead(data)
    give_to_server(socket_folder(home))
    command = [
        tools.tool("pg_ctl"),
        "--pgdata",
        str(data),
        "--log",
        str(log),
        "--wait",
        "--timeout=120",
        "--silent",
        "start",
    ]
    for attempt in range(START_TRIES):
        _configure(home, options)
        # Its output goes nowhere: the server would inherit a pipe and hold it open for its whole life.
        if run_as_server(command, quiet=True).returncode == 0:
            return
        # The processes of a killed server take a moment to notice; until they are gone the data is theirs.
        time.sleep(0.5 * (attempt + 1))
    end = last_lines(log.read_text(encoding="utf-8", errors="replace")) if log.exists() else ""
    raise Failure(f"PostgreSQL did not start:\n{end}\n    all of it: {log}")


def stop(tools: Binaries, home: Path) -> None:
    """A fast shutdown: connections are closed, what was committed is on the disk."""
    command = [
        tools.tool("pg_ctl"),
        "--pgdata",
        str(home / "data"),
        "--mode=fast",
        "--wait",
        "--timeout=60",
        "--silent",
        "stop",
    ]
    if postmaster.read(home / "data"):
        _checked(run_as_server(command), "pg_ctl stop")
    (home / "keep").unlink(missing_ok=True)


def psql(
    tools: Binaries, home: Path, owner: str, database: str, sql: str, *, env: Mapping[str, str] | None = None
) -> Completed:
    """Statements by the owner, over the socket and so without a password."""
    running = postmaster.read(home / "data")
    if running is None:
        raise Failure(f"the cluster in {home} is not running")
    command = [
        tools.tool("psql"),
        "--no-psqlrc",
        "--quiet",
        "--tuples-only",
        "--no-align",
        "--set=ON_ERROR_STOP=1",
        f"--host={socket_folder(home)}",
        f"--port={running.port}",
        f"--username={owner}",
        f"--dbname={database}",
    ]
    return run_as_server(command, stdin=sql, env=env)


def _configure(home: Path, options: Sequence[str]) -> None:
    lines = [
        f"port = {_port(home)}",
        f"listen_addresses = '{LOOPBACK}'",
        f"unix_socket_directories = '{socket_folder(home)}'",
        "unix_socket_permissions = 0700",
        *COMMON,
        *options,
    ]
    (home / "data" / SETTINGS_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _port(home: Path) -> int:
    """Chosen once and kept, until another program has taken it."""
    kept = home / "port"
    if kept.is_file() and _is_free(port := int(kept.read_text(encoding="ascii"))):
        return port
    with socket.create_server((LOOPBACK, 0)) as probe:
        port = int(probe.getsockname()[1])
    kept.write_text(str(port), encoding="ascii")
    return port


def _is_free(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True


def _utf8_locale() -> str:
    """For the upper and lower case of letters with accents; order stays that of the code points."""
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout
    names = {name.lower().replace("-", ""): name for name in known.split()}
    return names.get("c.utf8") or names.get("en_us.utf8") or "C"


def _checked(done: Completed, step: str) -> None:
    if done.returncode != 0:
        raise Failure(f"{step} ended with code {done.returncode}:\n{last_lines(done.stdout + done.stderr)}")
