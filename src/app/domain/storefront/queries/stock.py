"""What can be sold now, for one product at a time and for all of them at once."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, func, select, union_all
from sqlalchemy.orm import aliased
from sqlalchemy.sql.selectable import LateralFromClause

from app.domain.catalog.models import Product, ProductOption
from app.domain.inventory.models import Reservation, StockPool, StockSlot


def units_of(pool: ColumnElement[int], name: str) -> LateralFromClause:
    """The units of a pool that can be sold now, for a row that a join has at hand: column `units`."""
    return func.stock_units(pool).table_valued("units", name=name).lateral(name)


def stocked() -> Select[*tuple[Any, ...]]:
    """Every product that is not deleted with its units: the sum of its options' when it has variants, else its own.

    The same as `stock_units` says of each, read as sets: slots, holds whose time is over, and both of the pools that a
    product's pool has parted with and that are closed.
    """
    free = _free_units().subquery("free")
    own = (
        select(Product.id.label("product_id"), func.coalesce(free.c.units, 0).label("units"))
        .outerjoin(free, free.c.pool_id == Product.pool_id)
        .where(Product.deleted_at.is_(None), ~Product.has_variants)
    )
    optional = (
        select(Product.id, func.coalesce(func.sum(free.c.units), 0))
        .outerjoin(ProductOption, ProductOption.product_id == Product.id)
        .outerjoin(free, free.c.pool_id == ProductOption.pool_id)
        .where(Product.deleted_at.is_(None), Product.has_variants)
        .group_by(Product.id)
    )
    every = union_all(own, optional).subquery("stocked")
    return select(every.c.product_id, every.c.units)


def _free_units() -> Select[*tuple[Any, ...]]:
    """Units that can be sold now by pool; pools without any row here have none."""
    child = aliased(StockPool, name="child")
    closed = (child.settled_at.is_(None), child.closes_at < func.clock_timestamp())
    over = Reservation.expires_at <= func.clock_timestamp()
    parts = union_all(
        select(StockSlot.pool_id.label("pool_id"), StockSlot.available.label("units")),
        select(Reservation.pool_id, Reservation.quantity.cast(BigInteger)).where(over),
        select(child.parent_id, StockSlot.available).join(StockSlot, StockSlot.pool_id == child.id).where(*closed),
        select(child.parent_id, Reservation.quantity.cast(BigInteger))
        .join(Reservation, Reservation.pool_id == child.id)
        .where(*closed, over),
    ).subquery("parts")
    return select(parts.c.pool_id, func.sum(parts.c.units).label("units")).group_by(parts.c.pool_id)
