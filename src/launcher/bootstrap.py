"""Makes `.venv` from the hashed lock file, and does nothing when it is there already."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from launcher import debian
from launcher.console import Failure, child_environment, run_quietly, say
from launcher.project import LOGS, ROOT, VAR, VENV, VENV_PYTHON, alone

LOCK = ROOT / "requirements-dev.lock"
STAMP = VENV / "relampago.stamp"
UV_LOCK = Path(__file__).with_name("installer.lock")
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
NEEDED_BYTES = 1_500_000_000
NETWORK_ADVICE = (
    "\n    If there is no network, or a proxy or mirror stands before the package index, tell pip (PIP_INDEX_URL) and "
    "uv (UV_DEFAULT_INDEX, HTTPS_PROXY) and try again; or use containers: `docker compose up`"
)


def ensure() -> None:
    with alone("bootstrap", "it installs packages"):
        if STAMP.is_file() and STAMP.read_text(encoding="ascii") == _wanted() and VENV_PYTHON.exists():
            return
        _check_disk()
        uv = _uv()
        _install(uv)
        STAMP.write_text(_wanted(), encoding="ascii")


def _wanted() -> str:
    """What the environment depends on."""
    inputs = [LOCK.read_bytes(), (ROOT / "pyproject.toml").read_bytes(), str(ROOT).encode()]
    return hashlib.sha256(b"\0".join(inputs)).hexdigest()


def _install(uv: str) -> None:
    if not _healthy(VENV_PYTHON):
        say(f"making .venv with Python {sys.version.split()[0]}")
        base = str(getattr(sys, "_base_executable", sys.executable))
        _run_uv(uv, "venv", "--clear", "--no-project", "--python", base, str(VENV))
    say("installing packages into .venv (the first time takes a minute)")
    python = ("--python", str(VENV_PYTHON))
    # The sync removes what the lock does not name, the project itself included, so the project comes after.
    _run_uv(uv, "pip", "sync", *python, "--require-hashes", "--compile-bytecode", str(LOCK))
    _run_uv(uv, "pip", "install", *python, "--no-deps", "--no-build-isolation", "--editable", ".")


def _run_uv(uv: str, *arguments: str) -> None:
    # Where a proxy signs with a certificate of its own, the system's store knows it and uv's own list does not.
    trust = {"UV_SYSTEM_CERTS": "1"} if SYSTEM_CERTIFICATES.is_file() else {}
    try:
        run_quietly([uv, *arguments], log=LOGS / "packages.log", cwd=ROOT, env=trust)
    except Failure as failure:
        raise Failure(f"{failure}{NETWORK_ADVICE}") from failure


def _uv() -> str:
    """The uv on the path if it works, else one of our own of the pinned version."""
    own = VAR / "tools" / "uv" / "bin" / "uv"
    for candidate in (shutil.which("uv"), str(own)):
        if candidate and _healthy(Path(candidate)):
            return candidate
    folder = own.parents[1]
    say("installing uv into var/tools")
    shutil.rmtree(folder, ignore_errors=True)
    _plain_venv(folder)
    command = [
        str(folder / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--only-binary=:all:",
        "--requirement",
        str(UV_LOCK),
    ]
    try:
        run_quietly(command, log=LOGS / "uv.log", cwd=ROOT)
    except Failure as failure:
        raise Failure(f"{failure}{NETWORK_ADVICE}") from failure
    return str(own)


def _plain_venv(folder: Path) -> None:
    if not _has_venv() and debian.can_install():
        debian.update()
        debian.install(f"python{sys.version_info.major}.{sys.version_info.minor}-venv")
    if not _has_venv():
        raise Failure(
            "this Python has no venv module (Debian, Ubuntu: `apt-get install python3-venv`), and uv is not on the "
            "path; either of the two is enough, or use containers: `docker compose up`"
        )
    run_quietly([sys.executable, "-m", "venv", folder], log=LOGS / "venv.log", cwd=ROOT)


def _has_venv() -> bool:
    # Debian splits ensurepip off into python3-venv; the venv module itself imports without it.
    return (
        subprocess.run([sys.executable, "-c", "import venv, ensurepip"], capture_output=True, check=False).returncode
        == 0
    )


def _healthy(program: Path) -> bool:
    """Whether a program is there and runs: shims and moved environments often do not."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, env=child_environment(), check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _check_disk() -> None:
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES:
        raise Failure(
            f"{free // 1_000_000} MB are free where {ROOT} is; packages and database need {NEEDED_BYTES // 1_000_000}"
        )
    if not os.access(ROOT, os.W_OK):
        raise Failure(f"{ROOT} cannot be written to by this account; .venv/ and var/ are made there")
