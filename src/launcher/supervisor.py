"""Keeps processes running in the foreground, with their output under their names, until a signal."""

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

from launcher.console import LAST_LINES, Failure, child_environment, say
from launcher.programs import Program
from launcher.project import ROOT

TICK_SECONDS = 0.1
GRACE_SECONDS = 15
LONGEST_PAUSE_SECONDS = 30
STEADY_SECONDS = 60
PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    program: Program
    process: subprocess.Popen[bytes]
    started: float
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    rest: bytes = b""


class Supervisor:
    """Single-threaded: one loop reads output, notices ends, restarts, and calls `on_tick`, which may raise Failure."""

    def __init__(self, environment: Mapping[str, str], on_tick: Callable[[], None] = lambda: None) -> None:
        self.stopping = False
        self._environment = child_environment(environment)
        self._on_tick = on_tick
        self._children: dict[str, Child] = {}
        self._due: dict[str, tuple[float, Program]] = {}
        self._pauses: dict[str, float] = {}
        self._selector = selectors.DefaultSelector()

    def run(self, programs: Sequence[Program]) -> None:
        """Until SIGINT, SIGTERM or SIGHUP; raises Failure when an essential process ends."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            for program in programs:
                self._spawn(program)
            while not self.stopping:
                self._read(TICK_SECONDS)
                self._look_after()
                self._on_tick()
        finally:
            self._stop_all()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.stopping:
            for child in self._children.values():
                _signal_group(child, signal.SIGKILL)
        self.stopping = True

    def _spawn(self, program: Program) -> None:
        process = subprocess.Popen(
            program.command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
        )
        child = Child(program, process, time.monotonic())
        self._children[program.name] = child
        if process.stdout:
            os.set_blocking(process.stdout.fileno(), False)
            self._selector.register(process.stdout, selectors.EVENT_READ, child)

    def _read(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            child: Child = key.data
            chunk = os.read(key.fd, 65536)
            if not chunk:
                self._selector.unregister(key.fileobj)
            *lines, child.rest = (child.rest + chunk).split(b"\n")
            if not chunk and child.rest:
                lines, child.rest = [child.rest], b""
            for line in lines:
                _show(child, line.decode(errors="replace").rstrip())

    def _look_after(self) -> None:
        for child in [child for child in self._children.values() if child.process.poll() is not None]:
            self._read(0)
            del self._children[child.program.name]
            if child.program.essential:
                raise Failure(_epitaph(child))
            self._plan_restart(child)
        for name, (when, program) in list(self._due.items()):
            if time.monotonic() >= when:
                del self._due[name]
                self._spawn(program)

    def _plan_restart(self, child: Child) -> None:
        name, lived = child.program.name, time.monotonic() - child.started
        pause = 1.0 if lived > STEADY_SECONDS else min(self._pauses.get(name, 0.5) * 2, LONGEST_PAUSE_SECONDS)
        self._pauses[name] = pause
        self._due[name] = (time.monotonic() + pause, child.program)
        say(f"{_epitaph(child)}\n    starting it again in {pause:.0f} s")

    def _stop_all(self) -> None:
        self.stopping = True
        for child in self._children.values():
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while any(child.process.poll() is None for child in self._children.values()):
            self._read(TICK_SECONDS)
            if time.monotonic() > deadline:
                for child in self._children.values():
                    _signal_group(child, signal.SIGKILL)
        self._read(0)


def _show(child: Child, line: str) -> None:
    child.tail.append(line)
    print(f"{child.program.name:<7} | {line}", flush=True)


def _epitaph(child: Child) -> str:
    code = child.process.returncode
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    lines = "\n".join(f"    {line}" for line in child.tail)
    return f"the {child.program.name} process {how}; its last lines:\n{lines}"


def _signal_group(child: Child, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.process.pid, number)


def _die_with_parent() -> None:
    # Without this a launcher that is killed leaves processes behind that hold the ports. Linux alone knows it.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
