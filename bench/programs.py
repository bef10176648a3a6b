"""Programs beside the servers under test: the sandbox, workers, Redis, Celery; each ended with its block."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg

from bench.plan import PEER_VENV, ROOT, VAR

WAIT_SECONDS, SETTLE_SECONDS, STOP_SECONDS = 300.0, 1.5, 20
PEER_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@contextmanager
def program(name: str, command: Sequence[str], **settings: str) -> Iterator[int]:
    """Its process id; what it prints goes to a file of its own."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}", "DATABASE_ADMIN_URL": ""}
    environment |= {"APP_ENV": "development", **settings}
    VAR.mkdir(parents=True, exist_ok=True)
    with (VAR / f"{name}.log").open("w") as log:
        # A group of its own: what does not end in time is killed with its children.
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def until(done: Callable[[], Any], what: str, pause: float = 0.1) -> None:
    """Wait for something. Raises SystemExit when it does not happen."""
    last = time.monotonic() + WAIT_SECONDS
    while not done():
        if time.monotonic() > last:
            raise SystemExit(f"waited {WAIT_SECONDS:.0f} s in vain for {what}")
        time.sleep(pause)


def ask(url: str, question: str, *values: Any) -> Any:
    """The first value that a statement answers."""
    with psycopg.connect(url) as connection:
        row = connection.execute(question, values).fetchone()
    return row[0] if row else None


@contextmanager
def sandbox() -> Iterator[dict[str, str]]:
    """A sandbox of its own: its `url`, and the settings that lead a worker to it."""
    port = free_port()
    account = ROOT / "var" / "sandbox" / f"service-account-{port}.json"
    command = [sys.executable, "-m", "sandbox"]
    with program("sandbox", command, SANDBOX_PORT=str(port), SMTP_PORT=str(free_port())):
        url = f"http://127.0.0.1:{port}"
        until(lambda: _answers(f"{url}/pushes.json"), "the sandbox's start")
        yield {"FCM_BASE_URL": f"{url}/fcm", "GOOGLE_SERVICE_ACCOUNT_FILE": str(account), "url": url}
    account.unlink(missing_ok=True)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@contextmanager
def workers(
    url: str,
    secret: str,
    settings: dict[str, str],
    *,
    count: int = 1,
    module: Sequence[str] = ("app", "jobs", "worker"),
) -> Iterator[list[int]]:
    """The workers' process ids, once they are idle. No daily cap stands in the way of many promotions."""
    extra = {name: value for name, value in settings.items() if name != "url"}
    extra |= {"DATABASE_URL": url, "SECRET_KEY": secret, "PUSH_DAILY_CAP": "1000"}
    ask(url, "WITH gone AS (DELETE FROM procrastinate_workers RETURNING 1) SELECT count(*) FROM gone")
    with ExitStack() as stack:
        pids = [
            stack.enter_context(program(f"worker-{n}", [sys.executable, "-m", *module], **extra)) for n in range(count)
        ]
        until(lambda: ask(url, "SELECT count(*) FROM procrastinate_workers") >= count, "the workers' start")
        time.sleep(SETTLE_SECONDS)
        yield pids


@contextmanager
def redis() -> Iterator[str]:
    """The address of a Redis that keeps nothing on the disk."""
    port = free_port()
    words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with program("redis", words):
        until(lambda: _listens(port), "Redis")
        yield f"redis://127.0.0.1:{port}/0"


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class Asked:
    """One of the peer's programs that answers each line of JSON with one, in a process that keeps its connection."""

    def __init__(self, module: str, **environment: str) -> None:
        process = subprocess.Popen(
            [str(PEER_VENV / "bin" / "python"), "-m", module],
            cwd=ROOT,
            env={"PATH": PEER_PATH, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if process.stdin is None or process.stdout is None:
            raise SystemExit("the peer has no pipes")
        self._process, self._input, self._output = process, process.stdin, process.stdout
        if self._output.readline().strip() != "ready":
            raise SystemExit(f"{module} did not start")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._input.close()
        self._process.wait(STOP_SECONDS)

    def ask(self, **asked: Any) -> dict[str, Any]:
        self._input.write(json.dumps(asked) + "\n")
        self._input.flush()
        if not (answer := self._output.readline()):
            raise SystemExit("the peer has ended: it says why above")
        return dict(json.loads(answer))


def peak_mb(pid: int) -> float:
    """The most memory that a process ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
