"""What other domains ask of orders: an id beforehand, an order of a hold, and what a buyer's orders make of him."""

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.accounts.models import User
from app.domain.orders.models import Order
from app.domain.orders.service.buyers import mark_buyer
from app.domain.orders.service.placing import HeldLine, OrderService
from tests.factories import make_user
from tests.factories_catalog import make_store_product

AT = dt.datetime(2026, 11, 27, 18, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
# The jobs that a new order is told by are known once there is an application.
pytestmark = pytest.mark.usefixtures("app")
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


async def add_order(db: AsyncSession, user: User, **fields: Any) -> int:
    order = Order(user_id=user.id, recipient_name="Ana", customer_email="ana@example.com", **fields)
    db.add(order)
    await db.commit()
    return order.id


async def marked(db: AsyncSession, user: User) -> tuple[Any, Any]:
    await mark_buyer(db, user.id)
    await db.commit()
    asked = text("SELECT first_paid_at, third_last_paid_at FROM profiles WHERE user_id = :id")
    first, third = (await db.execute(asked, {"id": user.id})).one()
    return first, third


async def test_who_never_paid(db: AsyncSession) -> None:
    user = await make_user(db)
    await add_order(db, user, status="pending")
    await add_order(db, user, status="cancelled")
    assert await marked(db, user) == (None, None)


async def test_the_first_and_the_third_from_the_end(db: AsyncSession) -> None:
    user, other = await make_user(db), await make_user(db)
    seen = []
    for days in (5, 1, 9, 3, 7):
        await add_order(db, user, status="paid", paid_at=AT - days * DAY)
        seen.append(await marked(db, user))
    assert seen == [
        (AT - 5 * DAY, None),
        (AT - 5 * DAY, None),
        (AT - 9 * DAY, AT - 9 * DAY),
        (AT - 9 * DAY, AT - 5 * DAY),
        (AT - 9 * DAY, AT - 5 * DAY),
    ]
    assert await marked(db, other) == (None, None)


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({"status": "paid"}, True),
        ({"status": "shipped"}, True),
        ({"status": "archived", "archived_from": "paid"}, True),
        ({"status": "archived", "archived_from": "shipped"}, True),
        ({"status": "archived", "archived_from": "cancelled"}, False),
        ({"status": "archived", "archived_from": "pending"}, False),
        ({"status": "archived", "archived_from": None}, False),
        ({"status": "cancelled"}, False),
        ({"status": "payment_pending"}, False),
        ({"status": "abandoned"}, False),
        ({"status": "paid", "paid_at": None}, False),
    ],
)
async def test_what_counts_as_paid(db: AsyncSession, fields: dict[str, Any], counts: bool) -> None:
    user = await make_user(db)
    await add_order(db, user, **({"paid_at": AT} | fields))
    assert await marked(db, user) == (AT if counts else None, None)


async def test_a_refund_takes_it_back(db: AsyncSession) -> None:
    user = await make_user(db)
    for days in (1, 2, 3):
        await add_order(db, user, status="paid", paid_at=AT - days * DAY)
    assert await marked(db, user) == (AT - 3 * DAY, AT - 3 * DAY)
    await db.execute(text("UPDATE orders SET status = 'cancelled' WHERE paid_at = :at"), {"at": AT - 3 * DAY})
    assert await marked(db, user) == (AT - 2 * DAY, None)


async def test_who_has_no_profile_is_passed_over(db: AsyncSession) -> None:
    user = await make_user(db)
    await db.execute(text("DELETE FROM profiles"))
    await mark_buyer(db, user.id)
    await mark_buyer(db, 987654321)
    await db.commit()


async def test_ids_are_given_once(db: AsyncSession) -> None:
    service = OrderService(db)
    ids = [await service.next_id() for _ in range(3)]
    assert ids == [ids[0], ids[0] + 1, ids[0] + 2]
    user = await make_user(db)
    assert await add_order(db, user) == ids[2] + 1


async def test_an_order_of_a_hold(db: AsyncSession) -> None:
    user, item = await make_user(db), await make_store_product(db)
    service = OrderService(db)
    line = HeldLine(
        user_id=user.id,
        recipient_name="n" * 101,
        email=user.email,
        store_id=item.store_id,
        product_id=item.product_id,
        pool_id=item.pool_id,
        quantity=3,
        unit_price=Decimal("33.33"),
    )
    order_id = await service.next_id()
    await service.place_held(order_id, line, "online")
    await db.commit()
    order = await db.get_one(Order, order_id)
    assert (order.recipient_name, order.status, order.payment_method) == ("n" * 100, "payment_pending", "online")
    assert (order.subtotal, order.total, order.paid_at) == (Decimal("99.99"), Decimal("99.99"), None)
    assert await marked(db, user) == (None, None)


@pytest.mark.parametrize(
    "broken",
    [
        {"total": Decimal(1)},
        {"subtotal": Decimal(5), "total": Decimal(4)},
        {"subtotal": Decimal(1), "discount": Decimal(2), "total": Decimal(-1)},
        {"discount": Decimal(-1), "total": Decimal(1)},
        {"status": "lost"},
        {"delivery_type": "drone"},
        {"payment_method": "card"},
    ],
)
async def test_the_table_refuses_what_cannot_be(db: AsyncSession, broken: dict[str, Any]) -> None:
    user = await make_user(db)
    with pytest.raises(IntegrityError, match="ck_orders_"):
        await add_order(db, user, **broken)
    await db.rollback()


async def test_two_orders_that_are_paid_at_once_both_count(
    db: AsyncSession, sessions: async_sessionmaker[AsyncSession]
) -> None:
    """Whoever waits for the profile sees what the one before has written, not only its own order."""
    user = await make_user(db)
    user_id = user.id
    first, second = [await add_order(db, user, status="pending") for _ in range(2)]

    async def pay(session: AsyncSession, order_id: int, days: int) -> None:
        paid = text("UPDATE orders SET status = 'paid', paid_at = :at WHERE id = :id")
        await session.execute(paid, {"at": AT - days * DAY, "id": order_id})
        await mark_buyer(session, user_id)

    async def pay_and_commit() -> None:
        async with sessions.begin() as session:
            await pay(session, second, 1)

    async with sessions.begin() as session:
        await pay(session, first, 9)
        later = asyncio.create_task(pay_and_commit())
        async with asyncio.timeout(10):
            while not await db.scalar(WAITING):
                await db.rollback()
    await later
    asked = text("SELECT first_paid_at FROM profiles WHERE user_id = :id")
    assert await db.scalar(asked, {"id": user_id}) == AT - 9 * DAY
