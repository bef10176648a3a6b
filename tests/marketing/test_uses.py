"""Uses of coupons: taken, given back, taken again; `used` is always the number of the live ones."""

import datetime as dt
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.models import Coupon, CouponUse
from app.domain.marketing.queries.coupons import AUDIT, uses
from app.domain.marketing.service.coupons import CouponExhausted, CouponService
from app.domain.orders.models import Order
from app.errors import Refused
from tests.factories import make_user
from tests.factories_marketing import make_coupon, make_plain_order

D = Decimal


async def used(db: AsyncSession, coupon_id: UUID) -> int:
    """As it is stored; the rows say the same."""
    assert (await db.execute(AUDIT)).all() == []
    return int((await db.execute(select(Coupon.used).where(Coupon.id == coupon_id))).scalar_one())


async def test_taken_once_an_order_and_given_back_once(db: AsyncSession) -> None:
    service, user = CouponService(db), await make_user(db)
    coupon, order_id = await make_coupon(db, max_uses=1), await make_plain_order(db, user.id)
    for _ in range(2):
        await service.take(coupon.id, order_id, user.id, D("500.00"), purchase_amount=D("5000.00"))
        assert await used(db, coupon.id) == 1
    (use,) = (await db.execute(select(CouponUse))).scalars()
    assert (use.coupon_id, use.user_id, use.order_id) == (coupon.id, user.id, order_id)
    assert (use.discount_amount, use.purchase_amount) == (D(500), D(5000))
    assert [await service.give_back(order_id) for _ in range(2)] == [1, 0]
    assert await used(db, coupon.id) == 0
    await service.take_again(order_id)
    await service.take_again(order_id)
    assert await used(db, coupon.id) == 1
    await db.commit()


async def test_the_last_use_is_gone(db: AsyncSession) -> None:
    service, coupon = CouponService(db), await make_coupon(db, max_uses=2)
    first, second, third = [await make_plain_order(db) for _ in range(3)]
    for order_id in (first, second):
        await service.take(coupon.id, order_id, None, D(1))
    with pytest.raises(CouponExhausted) as refused:
        await service.take(coupon.id, third, None, D(1))
    assert (refused.value.status, list(refused.value.body())) == (409, ["error", "code"])
    await service.give_back(first)
    await service.take(coupon.id, third, None, D(1))
    with pytest.raises(CouponExhausted):
        await service.take_again(first)
    assert await used(db, coupon.id) == 2
    assert await service.give_back(first, second, third) == 2
    assert await used(db, coupon.id) == 0


async def test_a_buyer_has_so_many_uses(db: AsyncSession) -> None:
    service, coupon = CouponService(db), await make_coupon(db, max_uses_per_user=1)
    ana, eva = await make_user(db), await make_user(db)
    first, second, third = [await make_plain_order(db) for _ in range(3)]
    await service.take(coupon.id, first, ana.id, D(1))
    with pytest.raises(CouponExhausted):
        await service.take(coupon.id, second, ana.id, D(1))
    await service.take(coupon.id, second, eva.id, D(1))
    await service.give_back(first)
    await service.take(coupon.id, third, ana.id, D(1))
    assert await used(db, coupon.id) == 2


async def test_coupons_that_are_not_on(db: AsyncSession) -> None:
    service, order_id = CouponService(db), await make_plain_order(db)
    expired = await make_coupon(db, expires_at=dt.datetime.now(dt.UTC))
    off, good, other = await make_coupon(db, active=False), await make_coupon(db), await make_coupon(db)
    await service.take(good.id, order_id, None, D(1))
    wrong = {uuid4(): "coupon_unknown", other.id: "coupon_other"}
    fresh = await make_plain_order(db)
    for coupon_id, order, code in (
        *((coupon_id, order_id, code) for coupon_id, code in wrong.items()),
        (expired.id, fresh, "coupon_expired"),
        (off.id, fresh, "coupon_inactive"),
    ):
        with pytest.raises(Refused) as refused:
            await service.take(coupon_id, order, None, D(1))
        assert refused.value.own_code == code
    assert await used(db, good.id) == 1


async def test_a_promise_is_kept_when_the_coupon_has_ended_since(db: AsyncSession) -> None:
    service, coupon, order_id = CouponService(db), await make_coupon(db), await make_plain_order(db)
    await service.take(coupon.id, order_id, None, D(1))
    await service.give_back(order_id)
    await db.execute(text("UPDATE coupon SET active = false, expires_at = now()"))
    await service.take_again(order_id)
    assert await used(db, coupon.id) == 1
    await service.take_again(await make_plain_order(db))


async def test_the_order_may_be_written_after_its_use_but_must_be(db: AsyncSession) -> None:
    coupon = await make_coupon(db)
    order_id = int((await db.execute(text("SELECT nextval(pg_get_serial_sequence('orders', 'id'))"))).scalar_one())
    await CouponService(db).take(coupon.id, order_id, None, D(1))
    db.add(Order(id=order_id, recipient_name="Ana", customer_email="ana@example.com", coupon_id=coupon.id))
    await db.commit()
    await CouponService(db).take(coupon.id, order_id + 1000, None, D(1))
    with pytest.raises(IntegrityError):
        await db.commit()
    await db.rollback()
    await db.execute(delete(Coupon))
    await db.commit()
    assert (await db.execute(select(Order.coupon_id))).scalar_one() is None
    assert (await db.execute(select(CouponUse))).all() == []


async def test_the_newest_of_each(db: AsyncSession) -> None:
    service, user = CouponService(db), await make_user(db)
    first, second = await make_coupon(db), await make_coupon(db)
    orders = [await make_plain_order(db, user.id) for _ in range(6)]
    for place, order_id in enumerate(orders):
        await service.take((first, second)[place % 2].id, order_id, user.id if place else None, D(1))
    await service.give_back(orders[4])
    rows = (await db.execute(uses(first.id, second.id, most=2))).all()
    found = [(row.coupon_id, row.order_id) for row in rows if row.coupon_id == first.id]
    assert found == [(first.id, orders[2]), (first.id, orders[0])]
    assert [row.order_id for row in rows if row.coupon_id == second.id] == [orders[5], orders[3]]
    assert {row.order_id: row.user_email for row in rows} == {
        orders[0]: None,
        **dict.fromkeys((orders[2], orders[3], orders[5]), user.email),
    }
    assert [row.order_id for row in await db.execute(uses(first.id, second.id, order_id=orders[1]))] == [orders[1]]
