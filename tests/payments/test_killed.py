"""A process that dies at any step between intent, call and record: the reconciliation finishes what it began."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from app.clients.mercadopago import MercadoPagoClient
from app.domain.payments.service.attempts import AttemptService
from app.domain.payments.service.inbox import Inbox
from app.domain.payments.service.refunds import RefundService, Wish
from app.domain.payments.service.settlement import Settlement
from tests.payments.counter import Counter


class Killed(BaseException):
    """As kill -9: nothing after it runs, and an open transaction is rolled back."""


def kill(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, *, after: bool) -> None:
    """The next call of a method is the process's last, before or after what the method does."""
    real: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def dying(self: Any, *args: Any, **options: Any) -> Any:
        monkeypatch.setattr(owner, name, real)
        if after:
            await real(self, *args, **options)
        raise Killed

    monkeypatch.setattr(owner, name, dying)


CREATING = [
    (AttemptService, "begin", True),
    (MercadoPagoClient, "create_preference", False),
    (MercadoPagoClient, "create_preference", True),
    (AttemptService, "record", False),
    (AttemptService, "record", True),
]


@pytest.mark.parametrize(("owner", "name", "after"), CREATING)
async def test_while_a_payment_is_begun(
    counter: Counter, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, after: bool
) -> None:
    order_id = await counter.order()
    kill(monkeypatch, owner, name, after=after)
    with pytest.raises(Killed):
        await counter.desk.create(order_id, counter.principal(counter.buyer))
    await counter.reconcile()
    begun = name != "begin"
    assert await counter.status(order_id) == (("pending", "payment_pending") if begun else (None, "pending"))
    states = await counter.rows("SELECT state FROM payment_attempt ORDER BY id")
    assert states == ([("lost",), ("ready",)] if begun else [])
    preference_id = await counter.started(order_id)
    await counter.pay(preference_id)
    await counter.drain()
    assert await counter.status(order_id) == ("approved", "paid")
    assert counter.moved("charge") == [Decimal(100)]


async def test_a_payment_that_nobody_needs_any_more_is_not_begun_again(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await counter.order()
    kill(monkeypatch, MercadoPagoClient, "create_preference", after=True)
    with pytest.raises(Killed):
        await counter.desk.create(order_id, counter.principal(counter.buyer))
    await counter.rows("UPDATE orders SET status = 'cancelled' WHERE id = :id", id=order_id)
    await counter.reconcile()
    assert await counter.rows("SELECT state FROM payment_attempt") == [("lost",)]
    assert await counter.status(order_id) == ("pending", "cancelled")


REFUNDING = [
    (RefundService, "claim", True),
    (MercadoPagoClient, "refund", False),
    (MercadoPagoClient, "refund", True),
    (RefundService, "record", False),
    (RefundService, "record", True),
]


@pytest.mark.parametrize(("owner", "name", "after"), REFUNDING)
@pytest.mark.parametrize("amount", ["40.00", None])
async def test_while_money_goes_back(  # noqa: PLR0917 - parameters
    counter: Counter, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, after: bool, amount: str | None
) -> None:
    order_id, _ = await counter.paid("100.00")
    kill(monkeypatch, owner, name, after=after)
    wish = Wish(order_id, Decimal(amount) if amount else None)
    with pytest.raises(Killed):
        await counter.desk.refund(wish, counter.principal(counter.staff))
    await counter.reconcile()
    if name == "claim":
        # Its transaction was rolled back, and nobody was told anything.
        assert counter.moved("refund") == []
        return
    assert counter.moved("refund") == [Decimal(amount or 100)]
    assert await counter.status(order_id) == (("approved", "paid") if amount else ("refunded", "cancelled"))
    assert await counter.rows("SELECT state, amount FROM payment_refund") == [("done", Decimal(amount or 100))]
    await counter.reconcile()
    assert counter.moved("refund") == [Decimal(amount or 100)]


APPLYING = [
    (MercadoPagoClient, "payment", False),
    (MercadoPagoClient, "payment", True),
    (Settlement, "apply", False),
    (Settlement, "apply", True),
    (Inbox, "handled", False),
    (Inbox, "handled", True),
]


@pytest.mark.parametrize(("owner", "name", "after"), APPLYING)
async def test_while_a_payment_is_applied(
    counter: Counter, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, after: bool
) -> None:
    order_id = await counter.order()
    await counter.pay(await counter.started(order_id))
    kill(monkeypatch, owner, name, after=after)
    with pytest.raises(Killed):
        await counter.drain()
    await counter.reconcile()
    assert await counter.status(order_id) == ("approved", "paid")
    assert await counter.value("SELECT count(*) FROM order_event WHERE status = 'paid'") == 1
    assert await counter.value("SELECT count(*) FROM payment_notification WHERE handled_at IS NULL") == 0


@pytest.mark.parametrize(("owner", "name", "after"), REFUNDING[1:])
async def test_while_a_second_payment_goes_back(
    counter: Counter, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, after: bool
) -> None:
    order_id = await counter.order()
    preference_id = await counter.started(order_id)
    await counter.pay(preference_id)
    await counter.drain()
    await counter.pay(preference_id)
    kill(monkeypatch, owner, name, after=after)
    with pytest.raises(Killed):
        await counter.drain()
    await counter.reconcile()
    assert await counter.status(order_id) == ("approved", "paid")
    assert counter.moved("charge") == [Decimal(100)] * 2
    assert counter.moved("refund") == [Decimal(100)]
    assert await counter.rows("SELECT state, origin FROM payment_refund") == [("done", "duplicate")]


async def test_the_notification_that_never_came(counter: Counter) -> None:
    order_id = await counter.order()
    await counter.pay(await counter.started(order_id), tell=False)
    assert (await counter.reconcile())["payments"] == 1
    assert await counter.status(order_id) == ("approved", "paid")


async def test_who_is_asked_about_when(counter: Counter) -> None:
    order_id = await counter.order()
    await counter.started(order_id)
    due = "SELECT extract(epoch FROM check_at - now()) FROM payment"
    assert 50 < float(await counter.value(due)) <= 60
    await counter.reconcile()
    assert 50 < float(await counter.value(due)) <= 60
    await counter.rows("UPDATE payment SET created_at = now() - interval '5 days'")
    await counter.reconcile()
    assert await counter.value("SELECT check_at FROM payment") is None


async def test_the_books_are_looked_at(counter: Counter) -> None:
    found = "SELECT violations FROM invariant WHERE name = 'payments_add_up'"
    order_id, _ = await counter.paid("100.00")
    await counter.refund(order_id, "30.00")
    await counter.run("upkeep:check_invariants")
    assert await counter.value(found) == 0
    await counter.rows("UPDATE payment SET refunded_amount = 10")
    await counter.run("upkeep:check_invariants")
    assert await counter.value(found) == 1
