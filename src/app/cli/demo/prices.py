"""What takes something off the demo's prices: coupons, an offer, a 3x2, a Saturday; and what a dollar costs."""

import datetime as dt
from decimal import Decimal

from sqlalchemy import insert, select

from app.cli.demo.catalog import ITEMS
from app.cli.demo.stage import Stage
from app.domain.catalog.models import Category, Product
from app.domain.marketing.models import (
    BulkPromotion,
    Coupon,
    Offer,
    ScheduledDiscount,
    bulk_promotion_category,
    coupon_category,
    offer_product,
)
from app.domain.rates.models import DollarRate

OFFER, OFFERED, OFFER_PERCENT, OFFER_DAYS = "Semana del cultivo", 6, Decimal(25), 30
BULK, BULK_CATEGORY = "3x2 en macetas", "Macetas"
SATURDAY, SATURDAY_CATEGORY, SATURDAY_PERCENT = "Sábados de sustratos", "Sustratos", Decimal(15)
SATURDAYS = 5
DOLLAR = Decimal("1200.00")
COUPONS = (
    {"code": "DEMO10", "type": "percentage", "value": Decimal(10)},
    {"code": "DEMO5000", "type": "fixed", "value": Decimal(5000), "min_purchase": Decimal(30000)},
    {"code": "RIEGO20", "type": "percentage", "value": Decimal(20), "max_amount": Decimal(15000), "max_uses": 100},
)
COUPON_CATEGORY = {"RIEGO20": "Riego e hidroponia"}


async def load(stage: Stage) -> None:
    """Make what is not there yet, by its name."""
    categories = {row.name: row.id for row in await stage.session.execute(select(Category.name, Category.id))}
    await _load_coupons(stage, categories)
    await _load_offer(stage)
    await _load_bulk(stage, categories[BULK_CATEGORY])
    await _load_saturday(stage, categories[SATURDAY_CATEGORY])
    await _load_rate(stage)


async def _load_coupons(stage: Stage, categories: dict[str, int]) -> None:
    known = set((await stage.session.execute(select(Coupon.code))).scalars())
    for values in COUPONS:
        code = str(values["code"])
        if code in known:
            continue
        category = COUPON_CATEGORY.get(code)
        statement = insert(Coupon).values(**values, for_categories=category is not None).returning(Coupon.id)
        coupon_id = (await stage.session.execute(statement)).scalar_one()
        if category is not None:
            link = {"coupon_id": coupon_id, "category_id": categories[category]}
            await stage.session.execute(insert(coupon_category).values(link))


async def _load_offer(stage: Stage) -> None:
    """On products in pesos without a percentage of their own."""
    if (await stage.session.execute(select(Offer.id).where(Offer.name == OFFER))).first() is not None:
        return
    end = stage.today + dt.timedelta(days=OFFER_DAYS)
    values = {"name": OFFER, "discount": OFFER_PERCENT, "start_date": stage.today, "end_date": end}
    offer_id = (await stage.session.execute(insert(Offer).values(values).returning(Offer.id))).scalar_one()
    names = [item.name for item in ITEMS if not item.discount and item.currency == "ARS"][:: len(ITEMS) // OFFERED]
    ids = (await stage.session.execute(select(Product.id).where(Product.name.in_(names)))).scalars()
    await stage.session.execute(insert(offer_product), [{"offer_id": offer_id, "product_id": each} for each in ids])


async def _load_bulk(stage: Stage, category_id: int) -> None:
    if (await stage.session.execute(select(BulkPromotion.id).where(BulkPromotion.name == BULK))).first() is not None:
        return
    values = {
        "name": BULK,
        "promotion_type": "3x2",
        "buy_quantity": 3,
        "pay_quantity": 2,
        "start_date": stage.today,
        "end_date": stage.today + dt.timedelta(days=OFFER_DAYS),
        "max_applications": 3,
    }
    statement = insert(BulkPromotion).values(values).returning(BulkPromotion.id)
    link = {"bulk_promotion_id": (await stage.session.execute(statement)).scalar_one(), "category_id": category_id}
    await stage.session.execute(insert(bulk_promotion_category).values(link))


async def _load_saturday(stage: Stage, category_id: int) -> None:
    discount = ScheduledDiscount
    there = select(discount.id).where(discount.category_id == category_id, discount.day_of_week == SATURDAYS)
    if (await stage.session.execute(there)).first() is None:
        values = {"name": SATURDAY, "discount": SATURDAY_PERCENT, "day_of_week": SATURDAYS}
        await stage.session.execute(insert(discount).values(category_id=category_id, **values))


async def _load_rate(stage: Stage) -> None:
    """One that no source replaces, so that prices in dollars are the same for everybody who tries the demo."""
    if (await stage.session.execute(select(DollarRate.id))).first() is None:
        await stage.session.execute(insert(DollarRate).values(value=DOLLAR, rate_type="manual"))
