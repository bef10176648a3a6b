"""The demo's flash promotions at the first store: one that is on, one that starts soon, one that has ended."""

import datetime as dt
from decimal import Decimal

import msgspec
from sqlalchemy import exists, func, insert, select

from app.cli.demo.people_data import ADMIN, NEWCOMER, PLACES
from app.cli.demo.promotion_data import ACTIVE, ENDED, SOON
from app.cli.demo.stage import Stage
from app.cli.demo.stores import store_ids
from app.domain.catalog.models import Product
from app.domain.inventory.service import StockService
from app.domain.promos.models import FlashPromo
from app.domain.promos.schemas import ActivePromo, PromoWrite
from app.domain.promos.service.promotions import PromoService
from app.domain.stores.models import StoreProduct

UNITS = 20
# An active promotion with less time than this left is replaced: it should outlast a look around.
ENOUGH_TIME = dt.timedelta(minutes=30)
DAY = dt.timedelta(days=1)


class Offer(msgspec.Struct, frozen=True):
    """A product of the first store."""

    id: int
    pool_id: int
    base_price: Decimal


async def load(stage: Stage) -> None:
    """Make those that are missing at this moment. A promotion lasts a day, so another day needs others."""
    offers = await _offers(stage)
    if await holdable(stage) is None and (free := await _next_active(stage, offers)) is not None:
        await _begin(stage, free)
    if not await _running(stage, offers[SOON].id):
        await _announce(stage, offers[SOON])
    if not await _any(stage, offers[ENDED].id):
        await _add_ended(stage, offers[ENDED])


async def holdable(stage: Stage) -> ActivePromo | None:
    """A promotion of which the new shopper can hold a unit now and for a while."""
    rows = await PromoService(stage.session).active(stage.users[NEWCOMER])
    return next((row for row in rows if row.units_left > 0 and row.ends_at - stage.now >= ENOUGH_TIME), None)


async def _offers(stage: Stage) -> dict[str, Offer]:
    first = (await store_ids(stage))[PLACES[0].name]
    statement = (
        select(Product.name, StoreProduct.id, StoreProduct.pool_id, StoreProduct.base_price)
        .join(Product, Product.id == StoreProduct.product_id)
        .where(StoreProduct.store_id == first, StoreProduct.deleted_at.is_(None))
    )
    rows = await stage.session.execute(statement)
    return {row.name: Offer(row.id, row.pool_id, row.base_price) for row in rows}


async def _next_active(stage: Stage, offers: dict[str, Offer]) -> Offer | None:
    """The first that is not promoted at this moment."""
    for name in ACTIVE:
        if not await _running(stage, offers[name].id):
            return offers[name]
    return None


async def _begin(stage: Stage, offer: Offer) -> None:
    stock = StockService(stage.session)
    if (await stock.free([offer.pool_id]))[offer.pool_id] < UNITS:
        await stock.set_free(offer.pool_id, 2 * UNITS, cause="demo")
    starts_at = stage.now.replace(second=0, microsecond=0)
    wanted = PromoWrite(
        store_product=offer.id,
        starts_at=starts_at,
        ends_at=starts_at + DAY,
        discount_percent=Decimal(35),
        max_units=UNITS,
        per_user_limit=3,
        radius_m=2000,
    )
    await PromoService(stage.session).create(stage.users[ADMIN], wanted)


async def _announce(stage: Stage, offer: Offer) -> None:
    """For frequent shoppers in a wider circle, without units set aside."""
    starts_at = stage.now + dt.timedelta(minutes=2)
    wanted = PromoWrite(
        store_product=offer.id,
        starts_at=starts_at,
        ends_at=starts_at + dt.timedelta(hours=2),
        promo_price=(offer.base_price * Decimal("0.75")).quantize(Decimal(1)),
        per_user_limit=1,
        segments=["frequent"],
        radius_m=6000,
    )
    await PromoService(stage.session).create(stage.users[ADMIN], wanted)


async def _add_ended(stage: Stage, offer: Offer) -> None:
    """Written as it stands now: the service makes none that is over."""
    values = {
        "store_product_id": offer.id,
        "pool_id": offer.pool_id,
        "starts_at": stage.today - 3 * DAY,
        "ends_at": stage.today - 2 * DAY,
        "discount_percent": Decimal(20),
        "created_at": stage.today - 4 * DAY,
    }
    await stage.session.execute(insert(FlashPromo).values(**values))


async def _running(stage: Stage, store_product: int) -> bool:
    """Whether one is on or will be."""
    alive = FlashPromo.cancelled_at.is_(None) & (FlashPromo.ends_at > func.clock_timestamp())
    statement = select(exists().where(FlashPromo.store_product_id == store_product, alive))
    return bool((await stage.session.execute(statement)).scalar_one())


async def _any(stage: Stage, store_product: int) -> bool:
    statement = select(exists().where(FlashPromo.store_product_id == store_product))
    return bool((await stage.session.execute(statement)).scalar_one())
