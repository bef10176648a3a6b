"""Payments on two processes: told in many ways, refused, too late; each unit has one owner, and its money is there."""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from app.clients.mercadopago import MercadoPagoClient
from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.jobs.work import Work
from app.settings import load_settings
from sandbox.server import open_sandbox
from tests.conftest import SECRET, fresh_database
from tests.races import paying
from tests.races.conftest import Crowd, play, standing
from tests.races.paying import Till
from tests.races.servers import api_processes, environment

pytestmark = [
    pytest.mark.races,
    pytest.mark.goal("S11", "races for coupons, stock, money, carts and accounts: no violation", "kinds of race"),
]

ROUNDS = [
    paying.confirmed_both_ways,
    paying.refused_then_paid,
    paying.refused_and_over,
    paying.lines_or_page,
    paying.paid_or_cancelled,
    paying.refunded_and_cancelled,
]
CROWDED = [paying.begun_many_times, paying.confirmed_both_ways, paying.refunded_and_cancelled]


@pytest.fixture(scope="module")
async def till(worker_name: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Till]:
    """Two processes and MercadoPago's stand-in. At the end: no deadlock, no word but of money that came late."""
    announce(JOBS)
    folder = tmp_path_factory.mktemp("paying")
    logs = [folder / "api-1.log", folder / "api-2.log"]
    async with fresh_database(f"paying_{worker_name}") as url, open_sandbox(folder / "account.json") as sandbox:
        environ = environment(url, SECRET, folder) | {"MERCADOPAGO_BASE_URL": f"{sandbox.url}/mercadopago"}
        settings = load_settings(environ, env_file=Path(os.devnull))
        async with (
            MercadoPagoClient.from_settings(settings) as mercadopago,
            api_processes(environ, logs) as doors,
            standing(url, doors) as arena,
        ):
            await arena.furnish()
            yield Till(arena, sandbox, Work(settings, arena.sessions, mercadopago=mercadopago))
            assert await arena.deadlocks() == 0
    said = [json.loads(line)["event"] for log in logs for line in log.read_text(encoding="utf-8").splitlines()]
    assert set(said) <= {"late_payment"}


@pytest.mark.parametrize("one_round", ROUNDS, ids=lambda each: each.__name__)
async def test_payments(till: Till, rounds: int, one_round: Callable[[Till], Awaitable[None]]) -> None:
    await play(till, one_round, paying.prove, rounds)


@pytest.mark.parametrize("one_round", CROWDED, ids=lambda each: each.__name__)
async def test_a_crowd_at_one_payment(till: Till, crowd: Crowd, one_round: Callable[..., Awaitable[None]]) -> None:
    await crowd.play(till, one_round, paying.prove)
