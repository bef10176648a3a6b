"""Coupons, offers, promotions and discounts for tests: a call makes one, committed, with sane values for the rest."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Category, Product
from app.domain.marketing import models
from app.domain.orders.models import Order
from app.domain.rates.models import DollarRate

HOUR = dt.timedelta(hours=1)
_numbers = count(1)


def around_now(**fields: Any) -> dict[str, Any]:
    """`start_date` an hour ago and `end_date` in an hour, unless named."""
    now = dt.datetime.now(dt.UTC)
    return {"start_date": now - HOUR, "end_date": now + HOUR} | fields


async def make_coupon(db: AsyncSession, *, categories: Sequence[Category] = (), **fields: Any) -> models.Coupon:
    values = {"code": f"CODE{next(_numbers)}", "type": "percentage", "value": Decimal(10)} | fields
    coupon = models.Coupon(**values, for_categories=bool(categories))
    db.add(coupon)
    await db.flush()
    for category in categories:
        pair = {"coupon_id": coupon.id, "category_id": category.id}
        await db.execute(insert(models.coupon_category).values(pair))
    await db.commit()
    return coupon


async def make_offer(db: AsyncSession, *products: Product, **fields: Any) -> models.Offer:
    offer = models.Offer(**({"name": f"Offer {next(_numbers)}", "discount": Decimal(25)} | around_now(**fields)))
    db.add(offer)
    await db.flush()
    for product in products:
        await db.execute(insert(models.offer_product).values(offer_id=offer.id, product_id=product.id))
    await db.commit()
    return offer


async def make_bulk(
    db: AsyncSession, *, products: Sequence[Product] = (), categories: Sequence[Category] = (), **fields: Any
) -> models.BulkPromotion:
    values = {"name": f"Bulk {next(_numbers)}", "promotion_type": "3x2", "buy_quantity": 3, "pay_quantity": 2}
    bulk = models.BulkPromotion(**(values | around_now(**fields)))
    db.add(bulk)
    await db.flush()
    links = (
        (models.bulk_promotion_product, "product_id", products),
        (models.bulk_promotion_category, "category_id", categories),
    )
    for table, column, items in links:
        for item in items:
            await db.execute(insert(table).values({"bulk_promotion_id": bulk.id, column: item.id}))
    await db.commit()
    return bulk


async def make_scheduled(db: AsyncSession, category: Category, **fields: Any) -> models.ScheduledDiscount:
    values = {"name": f"Scheduled {next(_numbers)}", "day_of_week": 5, "discount": Decimal(15)} | fields
    discount = models.ScheduledDiscount(category_id=category.id, **values)
    db.add(discount)
    await db.commit()
    return discount


async def make_rate(db: AsyncSession, value: Decimal) -> None:
    """The dollar costs so many pesos, as somebody set it."""
    db.add(DollarRate(value=value, rate_type="manual"))
    await db.commit()


async def make_plain_order(db: AsyncSession, user_id: int | None = None, **fields: Any) -> int:
    """An order of nothing, which holds no stock; its id."""
    values = {"recipient_name": "Ana Prueba", "customer_email": "ana@example.com"} | fields
    order = Order(user_id=user_id, **values)
    db.add(order)
    await db.commit()
    return order.id
