"""Refunds that compete, get lost, or were made elsewhere: never more than was paid, never twice."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from sandbox.mercadopago_till import Habits
from tests.factories import bearer
from tests.payments.counter import Counter

REFUNDS = "/refunds"


async def test_ten_at_once_of_sixty_out_of_a_hundred(counter: Counter) -> None:
    order_id, _ = await counter.paid("100.00")
    answers = await asyncio.gather(*(counter.refund(order_id, "60.00") for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9
    assert counter.moved("refund") == [Decimal(60)]
    assert counter.arrived("POST", REFUNDS) == 1
    assert (await counter.told(order_id))["refunded_amount"] == "60.00"


async def test_ten_at_once_of_everything(counter: Counter) -> None:
    order_id, _ = await counter.paid("100.00")
    answers = await asyncio.gather(*(counter.refund(order_id) for _ in range(10)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes[0] == 200
    assert set(codes[1:]) <= {400, 409}
    assert counter.moved("refund") == [Decimal(100)]


async def test_parts_in_parallel_never_exceed_what_was_paid(counter: Counter) -> None:
    order_id, _ = await counter.paid("100.00")
    parts = ["30", "25", "20", "15", "10", "9", "8", "7"]
    await asyncio.gather(*(counter.refund(order_id, part) for part in parts))
    assert sum(counter.moved("refund")) <= 100
    told = Decimal((await counter.told(order_id))["refunded_amount"])
    assert told == sum(counter.moved("refund"))
    await counter.refund(order_id)
    assert sum(counter.moved("refund")) == 100
    assert await counter.status(order_id) == ("refunded", "cancelled")


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 500}, {"delay_seconds": 9}])
async def test_an_answer_that_is_lost(counter: Counter, fault: dict[str, Any]) -> None:
    order_id, _ = await counter.paid("100.00")
    counter.fault(times=3, method="POST", **fault)
    answer = await counter.refund(order_id, "40.00")
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
    assert answer.headers["retry-after"]
    counter.heal()
    again = await counter.refund(order_id, "40.00")
    assert again.status_code == 200, again.text
    assert again.json()["refunded_amount"] == "40.00"
    assert counter.moved("refund") == [Decimal(40)]
    assert len(await counter.rows("SELECT 1 FROM payment_refund")) == 1


async def test_the_reconciliation_ends_what_was_begun(counter: Counter) -> None:
    order_id, _ = await counter.paid("100.00")
    counter.fault(times=9, drop=True)
    assert (await counter.refund(order_id)).status_code == 503
    counter.heal()
    assert counter.moved("refund") == [Decimal(100)]
    await counter.reconcile()
    assert await counter.status(order_id) == ("refunded", "cancelled")
    assert counter.moved("refund") == [Decimal(100)]
    assert await counter.rows("SELECT state, origin FROM payment_refund") == [("done", "staff")]


async def test_the_webhook_ends_a_refund_whose_answer_was_lost(counter: Counter) -> None:
    order_id, _ = await counter.paid("100.00")
    counter.fault(times=3, method="POST", path="refunds", drop=True)
    assert (await counter.refund(order_id, "10.00")).status_code == 503
    await counter.notifier.settle()
    await counter.drain()
    assert (await counter.told(order_id))["refunded_amount"] == "10.00"
    assert await counter.rows("SELECT state, origin FROM payment_refund") == [("done", "staff")]
    assert (await counter.refund(order_id, "10.00")).json()["refunded_amount"] == "20.00"


async def test_what_the_panel_gave_back_already(counter: Counter) -> None:
    order_id, number = await counter.paid("100.00")
    counter.till.refund(number, None, "panel")
    answer = await counter.refund(order_id)
    assert answer.status_code == 200
    assert await counter.status(order_id) == ("refunded", "cancelled")
    assert counter.moved("refund") == [Decimal(100)]


async def test_a_stale_balance(counter: Counter) -> None:
    order_id, number = await counter.paid("100.00")
    counter.till.refund(number, Decimal(70), "panel")
    answer = await counter.refund(order_id)
    assert (answer.status_code, answer.json()["code"]) == (400, "refund_refused")
    assert (await counter.told(order_id))["refunded_amount"] == "70.00"
    assert (await counter.refund(order_id)).json()["amount"] == "30.00"
    assert sum(counter.moved("refund")) == 100


async def test_a_refund_that_the_provider_does_not_take(counter: Counter) -> None:
    order_id, _ = await counter.paid("100.00")
    counter.till.habits = Habits(refunds_unsupported=1)
    answer = await counter.refund(order_id)
    assert (answer.status_code, answer.json()["code"]) == (400, "refund_refused")
    assert await counter.status(order_id) == ("approved", "paid")
    assert (await counter.refund(order_id)).status_code == 200


async def test_money_that_came_twice_goes_back_in_the_end(counter: Counter) -> None:
    order_id = await counter.order()
    preference_id = await counter.started(order_id)
    await counter.pay(preference_id)
    await counter.drain()
    await counter.pay(preference_id)
    counter.till.habits = Habits(refunds_unsupported=1)
    with pytest.raises(Exception, match="no acepta"):
        await counter.drain()
    assert counter.moved("refund") == []
    await counter.reconcile()
    assert counter.moved("refund") == [Decimal(100)]
    assert await counter.status(order_id) == ("approved", "paid")


async def test_a_refund_racing_its_own_webhook(counter: Counter) -> None:
    order_id, number = await counter.paid("100.00")
    answers = await asyncio.gather(
        counter.refund(order_id, "40.00"),
        counter.check(order_id),
        counter.refund(order_id, "60.00"),
        counter.check(order_id),
    )
    assert [answer.status_code for answer in answers] == [200] * 4
    await counter.tell(number)
    await counter.drain()
    assert await counter.status(order_id) == ("refunded", "cancelled")
    assert sorted(counter.moved("refund")) == [Decimal(40), Decimal(60)]
    assert await counter.rows("SELECT DISTINCT state, origin FROM payment_refund") == [("done", "staff")]


async def test_the_same_request_means_the_same_refund(counter: Counter) -> None:
    order_id, _ = await counter.paid("100.00")
    headers = bearer(counter.settings, counter.staff) | {"Idempotency-Key": "refund-1"}
    body = {"order_id": order_id, "amount": "10.00"}

    async def ask() -> Any:
        return await counter.client.post("/api/payments/refund/", headers=headers, json=body)

    first = await ask()
    again = await ask()
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    # The process died after the refund and before its answer was kept.
    await counter.rows("DELETE FROM idempotency_key")
    assert (await ask()).json() == first.json()
    assert counter.moved("refund") == [Decimal(10)]
    assert (await counter.refund(order_id, "10.00")).json()["refunded_amount"] == "20.00"


async def test_a_request_key_is_forgotten_with_the_keys(counter: Counter) -> None:
    order_id, _ = await counter.paid("100.00")
    headers = bearer(counter.settings, counter.staff) | {"Idempotency-Key": "refund-1"}
    body = {"order_id": order_id, "amount": "10.00"}
    url = "/api/payments/refund/"
    for hours, total in ((71, "10.00"), (73, "20.00")):
        answer = await counter.client.post(url, headers=headers, json=body)
        assert answer.status_code == 200
        await counter.rows("DELETE FROM idempotency_key")
        await counter.rows(f"UPDATE payment_refund SET created_at = now() - interval '{hours} hours'")
        await counter.run("payments:forget_notifications")
        answer = await counter.client.post(url, headers=headers, json=body)
        assert (answer.status_code, answer.json()["refunded_amount"]) == (200, total)
        await counter.rows("DELETE FROM idempotency_key")
    assert counter.moved("refund") == [Decimal(10), Decimal(10)]


async def test_refunds_are_in_the_log_of_what_staff_did(counter: Counter) -> None:
    order_id, _ = await counter.paid("100.00")
    await counter.refund(order_id, "10.00")
    found = await counter.rows("SELECT user_id, action, content_type FROM activity_log WHERE content_type = 'payment'")
    assert found == [(counter.staff.id, "refund", "payment")]
