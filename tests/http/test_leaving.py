"""A process that is told to stop answers for another moment, ends each connection with its answer, and then ends."""

import asyncio
import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from app.http.leaving import LINGER_SECONDS, Leaving
from app.settings import Settings
from tests.races.servers import environment, mortal_process


async def test_a_process_takes_its_leave(settings: Settings, tmp_path: Path) -> None:
    environ = environment(settings.database_url, settings.secret_key, tmp_path)
    async with mortal_process(environ, tmp_path / "api.log") as (process, (client, other, *_)):
        assert (await other.get("/livez")).headers.get("connection") is None
        process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        await asyncio.sleep(0.2)
        # One connection that stood idle, one that is new: both are served, and neither for a second time.
        for asked in (other, client):
            answer = await asked.get("/livez")
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.headers["retry-after"]) == (503, "1")
        assert ready.json() == {"status": "unavailable", "checks": {"process": "leaving"}}
        await asyncio.wait_for(process.wait(), LINGER_SECONDS + 5)
        assert time.monotonic() - begun >= LINGER_SECONDS
        with pytest.raises(httpx.TransportError):
            await client.get("/livez", timeout=0.5)


async def test_a_second_signal_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
    try:
        leaving = Leaving()
        leaving.watch()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.05)
        assert (leaving.begun, heard) == (True, [])
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.05)
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_where_no_server_listens_nothing_changes() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        Leaving().watch()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
