"""The statistics, the payment and the provider's ledger show the same net, whatever was paid late or given back."""

from decimal import Decimal
from typing import Any

from app.domain.analytics.service import AnalyticsService
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
