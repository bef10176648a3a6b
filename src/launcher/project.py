"""Where things are kept, and the few settings that the launcher itself reads."""

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

from launcher.console import Failure, say

ROOT = Path(__file__).resolve().parents[2]
VAR = ROOT / "var"
LOGS = VAR / "log"
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
ENV_FILE = ROOT / ".env"
APP_FACTORY = "app.server:create_app"


def read_env_file(path: Path = ENV_FILE) -> dict[str, str]:
    """The settings of a `.env`, read as the application reads them."""
    if not path.is_file():
        return {}
    pairs = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=\s*(.*?)\s*", line)
        if match:
            pairs[match[1]] = match[2].strip("\"'")
    return pairs


def setting(name: str, default: str = "") -> str:
    """A setting from the environment or, failing that, from `.env`; empty counts as absent."""
    return os.environ.get(name, "").strip() or read_env_file().get(name, "").strip() or default


def port_setting(name: str, default: int) -> int:
    text = setting(name, str(default))
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise Failure(f"{name} is a port number from 1 to 65535, not {text!r}")
    return int(text)


def external_database_url() -> str:
    """The database that the settings name, or nothing."""
    if url := setting("DATABASE_URL"):
        return url
    if not (name := setting("POSTGRES_DB")):
        return ""
    user, password = quote(setting("POSTGRES_USER", "postgres"), safe=""), quote(setting("POSTGRES_PASSWORD"), safe="")
    host, port = setting("POSTGRES_HOST", "127.0.0.1"), setting("POSTGRES_PORT", "5432")
    return f"postgresql://{user}:{password}@{host}:{port}/{quote(name, safe='')}"


def production() -> bool:
    return setting("APP_ENV", "development") == "production"


def secret(name: str, length: int = 24) -> str:
    """A random secret in hexadecimal, made on first use and kept where its owner alone can read it."""
    path = VAR / "secrets" / name
    if path.is_file() and (kept := path.read_text(encoding="ascii").strip()):
        return kept
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    value = secrets.token_hex(length)
    write_private(path, value + "\n")
    return value


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else may read, at no moment and not half."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(path)


def lock_file(name: str) -> IO[str]:
    """An open file to lock. Python keeps it from child processes, so the lock ends with this process."""
    folder = VAR / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / name).open("a")


@contextmanager
def alone(name: str, waiting_for: str) -> Iterator[None]:
    """One process at a time; the others say what they wait for."""
    with lock_file(name) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process: {waiting_for}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
