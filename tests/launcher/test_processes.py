"""Processes in the foreground: their ends, their restarts, their ports, and one way out for all."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launcher.__main__ import COMMANDS
from launcher.console import Failure
from launcher.up import claim_ports

ROOT = Path(__file__).resolve().parents[2]
SUPERVISE = """
import sys
from launcher.console import Failure
from launcher.programs import Program
from launcher.supervisor import Supervisor

def program(name, code, essential=False):
    return Program(name, (sys.executable, "-uc", code), essential)

try:
    Supervisor({}).run([%s])
except Failure as failure:
    sys.exit(str(failure))
"""


def supervise(*programs: str) -> subprocess.Popen[str]:
    code = SUPERVISE % ", ".join(programs)
    output = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], stdout=output, stderr=subprocess.STDOUT, text=True)  # noqa: S603


def test_the_end_of_an_essential_process_is_everybodys() -> None:
    with supervise(
        "program('api', 'print(\"no port\"); raise SystemExit(3)', essential=True)",
        "program('worker', 'import time; time.sleep(60)')",
    ) as running:
        output, _ = running.communicate(timeout=30)
    assert running.returncode == 1
    assert "the api process ended with code 3; its last lines:\n    no port" in output


def test_another_process_is_started_again() -> None:
    with supervise("program('worker', 'print(\"once more\")')") as running:
        assert running.stdout
        seen = ""
        while seen.count("worker  | once more") < 2:
            seen += running.stdout.readline()
        running.terminate()
        running.communicate(timeout=30)
    assert "starting it again in 1 s" in seen
    assert running.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_in_order(number: signal.Signals) -> None:
    code = 'import signal, time; signal.signal(15, lambda *_: exit(print("tidied up"))); print("up"); time.sleep(60)'
    with supervise(f"program('api', '{code}', essential=True)") as running:
        assert running.stdout
        assert running.stdout.readline() == "api     | up\n"
        running.send_signal(number)
        output, _ = running.communicate(timeout=30)
    assert output == "api     | tidied up\n"
    assert running.returncode == 0


def test_no_process_outlives_a_killed_launcher() -> None:
    with supervise("program('api', 'import os, time; print(os.getpid()); time.sleep(60)', essential=True)") as running:
        assert running.stdout
        child = int(running.stdout.readline().partition("|")[2])
        running.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_taken_port_is_named_by_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Failure, match=f"port {port} is taken by another program; set SANDBOX_PORT"):
            claim_ports({"PORT": free_port(), "SANDBOX_PORT": port})


def test_two_at_once_are_told_apart() -> None:
    port = free_port()
    with claim_ports({"PORT": port}), pytest.raises(Failure, match=f"already runs on port {port}"):
        claim_ports({"PORT": port})
    claim_ports({"PORT": port}).close()


def test_the_makefile_and_the_launcher_agree() -> None:
    command = [shutil.which("make") or "make", "help"]
    help_text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603
    targets = {line.split()[1] for line in help_text.splitlines() if line.startswith("  make ") and "ARGS" not in line}
    assert targets - {"help"} == set(COMMANDS) - {"bootstrap", "env", "test-env", "stop"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
