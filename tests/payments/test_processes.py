"""Real processes, killed for good while MercadoPago has done what they asked for and they do not know it yet."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.domain.accounts.models import User
from tests.factories import bearer
from tests.payments.counter import Counter
from tests.races.servers import ROOT, environment, mortal_process

PATIENCE_SECONDS = 30
ANSWER_SECONDS = 20.0


async def until(condition: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"did not happen in {PATIENCE_SECONDS} s: {what}")


def surroundings(counter: Counter, folder: Path) -> dict[str, str]:
    settings = counter.settings
    return environment(settings.database_url, settings.secret_key, folder) | {
        "MERCADOPAGO_BASE_URL": settings.mercadopago_base_url,
        "PUBLIC_URL": settings.public_url,
    }


@dataclass(frozen=True)
class Call:
    """What is asked of the API, and how it shows that the provider has done its part."""

    path: str
    body: Any
    user: User
    done: Callable[[], bool]


async def killed_while(counter: Counter, folder: Path, call: Call) -> None:
    """A request to an API process that dies when the provider has acted and keeps its answer to itself."""
    async with mortal_process(surroundings(counter, folder), folder / "api.log") as (process, (client, *_)):
        counter.fault(method="POST", delay_seconds=ANSWER_SECONDS)
        headers = bearer(counter.settings, call.user)
        asking = asyncio.create_task(client.post(f"/api/payments/{call.path}/", headers=headers, json=call.body))
        await until(call.done, f"the provider does what {call.path} asks for")
        assert not asking.done()
        process.kill()
        await process.wait()
        with pytest.raises(httpx.TransportError):
            await asking
    counter.heal()


async def test_the_api_while_a_page_is_made(counter: Counter, tmp_path: Path) -> None:
    order_id = await counter.order()
    call = Call("create", {"order_id": order_id}, counter.buyer, lambda: bool(counter.till.preferences))
    await killed_while(counter, tmp_path, call)
    assert await counter.status(order_id) == ("pending", "pending")
    assert await counter.rows("SELECT state FROM payment_attempt") == [("requested",)]
    assert (await counter.reconcile())["attempts"] == 1
    assert await counter.status(order_id) == ("pending", "payment_pending")
    assert await counter.rows("SELECT state FROM payment_attempt ORDER BY id") == [("lost",), ("ready",)]
    await counter.pay(await counter.started(order_id))
    await counter.drain()
    assert await counter.status(order_id) == ("approved", "paid")
    assert counter.moved("charge") == [Decimal(100)]


async def test_the_api_while_money_goes_back(counter: Counter, tmp_path: Path) -> None:
    order_id, _ = await counter.paid("100.00")
    body = {"order_id": order_id, "amount": "40.00"}
    call = Call("refund", body, counter.staff, lambda: bool(counter.moved("refund")))
    await killed_while(counter, tmp_path, call)
    # The notification of the refund itself may have come; its job has not run.
    assert await counter.rows("SELECT state, number FROM payment_refund") == [("requested", None)]
    assert (await counter.told(order_id))["refunded_amount"] == "0.00"
    await counter.reconcile()
    await counter.drain()
    assert await counter.rows("SELECT state, amount FROM payment_refund") == [("done", Decimal(40))]
    assert (await counter.told(order_id))["refunded_amount"] == "40.00"
    assert counter.moved("refund") == [Decimal(40)]


@asynccontextmanager
async def worker(counter: Counter, folder: Path) -> AsyncIterator[Process]:
    """A worker without the periodic jobs; its queue is what the test left there."""
    with (folder / "worker.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.jobs.probe_worker",
            "--bare",
            cwd=ROOT,
            env=surroundings(counter, folder) | {"PATH": os.environ["PATH"]},
            stdout=output,
            stderr=output,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def test_the_worker_while_it_reads_a_payment(counter: Counter, tmp_path: Path) -> None:
    order_id = await counter.order()
    number = await counter.pay(await counter.started(order_id))
    # What else was queued is no part of this.
    await counter.rows("DELETE FROM procrastinate_jobs WHERE task_name NOT LIKE 'payments:%'")
    counter.fault(path=f"/v1/payments/{number}", delay_seconds=ANSWER_SECONDS)
    async with worker(counter, tmp_path) as process:
        await until(lambda: counter.arrived("GET", number) == 1, "the worker asks for the payment")
        process.kill()
        await process.wait()
    counter.heal()
    assert await counter.status(order_id) == ("pending", "payment_pending")
    assert await counter.value("SELECT count(*) FROM payment_notification WHERE handled_at IS NULL") == 1
    assert await counter.rows("SELECT task_name, status FROM procrastinate_jobs") == [("payments:apply_event", "doing")]
    assert (await counter.reconcile())["notifications"] == 1
    assert await counter.status(order_id) == ("approved", "paid")
    assert await counter.value("SELECT count(*) FROM order_event WHERE status = 'paid'") == 1
