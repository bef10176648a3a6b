"""What is measured: the application, its ceiling, and the peer, each as a server of two processes."""

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.settings import RATES
from bench.limit import PATH as LIMIT_PATH
from bench.plan import PEER_VENV, PROCESSES, ROOT, VAR

START_SECONDS = 60
STOP_SECONDS = 15
# The peer counts no calls, so ours do not either; `throttled` does, with more room than a round needs.
UNTHROTTLED = {f"THROTTLE_{scope.upper()}": "off" for scope in RATES}
THROTTLED = {f"THROTTLE_{scope.upper()}": "1000000/hour" for scope in RATES}
PEER_LIBRARIES = ("django", "djangorestframework", "gunicorn", "psycopg", "celery", "redis")
LOCK = Path(__file__).with_name("peer") / "requirements.lock"
HOLD_PATH = "/cart/reserve"
# Subjects that are our application with something changed for the benchmark.
FACTORIES = {
    "limit": "bench.limit:create_app",
    "counting": "bench.counting:create_app",
    "counting-shared": "bench.counting:create_sharing_app",
}


@dataclass(frozen=True)
class Subject:
    """A running server. `slots` says that its pools have sixteen slots and not one row; `holds`, that it writes."""

    name: str
    port: int
    pid: int
    path: str
    slots: bool = True
    holds: bool = True


@contextmanager
def running(
    name: str, database_url: str, secret: str, *, workers: int = PROCESSES, **settings: str
) -> Iterator[Subject]:
    """Start `ours`, `throttled`, one of FACTORIES, `peer-sync` or `peer-gthread`; stop it at the end."""
    port = _free_port()
    command = _gunicorn(name, port, workers) if name.startswith("peer") else _uvicorn(name, port, workers)
    environment = os.environ | {"DATABASE_URL": database_url, "DATABASE_ADMIN_URL": "", "SECRET_KEY": secret}
    environment |= THROTTLED if name == "throttled" else UNTHROTTLED
    environment |= {"PUBLIC_URL": "http://127.0.0.1"}
    environment |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}", "DJANGO_SETTINGS_MODULE": "bench.peer.settings"}
    environment |= settings
    VAR.mkdir(parents=True, exist_ok=True)
    with (VAR / f"{name}.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait(process, port, name)
        path = LIMIT_PATH if name == "limit" else HOLD_PATH
        yield Subject(name, port, process.pid, path, slots=not name.startswith("peer"), holds=name != "limit")
    finally:
        _stop(process)


@contextmanager
def all_running(names: tuple[str, ...], database_url: str, secret: str) -> Iterator[list[Subject]]:
    with ExitStack() as stack:
        yield [stack.enter_context(running(name, database_url, secret)) for name in names]


def _uvicorn(name: str, port: int, workers: int) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    if name not in FACTORIES:
        return [sys.executable, "-m", "app.serving", *where]
    return [sys.executable, "-m", "uvicorn", FACTORIES[name], "--factory", *where, "--timeout-graceful-shutdown", "10"]


def _gunicorn(name: str, port: int, workers: int) -> list[str]:
    kind = ["--worker-class", "sync"] if name == "peer-sync" else ["--worker-class", "gthread", "--threads", "16"]
    words = [str(PEER_VENV / "bin" / "gunicorn"), "bench.peer.wsgi:application", "--bind", f"127.0.0.1:{port}"]
    return [*words, "--workers", str(workers), *kind, "--access-logfile", "-", "--no-control-socket"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int, name: str) -> None:
    """Until the port answers."""
    last = time.monotonic() + START_SECONDS
    while time.monotonic() < last and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as line:
                line.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                if line.recv(64):
                    return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{name} did not start:\n{(VAR / f'{name}.log').read_text()[-3000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def prepare_peer() -> None:
    """The peer's own environment from its hashed lock; nothing when it is there already."""
    stamp, wanted = PEER_VENV / "peer.stamp", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"installing the peer into {PEER_VENV.relative_to(ROOT)}", flush=True)
    python = str(PEER_VENV / "bin" / "python")
    if uv := shutil.which("uv") or _own_uv():
        steps = [
            [uv, "venv", "--clear", "--no-project", "--python", sys.executable, str(PEER_VENV)],
            [uv, "pip", "sync", "--python", python, "--require-hashes", "--compile-bytecode", str(LOCK)],
        ]
    else:
        steps = [
            [sys.executable, "-m", "venv", "--clear", str(PEER_VENV)],
            [python, "-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", str(LOCK)],
        ]
    for step in steps:
        done = subprocess.run(step, cwd=ROOT, env=_trusting(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"the peer could not be installed:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
    stamp.write_text(wanted)


def _own_uv() -> str:
    """The uv that the launcher has installed where the machine had none."""
    path = ROOT / "var" / "tools" / "uv" / "bin" / "uv"
    return str(path) if path.exists() else ""


def _trusting() -> Mapping[str, str]:
    """Where a proxy signs with a certificate of its own, the system's store knows it and uv's own list does not."""
    system = Path("/etc/ssl/certs/ca-certificates.crt")
    return os.environ | ({"UV_SYSTEM_CERTS": "1"} if system.is_file() else {})


def peer_versions() -> dict[str, str]:
    """Of the libraries that the peer is made of, from its lock."""
    pinned = dict(re.findall(r"^([a-z-]+)==([\w.]+)", LOCK.read_text(), re.MULTILINE))
    return {name: pinned[name] for name in PEER_LIBRARIES}
