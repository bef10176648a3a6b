"""How the sandbox starts: its account, its ports, and where it does not run."""

import asyncio
import os
import runpy
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import msgspec
import pytest

from app.clients.trust import trusted
from sandbox.account import PROJECT, ensure_account
from sandbox.mercadopago_notifier import News
from sandbox.server import open_sandbox
from tests.sources import ROOT


def test_the_account_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "sandbox" / "service-account.json"
    first = ensure_account(path, "http://127.0.0.1:1/google/token")
    written = path.stat()
    assert written.st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert msgspec.json.decode(path.read_bytes()) == first
    assert first["project_id"] == PROJECT
    assert ensure_account(path, "http://127.0.0.1:1/google/token") == first
    assert path.stat().st_mtime_ns == written.st_mtime_ns
    moved = ensure_account(path, "http://127.0.0.1:2/google/token")
    assert moved == first | {"token_uri": "http://127.0.0.1:2/google/token"}


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"private_key": "x"}', b'{"private_key": 5}'])
def test_a_broken_account_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "service-account.json"
    path.write_bytes(content)
    assert ensure_account(path, "http://127.0.0.1:1/google/token")["type"] == "service_account"


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="in use"):
        async with open_sandbox(tmp_path / "account.json", port=other.getsockname()[1]):
            pass


async def test_it_ends_with_answers_on_their_way(tmp_path: Path) -> None:
    async with (
        open_sandbox(tmp_path / "account.json") as sandbox,
        httpx.AsyncClient(verify=trusted(), base_url=sandbox.url) as web,
    ):
        await web.post("/__emu__/faults", json={"provider": "google", "delay_seconds": 0.1})
        late = asyncio.create_task(web.post("/google/token"))
        await asyncio.sleep(0.02)
    with pytest.raises(httpx.HTTPError):
        async with httpx.AsyncClient(verify=trusted()) as web:
            await web.get(sandbox.url)
    await asyncio.gather(late, return_exceptions=True)


async def test_it_tells_nobody_anything_after_its_end(tmp_path: Path) -> None:
    def news(listener: socket.socket) -> News:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
        return News(kind="webhook", resource="1", action="payment.created", url=url, happened_at="")

    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with open_sandbox(tmp_path / "account.json") as sandbox:
            notifier = sandbox.world.notifier
            with socket.create_server(("127.0.0.1", 0)) as gone:
                refused = news(gone)
            notifier.send([refused])
            await notifier.settle()
            assert [one.retries for one in notifier.waiting] == [1]
            (timer,) = notifier._timers
            assert not timer.cancelled()
            notifier.send([news(silent)])
            (task,) = notifier._tasks
        assert task.cancelled()
        assert timer.cancelled()
        assert notifier.waiting == []


def test_production_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    with pytest.raises(SystemExit, match="the sandbox is for development"):
        runpy.run_module("sandbox", run_name="__main__")


def free_ports(count: int) -> list[str]:
    with ExitStack() as until_all_are_known:
        listeners = [until_all_are_known.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [str(listener.getsockname()[1]) for listener in listeners]


async def test_as_make_up_starts_it() -> None:
    """The settings say where; a signal ends it in good order."""
    port, smtp_port = free_ports(2)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sandbox",
        env=os.environ | {"SANDBOX_PORT": port, "SMTP_PORT": smtp_port, "APP_ENV": "development"},
        stdout=asyncio.subprocess.PIPE,
    )
    account = ROOT / "var" / "sandbox" / f"service-account-{port}.json"
    try:
        assert process.stdout is not None
        said = await process.stdout.readline()
        assert said.decode() == f"sandbox at http://127.0.0.1:{port}, mail server on port {smtp_port}\n"
        async with httpx.AsyncClient(verify=trusted()) as web:
            assert (await web.get(f"http://127.0.0.1:{port}/")).status_code == 200
        assert msgspec.json.decode(account.read_bytes())["token_uri"] == f"http://127.0.0.1:{port}/google/token"
        process.terminate()
        assert await process.wait() == 0
    finally:
        account.unlink(missing_ok=True)
        if process.returncode is None:
            process.kill()
