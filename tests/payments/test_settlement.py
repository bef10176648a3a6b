"""What the provider says, in any order: forward only, one settling payment an order, the rest given back."""

import asyncio
import datetime as dt
from decimal import Decimal
from itertools import permutations
from typing import Any

import msgspec
import pytest

from app.clients.mercadopago_answers import PaymentAnswer, RefundAnswer
from app.domain.payments.service.settlement import Settlement
from app.errors import Refused
from tests.factories_catalog import make_product
from tests.payments.counter import Counter

RANK = {"pending": 0, "rejected": 1, "approved": 2, "refunded": 3}
AT = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
STEPS = [("pending", 0), ("rejected", 0), ("approved", 0), ("refunded", 100)]


async def snapshots(counter: Counter, order_id: int) -> list[PaymentAnswer]:
    """One payment as it was at four moments."""
    reference = await counter.value("SELECT reference::text FROM payment WHERE order_id = :id", id=order_id)
    base = PaymentAnswer(
        id=counter.till.number(),
        status="pending",
        transaction_amount=Decimal(100),
        currency_id="ARS",
        date_last_updated=AT,
        external_reference=reference,
        collector_id=90076076,
        operation_type="regular_payment",
    )
    return [
        msgspec.structs.replace(
            base,
            status=status,
            transaction_amount_refunded=Decimal(refunded),
            date_last_updated=AT + step * dt.timedelta(seconds=1),
        )
        for step, (status, refunded) in enumerate(STEPS)
    ]


@pytest.mark.goal(
    "S7", "notifications: no forgery taken, repeated ones once, never backwards, closed without a secret", "orders"
)
@pytest.mark.parametrize("order", list(permutations(range(4))), ids=lambda order: "".join(map(str, order)))
async def test_twenty_four_orders_of_arrival(counter: Counter, order: tuple[int, ...]) -> None:
    order_id = await counter.order()
    await counter.started(order_id)
    states = await snapshots(counter, order_id)
    seen = []
    for number in order:
        async with counter.sessions() as session, session.begin():
            await Settlement(session, counter.settings).apply(states[number])
        payment, moved_to = await counter.status(order_id)
        seen.append(RANK[str(payment)])
        assert moved_to == {0: "payment_pending", 1: "payment_pending", 2: "paid", 3: "cancelled"}[seen[-1]]
    assert seen == sorted(seen)
    assert await counter.status(order_id) == ("refunded", "cancelled")
    assert await counter.free(order_id) == 5


async def test_a_rejection_that_comes_last(counter: Counter) -> None:
    order_id = await counter.order()
    preference_id = await counter.started(order_id)
    first = await counter.pay(preference_id, "OTHE", tell=False)
    await counter.pay(preference_id)
    await counter.drain()
    assert (await counter.tell(first)).status_code == 200
    await counter.drain()
    assert await counter.status(order_id) == ("approved", "paid")


async def test_webhook_and_check_status_in_parallel(counter: Counter) -> None:
    order_id = await counter.order()
    number = await counter.pay(await counter.started(order_id), tell=False)
    answers = await asyncio.gather(
        counter.check(order_id),
        counter.tell(number),
        counter.run("payments:apply_event", resource=number),
        counter.check(order_id),
        counter.run("payments:apply_event", resource=number),
    )
    assert {getattr(answer, "status_code", 200) for answer in answers} == {200}
    await counter.drain()
    assert await counter.status(order_id) == ("approved", "paid")
    assert await counter.value("SELECT count(*) FROM order_event WHERE status = 'paid'") == 1


async def test_late_news_of_a_refunded_order(counter: Counter) -> None:
    order_id, number = await counter.paid()
    await counter.refund(order_id)
    await counter.drain()
    free = await counter.free(order_id)
    counter.till.payments[int(number)] |= {"status": "approved", "status_detail": "accredited"}
    await counter.tell(number)
    await counter.drain()
    assert await counter.status(order_id) == ("refunded", "cancelled")
    assert await counter.free(order_id) == free


async def test_an_order_that_ran_out_is_revived_while_there_is_stock(counter: Counter) -> None:
    order_id = await counter.order()
    preference_id = await counter.started(order_id)
    await counter.expire(order_id)
    assert await counter.free(order_id) == 5
    await counter.pay(preference_id)
    await counter.drain()
    assert await counter.status(order_id) == ("approved", "paid")
    assert await counter.free(order_id) == 4
    assert (await counter.told(order_id))["flags"] == ["late"]


async def test_an_order_that_ran_out_is_refunded_when_its_stock_is_gone(counter: Counter) -> None:
    product = await make_product(counter.db, stock=1, name="Última")
    order_id = await counter.order(product=product)
    preference_id = await counter.started(order_id)
    await counter.expire(order_id)
    winner = await counter.order(product=product)
    await counter.pay(preference_id)
    assert await counter.drain() == ["apply_event", "refund", "apply_event"]
    assert await counter.status(order_id) == ("refunded", "cancelled")
    assert (await counter.told(order_id))["flags"] == ["late"]
    assert await counter.status(winner) == (None, "pending")
    assert counter.moved("charge") == counter.moved("refund") == [Decimal(100)]
    assert await counter.free(order_id) == 0


async def test_three_buyers_of_the_last_unit(counter: Counter) -> None:
    product = await make_product(counter.db, stock=1, name="Última")
    preferences, orders = [], []
    for _ in range(3):
        order_id = await counter.order(product=product)
        orders.append(order_id)
        preferences.append(await counter.started(order_id))
        await counter.expire(order_id)
    for preference_id in preferences:
        await counter.pay(preference_id)
    await counter.drain()
    found = [await counter.status(order_id) for order_id in orders]
    assert sorted(found) == [("approved", "paid"), ("refunded", "cancelled"), ("refunded", "cancelled")]
    assert sum(counter.moved("charge")) - sum(counter.moved("refund")) == 100


async def test_a_payment_for_an_order_that_somebody_cancelled(counter: Counter) -> None:
    order_id = await counter.order()
    preference_id = await counter.started(order_id)
    await counter.rows("UPDATE orders SET status = 'cancelled', holds_stock = false WHERE id = :id", id=order_id)
    await counter.rows(
        "INSERT INTO order_event (order_id, status, cause) VALUES (:id, 'cancelled', 'cancelled')", id=order_id
    )
    free = await counter.free(order_id)
    await counter.pay(preference_id)
    await counter.drain()
    assert await counter.status(order_id) == ("refunded", "cancelled")
    assert await counter.free(order_id) == free
    assert counter.moved("refund") == [Decimal(100)]


async def test_a_second_payment_is_given_back(counter: Counter) -> None:
    order_id = await counter.order()
    preference_id = await counter.started(order_id)
    first, second = await counter.pay(preference_id), await counter.pay(preference_id)
    await counter.drain()
    assert await counter.status(order_id) == ("approved", "paid")
    told = await counter.told(order_id)
    assert (told["amount"], told["refunded_amount"]) == ("100.00", "0.00")
    assert counter.till.payments[int(first)]["status"] == "approved"
    assert counter.till.payments[int(second)]["status"] == "refunded"
    assert counter.moved("charge") == [Decimal(100)] * 2
    assert counter.moved("refund") == [Decimal(100)]


async def test_two_preferences_that_are_both_paid(counter: Counter) -> None:
    order_id = await counter.order()
    old = await counter.started(order_id)
    await counter.rows("UPDATE payment_attempt SET expires_at = now() - interval '1 minute'")
    new = await counter.started(order_id)
    assert new != old
    await asyncio.gather(counter.pay(old), counter.pay(new))
    await counter.drain()
    assert await counter.status(order_id) == ("approved", "paid")
    assert counter.moved("refund") == [Decimal(100)]


async def test_a_shipped_order_stays_shipped(counter: Counter) -> None:
    order_id, number = await counter.paid()
    await counter.rows("UPDATE orders SET status = 'shipped' WHERE id = :id", id=order_id)
    await counter.tell(number)
    await counter.drain()
    assert await counter.status(order_id) == ("approved", "shipped")
    assert (await counter.refund(order_id)).status_code == 200
    assert await counter.status(order_id) == ("refunded", "shipped")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"currency_id": "USD"}, "currency"),
    ({"collector_id": 1}, "collector"),
    ({"operation_type": "card_validation"}, "operation"),
    ({"transaction_amount": Decimal("99.99")}, "underpaid"),
]


@pytest.mark.parametrize(("changes", "problem"), WRONG)
async def test_payments_that_settle_nothing(counter: Counter, changes: dict[str, Any], problem: str) -> None:
    order_id = await counter.order()
    await counter.pay(await counter.started(order_id), **changes)
    await counter.drain()
    assert await counter.status(order_id) == ("pending", "payment_pending")
    assert (await counter.told(order_id))["flags"] == (["underpaid"] if problem == "underpaid" else [])
    assert await counter.rows("SELECT problem, settling FROM payment_charge") == [(problem, False)]
    assert await counter.rows("SELECT outcome FROM payment_notification") == [(problem,)]


async def test_test_payments_settle_nothing_in_production(counter: Counter) -> None:
    order_id = await counter.order()
    number = await counter.pay(await counter.started(order_id), tell=False, live_mode=False)
    live = msgspec.structs.replace(counter.settings, app_env="production")
    async with counter.sessions() as session, session.begin():
        applied = await Settlement(session, live).apply(await counter.mercadopago.payment(number))
    assert applied.outcome == "test_mode"
    assert await counter.status(order_id) == ("pending", "payment_pending")


@pytest.mark.parametrize("reference", ["", "x", "6f1c2b34-0000-4000-8000-000000000000"])
async def test_payments_of_nobody(counter: Counter, reference: str) -> None:
    order_id = await counter.order()
    await counter.pay(await counter.started(order_id), external_reference=reference)
    await counter.drain()
    assert await counter.status(order_id) == ("pending", "payment_pending")
    assert await counter.rows("SELECT outcome FROM payment_notification") == [("unknown_order",)]


async def test_more_than_the_total_pays_and_is_flagged(counter: Counter) -> None:
    order_id = await counter.order()
    await counter.pay(await counter.started(order_id), transaction_amount=Decimal("120.00"))
    await counter.drain()
    assert await counter.status(order_id) == ("approved", "paid")
    assert (await counter.told(order_id))["flags"] == ["overpaid"]
    assert (await counter.refund(order_id)).json()["amount"] == "120.00"


async def test_disputes(counter: Counter) -> None:
    order_id, number = await counter.paid()
    await counter.turn(number, "in_mediation", "pending")
    await counter.drain()
    assert await counter.status(order_id) == ("approved", "paid")
    assert (await counter.told(order_id))["flags"] == ["disputed"]
    await counter.turn(number, "charged_back", "in_process")
    await counter.drain()
    assert await counter.status(order_id) == ("refunded", "paid")
    await counter.turn(number, "charged_back", "reimbursed")
    await counter.drain()
    assert await counter.status(order_id) == ("approved", "paid")
    await counter.turn(number, "charged_back", "settled")
    await counter.drain()
    assert await counter.status(order_id) == ("refunded", "cancelled")


async def test_a_refund_in_the_providers_panel(counter: Counter) -> None:
    order_id, number = await counter.paid()
    counter.till.refund(number, Decimal(30), "panel")
    assert await counter.status(order_id) == ("approved", "paid")
    assert (await counter.reconcile())["payments"] == 1
    assert (await counter.told(order_id))["refunded_amount"] == "30.00"
    assert (await counter.refund(order_id)).json()["amount"] == "70.00"
    assert await counter.status(order_id) == ("refunded", "cancelled")


async def test_a_usd_order_is_charged_at_its_own_rate(counter: Counter) -> None:
    order_id = await counter.order("12000.00", dollar_rate=Decimal("1200.00"))
    preference = counter.till.preferences[await counter.started(order_id)]
    assert preference["items"][0]["unit_price"] == Decimal("12000.00")
    assert preference["items"][0]["currency_id"] == "ARS"


async def test_another_total_gets_another_page(counter: Counter) -> None:
    order_id = await counter.order()
    old = await counter.started(order_id)
    await counter.rows("UPDATE orders SET total = 80, subtotal = 80 WHERE id = :id", id=order_id)
    new = await counter.started(order_id)
    assert new != old
    assert await counter.drain() == ["close_preference"]
    assert counter.till.is_over(counter.till.preferences[old])
    assert not counter.till.is_over(counter.till.preferences[new])
    await counter.pay(new)
    await counter.drain()
    assert await counter.status(order_id) == ("approved", "paid")


async def test_a_late_refund_that_is_refused_is_asked_for_again(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = await make_product(counter.db, stock=1, name="Última")
    order_id = await counter.order(product=product)
    preference_id = await counter.started(order_id)
    await counter.expire(order_id)
    await counter.order(product=product)
    await counter.pay(preference_id)
    keys = []

    async def refuse(_number: str, amount: Decimal, key: str) -> RefundAnswer:
        keys.append(key)
        return RefundAnswer(id=1, amount=amount, status="rejected")

    with monkeypatch.context() as patch:
        patch.setattr(counter.mercadopago, "refund", refuse)
        with pytest.raises(Refused, match="rejected"):
            await counter.drain()
    assert len(keys) == 1
    assert counter.moved("refund") == []
    ((state, waits, key),) = await counter.rows("SELECT state, busy_until > now(), key::text FROM payment_refund")
    assert (state, waits) == ("requested", True)
    assert key != keys[0]
    await counter.reconcile()
    await counter.drain()
    assert counter.moved("refund") == [Decimal(100)]
    assert await counter.status(order_id) == ("refunded", "cancelled")
