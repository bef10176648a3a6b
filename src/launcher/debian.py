"""Installs what is missing with apt, on Debian and Ubuntu, as root."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from launcher.console import Failure, run_quietly, say
from launcher.project import LOGS, ROOT

# Debian's package would otherwise create and start a server of its own on port 5432.
NO_SYSTEM_CLUSTER = Path("/etc/postgresql-common/createcluster.d/relampago-no-main.conf")

# From Debian's package libfaketime: a clock for one process that is wrong on purpose.
LYING_CLOCK = "faketime/libfaketimeMT.so.1"
BOUNCER = "/usr/sbin/pgbouncer"


def can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None and Path("/etc/debian_version").exists()


def install_postgis() -> None:
    """PostGIS for the newest PostgreSQL that this system's sources have; no server of the system is created."""
    say("PostgreSQL with PostGIS is not installed; looking for it with apt")
    update()
    package = newest_postgis(_search("^postgresql-[0-9]+-postgis-3$"))
    if not package:
        raise Failure("this system's package sources have no postgresql-NN-postgis-3; " + manual_advice())
    NO_SYSTEM_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
    NO_SYSTEM_CLUSTER.write_text("create_main_cluster = false\n", encoding="ascii")
    install(package)


def install_for_tests() -> None:
    """What some tests need beside the rest, as far as it can be had; those that miss it fail and say so."""
    missing = []
    if not any(Path("/usr/lib").glob(f"*/{LYING_CLOCK}")):
        missing.append("libfaketime")
    if not Path(BOUNCER).exists():
        missing.append("pgbouncer")
    if missing and can_install():
        try:
            update()
            # No service of the system is started.
            install(*missing, env={"RUNLEVEL": "1"})
        except Failure as failure:
            say(f"tests that need {' or '.join(missing)} are going to fail. {failure}")


def install_for_bench() -> None:
    """Redis, as a peer's queue, if it can be had; without it that peer is left out. The package starts no service."""
    if can_install() and shutil.which("redis-server") is None:
        try:
            update()
            install("redis-server", env={"RUNLEVEL": "1"})
        except Failure as failure:
            say(f"the benchmark leaves Celery out. {failure}")


def newest_postgis(search: str) -> str:
    """The package of the highest PostgreSQL version among the lines of `apt-cache search --names-only`."""
    versions = [int(found) for found in re.findall(r"^postgresql-(\d+)-postgis-3\b", search, re.MULTILINE)]
    return f"postgresql-{max(versions)}-postgis-3" if versions else ""


def update() -> None:
    try:
        _apt("update")
    except Failure as failure:
        # One unreachable source of several is common and harmless; what is really missing fails at the install.
        say(f"apt-get update did not succeed, going on with the lists there are. {failure}")


def install(*packages: str, env: Mapping[str, str] | None = None) -> None:
    say(f"installing {' '.join(packages)} with apt (about a minute)")
    _apt("install", "--yes", "--no-install-recommends", *packages, env=env)


def manual_advice() -> str:
    return (
        "install PostgreSQL with PostGIS (Debian 12: `apt-get install postgresql-15-postgis-3`, elsewhere with that "
        "version's number; Fedora: `dnf install postgresql-server postgis`; macOS: `brew install postgis`), "
        "or set DATABASE_URL to a server that has it, or use containers: `docker compose up`"
    )


def _search(pattern: str) -> str:
    done = subprocess.run(["apt-cache", "search", "--names-only", pattern], capture_output=True, text=True, check=False)
    return done.stdout


def _apt(*arguments: str, env: Mapping[str, str] | None = None) -> None:
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Options::=--force-confold", *arguments]
    run_quietly(
        command,
        log=LOGS / f"apt-{arguments[0]}.log",
        cwd=ROOT,
        env={"DEBIAN_FRONTEND": "noninteractive", **(env or {})},
    )
