"""Products as quotes read them."""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.rates.service import RateService
from app.domain.storefront.queries.quotes import SOLD
from app.domain.storefront.rules.choices import Option, Sold

_OPTIONS = msgspec.json.Decoder(tuple[Option, ...])


async def read_sold(session: AsyncSession, product_ids: Iterable[int]) -> tuple[dict[int, Sold], dt.datetime]:
    """Those of the products that were not deleted, by id, and the database's clock; one statement."""
    rows = (await session.execute(SOLD, {"products": sorted(set(product_ids))})).all()
    return {row.id: _sold(row) for row in rows if row.id is not None}, rows[0].now


async def rate_for(session: AsyncSession, sold: Iterable[Sold]) -> Decimal | None:
    """Pesos for a dollar; None when there is no rate, or none of the products needs one."""
    if all(product.currency != "USD" for product in sold):
        return None
    effective = await RateService(session).effective()
    return None if effective is None else effective.value


def _sold(row: Row[*tuple[Any, ...]]) -> Sold:
    return Sold(
        id=row.id,
        name=row.name,
        price=row.price,
        currency=row.currency,
        discount=row.discount,
        pool_id=row.pool_id,
        is_available=row.is_available,
        categories=tuple(row.categories or ()),
        options=_OPTIONS.decode(row.options) if row.options else (),
    )
