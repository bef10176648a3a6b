"""MercadoPago hangs, fails or resets: callers hear of it within five seconds; nothing is lost, nothing done twice."""

import asyncio
import time
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.payments.counter import Counter

SECONDS = 5.0


async def timed(answer: Any) -> tuple[httpx.Response, float]:
    begun = time.monotonic()
    return await answer, time.monotonic() - begun


@pytest.mark.parametrize(
    "fault", [{"delay_seconds": 30}, {"status": 500}, {"status": 502}, {"status": 429}, {"drop": True}]
)
async def test_every_call_answers_in_time(counter: Counter, fault: dict[str, Any]) -> None:
    order_id, waiting = (await counter.paid("100.00"))[0], await counter.order("10.00")
    counter.fault(times=500, **fault)
    answers = await asyncio.gather(
        timed(counter.create(waiting)), timed(counter.check(order_id)), timed(counter.refund(order_id, "10.00"))
    )
    for answer, seconds in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
        assert list(answer.json()) == ["error", "code"]
        assert int(answer.headers["retry-after"]) >= 1
        assert seconds < SECONDS
    assert await counter.status(waiting) == ("pending", "pending")
    assert await counter.status(order_id) == ("approved", "paid")
    counter.heal()
    await counter.reconcile()
    assert counter.moved("refund") == [Decimal(10)]
    assert (await counter.told(order_id))["refunded_amount"] == "10.00"
    assert (await counter.create(waiting)).status_code == 200


async def test_others_do_not_wait_for_a_provider_that_hangs(counter: Counter) -> None:
    orders = [await counter.order() for _ in range(12)]
    calm = sorted([(await timed(counter.ask("GET", f"status/{orders[0]}/")))[1] for _ in range(40)])
    counter.fault(times=500, delay_seconds=30)
    hanging = [asyncio.create_task(counter.create(order_id)) for order_id in orders]
    await asyncio.sleep(0.2)
    busy = sorted([(await timed(counter.ask("GET", f"status/{orders[0]}/")))[1] for _ in range(40)])
    assert not any(task.done() for task in hanging)
    for task in hanging:
        assert (await task).status_code == 503
    assert busy[36] < max(calm[36] * 1.5, 0.05)


async def test_the_breaker_opens_and_lets_one_try(counter: Counter) -> None:
    order_id = await counter.order()
    counter.fault(times=500, status=500)
    for _ in range(6):
        assert (await counter.create(order_id)).status_code == 503
    arrived = counter.arrived("POST", "preferences")
    assert arrived <= 15
    answer, seconds = await timed(counter.create(order_id))
    assert answer.status_code == 503
    assert seconds < 0.5
    assert counter.arrived("POST", "preferences") == arrived
    assert counter.mercadopago.breaker.is_open
    assert await counter.reconcile() == {}
    counter.sandbox.world.faults.reset()
    counter.mercadopago.breaker._open_until = 0.0
    assert (await counter.create(order_id)).status_code == 200
    assert not counter.mercadopago.breaker.is_open


async def test_half_of_all_answers_are_errors(counter: Counter) -> None:
    """Retries hide what is passing; what they cannot hide is settled afterwards, and the books agree."""
    orders = [await counter.order("100.00") for _ in range(6)]
    for number in range(300):
        counter.fault(status=500) if number % 2 else counter.fault(delay_seconds=0.001)
    numbers = []
    for order_id in orders:
        answer = await counter.create(order_id)
        if answer.status_code == 200:
            preference_id = answer.json()["init_point"].partition("pref_id=")[2]
            numbers.append((order_id, await counter.pay(preference_id)))
    assert numbers
    refunds = await asyncio.gather(*(counter.refund(order_id, "30.00") for order_id, _ in numbers))
    assert {answer.status_code for answer in refunds} <= {200, 400, 503}
    counter.heal()
    await counter.drain()
    await counter.reconcile()
    for order_id, _ in numbers:
        assert (await counter.status(order_id))[1] == "paid"
    assert len(counter.moved("charge")) == len(numbers)
    told = sum([Decimal((await counter.told(order_id))["refunded_amount"]) for order_id, _ in numbers])
    assert told == sum(counter.moved("refund"))


@pytest.mark.parametrize("path", ["preferences", "refunds", "v1/payments"])
async def test_answers_that_make_no_sense(counter: Counter, path: str) -> None:
    order_id, _ = await counter.paid("100.00")
    waiting = await counter.order()
    counter.fault(times=3, status=204, path=path)
    for answer in (
        await counter.create(waiting),
        await counter.refund(order_id, "10.00"),
        await counter.check(order_id),
    ):
        assert answer.status_code in {200, 503}
    counter.heal()
    await counter.reconcile()
    assert (await counter.create(waiting)).status_code == 200
    assert sum(counter.moved("refund")) == Decimal((await counter.told(order_id))["refunded_amount"])


async def test_parallel_creates_share_one_page(counter: Counter) -> None:
    order_id = await counter.order()
    answers = await asyncio.gather(*(counter.create(order_id) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert counter.arrived("POST", "preferences") == 1
    assert await counter.value("SELECT count(*) FROM order_event WHERE status = 'payment_pending'") == 1


async def test_an_order_that_changes_while_its_page_is_made(counter: Counter) -> None:
    order_id = await counter.order()
    counter.fault(delay_seconds=0.5)
    asked = asyncio.create_task(counter.create(order_id))
    await asyncio.sleep(0.2)
    await counter.rows("UPDATE orders SET status = 'cancelled' WHERE id = :id", id=order_id)
    assert (await asked).json()["code"] == "not_payable"
    assert await counter.status(order_id) == ("pending", "cancelled")
    assert await counter.rows("SELECT state FROM payment_attempt") == [("lost",)]
