"""The statistics, the payment and the provider's ledger show the same net, whatever was paid late or given back."""

import random
from decimal import Decimal
from typing import Any

from app.domain.analytics.service import AnalyticsService
from app.domain.orders.service.life import OrderLife
from tests.factories import bearer
from tests.payments.counter import Counter


async def stats(counter: Counter) -> tuple[int, int, Decimal]:
    """Sales, those that are paid, and the money, of today's month."""
    headers = bearer(counter.settings, counter.staff)
    answer = await counter.client.get("/api/statistics/analytics/", headers=headers)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()["stats"]
    return found["ventas"], found["ventas_pagadas"], Decimal(str(found["facturacion"]))


async def test_refunds(counter: Counter) -> None:
    order_id, _ = await counter.paid("100.00")
    other, _ = await counter.paid("50.50")
    assert await stats(counter) == (2, 2, Decimal("150.50"))
    assert (await counter.refund(order_id, "30.00")).status_code == 200
    told = await counter.told(order_id)
    net = Decimal("100.00") - Decimal(told["refunded_amount"]) + Decimal("50.50")
    assert await stats(counter) == (2, 2, net)
    assert net == sum(counter.moved("charge")) - sum(counter.moved("refund"))
    assert (await counter.refund(order_id)).status_code == 200
    assert await stats(counter) == (1, 1, Decimal("50.50"))
    assert (await counter.refund(other)).status_code == 200
    assert await stats(counter) == (0, 0, Decimal(0))
    assert await AnalyticsService(counter.db, counter.settings).differences() == []


async def test_a_late_payment_revives_its_order(counter: Counter) -> None:
    order_id = await counter.order("80.00")
    preference = await counter.started(order_id)
    assert await stats(counter) == (1, 0, Decimal(0))
    await counter.expire(order_id)
    assert await stats(counter) == (0, 0, Decimal(0))
    await counter.pay(preference)
    await counter.drain()
    assert (await counter.status(order_id))[1] == "paid"
    assert await stats(counter) == (1, 1, Decimal("80.00"))
    assert await AnalyticsService(counter.db, counter.settings).differences() == []


TOTAL = Decimal("100.00")


async def pay_somehow(counter: Counter, rng: random.Random, order_id: int) -> str:
    """In one go, with too much, after a refusal, twice, or too late; the number of the payment that settles it."""
    preference_id = await counter.started(order_id)
    way = rng.choice(("plain", "too much", "refused first", "twice", "late", "untold"))
    if way == "refused first":
        await counter.pay(preference_id, "FUND")
    if way == "late":
        await counter.expire(order_id)
    more = {"transaction_amount": 120.5} if way == "too much" else {}
    number = await counter.pay(preference_id, tell=way != "untold", **more)
    await counter.drain()
    if way == "twice":
        await counter.pay(preference_id)
        await counter.drain()
    await counter.reconcile()
    assert await counter.status(order_id) == ("approved", "paid"), way
    return number


async def go_on(counter: Counter, rng: random.Random, order_id: int, number: str) -> None:
    """Something that happens to an order that is paid: it is sent, or a part or all of its money goes back."""
    step = rng.choice(("part", "part", "part", "ship", "all", "panel", "dispute"))
    if step == "ship":
        await OrderLife(counter.db).move(order_id, "shipped", by=None, cause="test")
        await counter.db.commit()
    elif step == "panel":
        left = counter.till.payments[int(number)]
        if left["status"] == "approved":
            part = rng.choice((None, Decimal("0.10")))
            counter.till.refund(number, part, f"panel-{rng.random()}")
            counter.notifier.tell(left, "payment.updated")
            await counter.notifier.settle()
    elif step == "dispute":
        if counter.till.payments[int(number)]["status"] == "approved":
            await counter.turn(number, "in_mediation", "pending")
            await counter.drain()
            await counter.turn(number, "approved", "accredited")
    else:
        amount = None if step == "all" else f"{rng.randrange(1, 4000) / 100:.2f}"
        assert (await counter.refund(order_id, amount)).status_code in {200, 400}
    await counter.drain()


async def net_at_the_provider(counter: Counter, order_id: int) -> Decimal:
    reference = await counter.value("SELECT reference::text FROM payment WHERE order_id = :id", id=order_id)
    signs = {"charge": 1, "refund": -1}
    moves = [move for move in counter.till.ledger if move.external_reference == reference]
    return sum((signs[move.kind] * move.amount for move in moves), Decimal(0))


async def listed(counter: Counter) -> dict[int, tuple[str, Decimal]]:
    """What staff see in the list of orders."""
    headers = bearer(counter.settings, counter.staff)
    answer = await counter.client.get("/api/orders/?page_size=100", headers=headers)
    assert answer.status_code == 200
    return {one["id"]: (one["status"], Decimal(one["total"])) for one in answer.json()["results"]}


async def test_one_net_whatever_happens(counter: Counter, full_rounds: bool) -> None:
    """The provider's ledger, the payment, the list of orders and the statistics, after any sequence."""
    rng = random.Random(20261122)
    numbers = {}
    for _ in range(90 if full_rounds else 12):
        order_id = await counter.order(str(TOTAL))
        numbers[order_id] = await pay_somehow(counter, rng, order_id)
        for _ in range(rng.randrange(5)):
            await go_on(counter, rng, order_id, numbers[order_id])
    seen, sold = await listed(counter), Decimal(0)
    assert set(seen) == set(numbers)
    for order_id, (status, total) in seen.items():
        ((captured, refunded),) = await counter.rows(
            "SELECT captured_amount, refunded_amount FROM payment WHERE order_id = :id", id=order_id
        )
        net = await net_at_the_provider(counter, order_id)
        assert captured - refunded == net
        assert Decimal((await counter.told(order_id))["refunded_amount"]) == refunded
        assert (total, status in {"paid", "shipped", "cancelled"}) == (TOTAL, True)
        assert status == "shipped" or (status == "cancelled") == (net == 0)
        sold += 0 if status == "cancelled" else min(net, total)
    assert (await stats(counter))[2] == sold
    assert await AnalyticsService(counter.db, counter.settings).differences() == []
