"""What ends and brings back an order: time, cancelling, late money; stock comes and goes exactly once."""

import asyncio
import datetime as dt
from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.inventory.service import StockService
from app.domain.orders.service.life import OrderLife
from app.jobs.orders import expire_unpaid
from app.jobs.work import Work
from app.settings import Settings
from tests.factories_catalog import make_product
from tests.orders.counter import Counter

LIMITS = {"minutes": 30, "cash_hours": 48}


async def age(counter: Counter, order_id: int, **span: float) -> None:
    seconds = dt.timedelta(**span).total_seconds()
    aged = "UPDATE orders SET unpaid_since = clock_timestamp() - make_interval(secs => :s) WHERE id = :id RETURNING 1"
    await counter.value(aged, s=seconds, id=order_id)


@pytest.mark.parametrize(
    ("method", "status", "span", "over"),
    [
        ("online", "pending", {"minutes": 29.9}, False),
        ("online", "pending", {"minutes": 30.1}, True),
        ("online", "payment_pending", {"minutes": 30.1}, True),
        ("cash", "pending", {"hours": 47.9}, False),
        ("cash", "pending", {"hours": 48.1}, True),
        ("online", "paid", {"days": 9}, False),
        ("cash", "shipped", {"days": 9}, False),
        ("cash", "abandoned", {"days": 9}, False),
    ],
)
async def test_who_does_not_pay_loses_the_order(
    counter: Counter, method: str, status: str, span: dict[str, float], *, over: bool
) -> None:
    user_id, _ = await counter.shopper()
    product = await make_product(counter.db, stock=10)
    order_id = await counter.order(user_id, [(product, 3)], status=status, payment_method=method)
    free = await counter.free(product)
    await age(counter, order_id, **span)
    assert await OrderLife(counter.db).expire_unpaid(10, **LIMITS) == (1 if over else 0)
    await counter.db.commit()
    assert await counter.status(order_id) == ("cancelled" if over else status)
    assert await counter.free(product) == (10 if over else free)
    assert await OrderLife(counter.db).expire_unpaid(10, **LIMITS) == 0
    if over:
        assert (await counter.moves(order_id))[-1] == ("cancelled", None, "expired")
        assert await counter.jobs() == [("notifications:order_moved", {"order_id": order_id})]
        log = await counter.rows("SELECT user_id, action, object_id, changes FROM activity_log")
        assert log == [(None, "status_change", str(order_id), {"status": [status, "cancelled"]})]


async def test_the_job_ends_them_all(
    counter: Counter, settings: Settings, sessions: async_sessionmaker[AsyncSession]
) -> None:
    user_id, _ = await counter.shopper()
    product = await make_product(counter.db, stock=70)
    for _ in range(60):
        await age(counter, await counter.order(user_id, [(product, 1)], payment_method="online"), hours=1)
    kept = await counter.order(user_id, [(product, 1)])
    assert await expire_unpaid.run(Work(settings, sessions)) == 60
    assert await counter.free(product) == 69
    assert await counter.status(kept) == "pending"


async def test_late_money_revives_what_ran_out(counter: Counter) -> None:
    user_id, _ = await counter.shopper()
    product = await make_product(counter.db, stock=3)
    order_id = await counter.order(user_id, [(product, 3)], payment_method="online")
    await age(counter, order_id, hours=1)
    await OrderLife(counter.db).expire_unpaid(10, **LIMITS)
    await counter.db.commit()
    assert await counter.free(product) == 3
    assert await OrderLife(counter.db).revive(order_id) is True
    await counter.db.commit()
    assert (await counter.status(order_id), await counter.free(product)) == ("paid", 0)
    assert await counter.moves(order_id) == [
        ("pending", user_id, "created"),
        ("cancelled", None, "expired"),
        ("paid", None, "late_payment"),
    ]
    assert await counter.value("SELECT first_paid_at IS NOT NULL FROM profiles WHERE user_id = :u", u=user_id)
    assert await OrderLife(counter.db).revive(order_id) is False


async def test_late_money_for_stock_that_is_gone(counter: Counter) -> None:
    user_id, _ = await counter.shopper()
    one, two = await make_product(counter.db, stock=3), await make_product(counter.db, stock=3)
    order_id = await counter.order(user_id, [(one, 3), (two, 2)], payment_method="online")
    await age(counter, order_id, hours=1)
    await OrderLife(counter.db).expire_unpaid(10, **LIMITS)
    await counter.db.commit()
    await counter.order(user_id, [(two, 2)])
    assert await OrderLife(counter.db).revive(order_id) is False
    await counter.db.commit()
    assert await counter.status(order_id) == "cancelled"
    assert (await counter.free(one), await counter.free(two)) == (3, 1)
    assert (await counter.moves(order_id))[-1] == ("cancelled", None, "expired")


async def test_what_somebody_cancelled_stays_so(counter: Counter) -> None:
    user_id, shopper = await counter.shopper()
    order_id = await counter.order(user_id, payment_method="online")
    assert (await counter.client.post(f"/api/orders/{order_id}/cancel/", headers=shopper)).status_code == 200
    for unknown in (order_id, 987654321):
        assert await OrderLife(counter.db).revive(unknown) is False


@pytest.mark.parametrize("rounds", range(3))
async def test_cancelled_many_times_at_once_gives_back_once(counter: Counter, rounds: int) -> None:
    del rounds
    (user_id, shopper), (_, staff) = await counter.shopper(), await counter.staff()
    product = await make_product(counter.db, stock=10)
    order_id = await counter.order(user_id, [(product, 4)])
    path = f"/api/orders/{order_id}/"
    calls = [counter.client.post(f"{path}cancel/", headers=who) for who in (shopper, staff, shopper)]
    calls += [
        counter.client.patch(f"{path}update_status/", json={"status": "cancelled"}, headers=staff) for _ in range(3)
    ]
    codes = [answer.status_code for answer in await asyncio.gather(*calls)]
    assert sorted(codes) == [200, 400, 400, 400, 400, 400]
    assert await counter.free(product) == 10
    assert [move[0] for move in await counter.moves(order_id)] == ["pending", "cancelled"]
    returned = "SELECT delta, kind FROM stock_ledger WHERE pool_id = :pool ORDER BY id"
    assert await counter.rows(returned, pool=product.pool_id) == [(10, "opening"), (-4, "sale"), (4, "return")]


async def test_shipped_and_cancelled_at_once(counter: Counter) -> None:
    (user_id, _), (_, staff) = await counter.shopper(), await counter.staff()
    product = await make_product(counter.db, stock=10)
    order_id = await counter.order(user_id, [(product, 4)], status="paid")
    path = f"/api/orders/{order_id}/update_status/"
    both = ("shipped", "cancelled")
    answers = await asyncio.gather(
        *(counter.client.patch(path, json={"status": status}, headers=staff) for status in both)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 400]
    won = both[0] if answers[0].status_code == 200 else both[1]
    assert await counter.status(order_id) == won
    assert await counter.free(product) == (6 if won == "shipped" else 10)
    mails = [args["kind"] for name, args in await counter.jobs() if name == "send_order_mail"]
    assert mails == (["order_shipped"] if won == "shipped" else [])


async def test_a_deleted_order_gives_back_what_it_took(counter: Counter) -> None:
    (user_id, shopper), (_, staff) = await counter.shopper(), await counter.staff()
    product = await make_product(counter.db, stock=10)
    for status in ("pending", "cancelled"):
        order_id = await counter.order(user_id, [(product, 4)], status=status)
        path = f"/api/orders/{order_id}/"
        assert (await counter.client.delete(path, headers=shopper)).status_code == 403
        answer = await counter.client.delete(path, headers=staff)
        assert (answer.status_code, answer.content) == (204, b"")
        assert await counter.free(product) == 10
        assert (await counter.client.delete(path, headers=staff)).status_code == 404


async def test_a_deleted_order_makes_nobody_a_buyer(counter: Counter) -> None:
    (user_id, _), (_, staff) = await counter.shopper(), await counter.staff()
    order_id = await counter.order(user_id)
    assert await OrderLife(counter.db).move(order_id, "paid", by=None, cause="status", quiet=True)
    await counter.db.commit()
    marked = "SELECT first_paid_at IS NOT NULL FROM profiles WHERE user_id = :u"
    assert await counter.value(marked, u=user_id) is True
    assert (await counter.client.delete(f"/api/orders/{order_id}/", headers=staff)).status_code == 204
    assert await counter.value(marked, u=user_id) is False
    assert await counter.jobs() == []


async def test_stock_that_staff_wrote_and_an_order_gives_back(counter: Counter) -> None:
    """S14 of an order's side: 29 sold of 30; 80 are written; cancelling adds the 29."""
    user_id, _ = await counter.shopper()
    product = await make_product(counter.db, stock=30)
    order_id = await counter.order(user_id, [(product, 29)])
    await StockService(counter.db).set_free(product.pool_id, 80, cause="staff")
    await counter.db.commit()
    assert await counter.free(product) == 80
    assert await OrderLife(counter.db).cancel(order_id, by=None)
    await counter.db.commit()
    assert await counter.free(product) == 109


async def test_what_is_paid_makes_a_buyer_and_a_refund_takes_it_back(counter: Counter) -> None:
    user_id, _ = await counter.shopper()
    order_id = await counter.order(user_id, payment_method="online")
    life, marked = OrderLife(counter.db), "SELECT first_paid_at IS NOT NULL FROM profiles WHERE user_id = :u"
    assert await life.move(order_id, "payment_pending", by=user_id, cause="payment")
    assert not await life.move(order_id, "payment_pending", by=user_id, cause="payment")
    assert await life.move(order_id, "paid", by=None, cause="payment")
    assert not await life.move(order_id, "paid", by=None, cause="payment")
    await counter.db.commit()
    assert await counter.value(marked, u=user_id) is True
    assert await life.move(order_id, "cancelled", by=None, cause="refund", from_="paid")
    await counter.db.commit()
    assert await counter.value(marked, u=user_id) is False
    assert not await life.move(order_id, "shipped", by=None, cause="late", from_=("pending", "paid"))
    assert not await life.move(987654321, "paid", by=None, cause="payment")


async def test_items_of_a_pending_order(counter: Counter) -> None:
    (user_id, shopper), (_, staff) = await counter.shopper(), await counter.staff()
    one = await make_product(counter.db, stock=10, price=Decimal("100.00"))
    two = await make_product(counter.db, stock=10, price=Decimal("7.50"))
    order_id = await counter.order(user_id, [(one, 2), (two, 4)])
    path = f"/api/orders/{order_id}/items/"
    first, second = [row[0] for row in await counter.rows("SELECT id FROM order_item ORDER BY id")]

    async def patch(items: object, headers: dict[str, str] = staff) -> tuple[int, dict[str, object]]:
        answer = await counter.client.patch(path, json={"items": items}, headers=headers)
        return answer.status_code, answer.json()

    assert (await patch([{"id": first, "quantity": 1}], shopper))[0] == 403
    status, order = await patch([{"id": first, "quantity": 5}])
    assert (status, order["subtotal"], order["total"]) == (200, "530.00", "530.00")
    assert (await counter.free(one), await counter.free(two)) == (5, 6)
    status, order = await patch([{"id": second, "quantity": 0}])
    assert (status, order["total"], len(order["products"])) == (200, "500.00", 1)  # type: ignore[arg-type]
    assert (await counter.free(one), await counter.free(two)) == (5, 10)
    assert (await patch([{"id": first, "quantity": 11}]))[1]["code"] == "insufficient_stock"
    assert (await patch([{"id": first, "quantity": 0}]))[1]["code"] == "no_items"
    assert (await patch([{"id": second, "quantity": 1}]))[1]["code"] == "unknown_item"
    assert (await patch([]))[0] == 400
    assert (await patch([{"id": first, "quantity": -1}]))[0] == 400
    assert (await counter.free(one), await counter.value("SELECT total FROM orders")) == (5, Decimal("500.00"))


@pytest.mark.parametrize("status", ["payment_pending", "paid", "shipped", "cancelled", "archived", "abandoned"])
async def test_items_of_no_other_order(counter: Counter, status: str) -> None:
    (user_id, _), (_, staff) = await counter.shopper(), await counter.staff()
    order_id = await counter.order(user_id, status=status)
    item = await counter.value("SELECT id FROM order_item")
    body = {"items": [{"id": item, "quantity": 1}]}
    answer = await counter.client.patch(f"/api/orders/{order_id}/items/", json=body, headers=staff)
    assert (answer.status_code, answer.json()["code"]) == (400, "not_pending")
    assert await counter.value("SELECT quantity FROM order_item") == 2


async def test_a_shipping_notice_goes_out_as_often_as_it_is_asked_for(counter: Counter) -> None:
    (user_id, shopper), (_, staff) = await counter.shopper(), await counter.staff()
    order_id = await counter.order(user_id, status="paid")
    path = f"/api/orders/{order_id}/notify_shipping/"
    assert (await counter.client.post(path, headers=shopper)).status_code == 403
    for _ in range(2):
        answer = await counter.client.post(path, headers=staff)
        assert (answer.status_code, list(answer.json())) == (200, ["message"])
    assert await counter.value("SELECT shipping_notification_sent FROM orders") is True
    jobs = [args for name, args in await counter.jobs() if name == "send_order_mail"]
    assert [(args["order_id"], args["kind"]) for args in jobs] == [(order_id, "order_shipped")] * 2
    assert len({args["occurrence"] for args in jobs}) == 2
    await counter.value("UPDATE orders SET customer_email = '' RETURNING 1")
    assert (await counter.client.post(path, headers=staff)).status_code == 400


async def test_an_order_with_an_approved_payment_is_not_deleted(counter: Counter) -> None:
    (user_id, _), (_, staff) = await counter.shopper(), await counter.staff()
    order_id = await counter.order(user_id, status="paid", payment_method="online")
    paid = """
        INSERT INTO payment (order_id, user_id, status, amount, captured_amount)
        VALUES (:order, :user, 'approved', 3000, 3000) RETURNING 1
    """
    await counter.value(paid, order=order_id, user=user_id)
    answer = await counter.client.delete(f"/api/orders/{order_id}/", headers=staff)
    assert (answer.status_code, answer.json()["code"]) == (400, "paid")
    await counter.value("UPDATE payment SET status = 'refunded', refunded_amount = captured_amount RETURNING 1")
    assert (await counter.client.delete(f"/api/orders/{order_id}/", headers=staff)).status_code == 204
