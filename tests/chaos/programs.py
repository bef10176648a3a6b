"""The programs of the shop as real processes, and what may be done to them: killed, frozen, stopped, started again."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from pathlib import Path

from launcher.programs import api_command

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 30.0
# A line of a worker's log: then its process, and the number that the queue knows it by.
NUMBERED = "numbered"


class Program:
    """One program. Each start is a new process; all of them write into one log."""

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.command = tuple(command)
        self.environ = dict(environ)
        self.log = folder / f"{name}.log"
        self.process: Process | None = None

    @property
    def pid(self) -> int:
        if self.process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self.process.pid

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def start(self, **extra: str) -> None:
        """Begin a new process; whoever needs it ready looks. `extra` is its environment's."""
        if self.runs:
            raise RuntimeError(f"{self.name} runs already")
        with self.log.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, cwd=ROOT, env=self.environ | extra, stdout=output, stderr=output
            )

    async def kill(self) -> None:
        """kill -9; returns when it is gone."""
        self.send(signal.SIGKILL)
        await self.gone()

    async def stop(self) -> int:
        """SIGTERM, as a supervisor does; its exit code. Killed when it does not end."""
        self.send(signal.SIGTERM)
        try:
            return await self.gone()
        except TimeoutError:
            await self.kill()
            raise

    async def gone(self) -> int:
        """Wait for its end."""
        if self.process is None:
            return 0
        return await asyncio.wait_for(self.process.wait(), STOP_SECONDS)

    def freeze(self) -> None:
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    def send(self, number: int) -> None:
        if self.runs:
            os.kill(self.pid, number)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""


def api(number: int, port: int, environ: Mapping[str, str], folder: Path) -> Program:
    """An API process, started as production starts it."""
    command = (sys.executable, "-m", *api_command(port))
    return Program(f"api-{number}", command, environ, folder)


def worker(number: int, environ: Mapping[str, str], folder: Path) -> Program:
    """The real worker, which knows a few jobs more: those of the suite of poison."""
    return Program(f"worker-{number}", (sys.executable, "-m", "tests.chaos.probe_worker"), environ, folder)


def sandbox(port: int, smtp_port: int, environ: Mapping[str, str], folder: Path) -> Program:
    ports = {"SANDBOX_PORT": str(port), "SMTP_PORT": str(smtp_port)}
    return Program("sandbox", (sys.executable, "-m", "sandbox"), {**environ, **ports}, folder)
