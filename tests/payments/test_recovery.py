"""The provider is back: two minutes later everything is settled, and its own ledger shows nothing twice.

No job of the outage has survived, and some notifications never came: what settles it all is the periodic run alone.
"""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from app.domain.payments.service.desk import PaymentDesk
from app.domain.payments.service.failures import NoPayment
from app.domain.payments.service.reconciliation import Reconciliation
from tests.payments.counter import Counter

RUN_EVERY_SECONDS, RUNS = 30, 4
PASSING = (
    "payment_notification SET received_at = received_at",
    "payment_attempt SET updated_at = updated_at",
    "payment_refund SET busy_until = busy_until",
    "payment SET check_at = check_at",
)


async def two_minutes(counter: Counter) -> list[int]:
    """As the worker's schedule has it; how much each run had to do. What failed is counted too."""
    work = []
    for _ in range(RUNS):
        for column in PASSING:
            await counter.rows(f"UPDATE {column} - interval '{RUN_EVERY_SECONDS} seconds'")
        # More time than the circuit stays open.
        counter.mercadopago.breaker._open_until = 0.0
        done = await Reconciliation(counter.desk).run()
        work.append(done.total())
        await counter.notifier.settle()
    return work


async def lose_all_jobs(counter: Counter) -> None:
    await counter.rows("DELETE FROM procrastinate_jobs")


async def unsettled(counter: Counter) -> list[Any]:
    """Whatever nobody knows the end of."""
    return await counter.rows(
        "SELECT (SELECT count(*) FROM payment_notification WHERE handled_at IS NULL),"
        " (SELECT count(*) FROM payment_attempt WHERE state = 'requested'),"
        " (SELECT count(*) FROM payment_refund WHERE state = 'requested')"
    )


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"drop": True}, {"delay_seconds": 30.0}], ids=["half fails", "resets", "hangs"]
)
async def test_two_minutes_after_an_outage(counter: Counter, full_rounds: bool, fault: dict[str, Any]) -> None:
    count = 260 if full_rounds else 8
    waiting = [
        (order_id, await counter.started(order_id)) for order_id in [await counter.order() for _ in range(count)]
    ]
    given_back = [(await counter.paid("100.00"))[0] for _ in range(3)]
    for number in range(40):
        counter.fault(**(fault if number % 2 or "status" not in fault else {"delay_seconds": 0.001}))
    # Some are told of, some not; some fail to begin; money is asked back.
    for number, (_, preference_id) in enumerate(waiting):
        await counter.pay(preference_id, tell=bool(number % 2))
    beginning = [await counter.order() for _ in range(3)]
    calls = [*map(counter.create, beginning), *(counter.refund(order_id, "30.00") for order_id in given_back)]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} <= {200, 503}
    await lose_all_jobs(counter)
    counter.sandbox.world.faults.reset()
    work = await two_minutes(counter)
    assert await unsettled(counter) == [(0, 0, 0)]
    for order_id, _ in waiting:
        assert await counter.status(order_id) == ("approved", "paid")
    for order_id in given_back:
        assert (await counter.told(order_id))["refunded_amount"] == "30.00"
    assert counter.moved("charge") == [Decimal(100)] * (count + len(given_back))
    assert counter.moved("refund") == [Decimal(30)] * len(given_back)
    for order_id in beginning:
        await counter.pay(await counter.started(order_id))
    await counter.drain()
    assert {await counter.status(order_id) for order_id in beginning} == {("approved", "paid")}
    assert sum(work[:-1]) > 0


async def test_one_provider_call_at_a_time_after_an_outage(counter: Counter) -> None:
    """The first call of a run goes alone: while it fails, no others follow it."""
    for _ in range(7):
        await counter.pay(await counter.started(await counter.order()))
    await lose_all_jobs(counter)
    breaker = counter.mercadopago.breaker
    breaker._failures, breaker._open_until = 5, 0.0
    counter.fault(times=50, status=500)
    before = counter.arrived("GET", "/v1/payments")
    done = await Reconciliation(counter.desk, unknown_seconds=0).run()
    assert (done["failed"], counter.arrived("GET", "/v1/payments") - before) == (1, 3)
    counter.heal()
    assert (await counter.reconcile())["notifications"] == 7


async def test_one_that_the_database_refuses_is_not_in_the_way(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await counter.order(), await counter.order()
    for order_id in (first, second):
        await counter.pay(await counter.started(order_id), tell=False)
    await counter.rows("UPDATE payment SET check_at = check_at - interval '1 hour' WHERE order_id = :id", id=first)
    look = PaymentDesk.look

    async def looked(desk: PaymentDesk, order_id: int) -> int:
        if order_id == first:
            raise IntegrityError("UPDATE", {}, ValueError("a constraint"))
        return await look(desk, order_id)

    monkeypatch.setattr(PaymentDesk, "look", looked)
    assert dict(await Reconciliation(counter.desk, everything=True).run()) == {"payments": 1, "failed": 1}
    assert await counter.status(first) == ("pending", "payment_pending")
    assert await counter.status(second) == ("approved", "paid")


async def test_a_worker_that_is_to_end_begins_no_other(counter: Counter) -> None:
    """What is left is the next run's."""
    orders = [await counter.order() for _ in range(3)]
    for order_id in orders:
        await counter.pay(await counter.started(order_id), tell=False)
    going_on = iter([False])
    done = await Reconciliation(counter.desk, everything=True, stopped=lambda: next(going_on, True)).run()
    assert dict(done) == {"payments": 1}
    assert sorted([(await counter.status(order_id))[1] for order_id in orders]) == ["paid", *["payment_pending"] * 2]
    await Reconciliation(counter.desk, everything=True).run()
    assert [(await counter.status(order_id))[1] for order_id in orders] == ["paid"] * 3


async def test_an_order_that_is_deleted_meanwhile_is_not_asked_about(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, kept = await counter.order(), await counter.order()
    await counter.started(gone)
    await counter.pay(await counter.started(kept), tell=False)
    look = PaymentDesk.look

    async def looked(desk: PaymentDesk, order_id: int) -> int:
        news = await look(desk, order_id)
        await counter.rows("DELETE FROM orders WHERE id = :id", id=gone)
        return news

    monkeypatch.setattr(PaymentDesk, "look", looked)
    assert dict(await Reconciliation(counter.desk, everything=True).run())["payments"] == 1
    assert await counter.status(kept) == ("approved", "paid")
    with pytest.raises(NoPayment):
        await counter.desk.look(gone)
