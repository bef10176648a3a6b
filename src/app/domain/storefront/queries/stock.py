"""What can be sold now, for one product at a time and for all of them at once.

A pool's units lie in its slots, in holds whose time is over, and in both of the pools that it has parted with and that
are closed; `stock_units` adds them up for one pool. Here they are read as sets, which mean the same.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ScalarSelect,
    Select,
    Subquery,
    any_,
    case,
    cast,
    exists,
    func,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import aliased
from sqlalchemy.sql.selectable import LateralFromClause

from app.db.prepared import argument
from app.domain.catalog.models import Product, ProductOption
from app.domain.inventory.models import Reservation, StockPool, StockSlot

_LOW = argument("low_stock", BigInteger)


def units_of(pool: Any, name: str) -> LateralFromClause:
    """The units of a pool that can be sold now, for a row that a join has at hand: column `units`."""
    return func.stock_units(pool).table_valued("units", name=name).lateral(name)


def in_stock() -> ColumnElement[bool]:
    """A product of which something can be sold, of any option when it has variants.

    Asked the other way round, for most products are: those of whose pools nothing is left.
    """
    empty, filled = aliased(StockSlot), aliased(StockSlot)
    another = exists().where(filled.pool_id == empty.pool_id, filled.available > 0)
    beside = union_all(*(select(part.c.pool_id) for part in _beside_slots())).subquery("beside")
    dry = (
        select(empty.pool_id.label("pool_id"))
        .where(empty.available == 0, ~another, ~exists().where(beside.c.pool_id == empty.pool_id))
        .cte("dry")
    )
    plain, varied, option = aliased(Product), aliased(Product), aliased(ProductOption)
    nothing = select(plain.id.label("id")).join(dry, dry.c.pool_id == plain.pool_id).where(~plain.has_variants)
    something = exists().where(
        option.product_id == varied.id, ~exists().where(dry.c.pool_id == option.pool_id).correlate(option)
    )
    no_option = select(varied.id).where(varied.has_variants, ~something.correlate(varied))
    those = union_all(nothing, no_option).subquery("nothing")
    return ~exists().where(those.c.id == Product.id).correlate(Product)


def low_stock() -> ColumnElement[bool]:
    """A product of which something can be sold, but not more than a few units.

    Some part of its units is then such a number itself: those products alone are added up.
    """
    slots = select(StockSlot.pool_id.label("pool_id")).where(StockSlot.available.between(1, _LOW))
    parts = union_all(slots, *(select(part.c.pool_id) for part in _beside_slots())).subquery("parts")
    pools = select(parts.c.pool_id).distinct().cte("pools")
    own = select(Product.id.label("id")).join(pools, pools.c.pool_id == Product.pool_id)
    optional = select(ProductOption.product_id).join(pools, pools.c.pool_id == ProductOption.pool_id)
    # Materialized: the planner would rather add up the units of all.
    few = own.union(optional).cte("few").prefix_with("MATERIALIZED")
    shown = aliased(Product)
    units = case((shown.has_variants, _of_options(shown)), else_=func.stock_free(shown.pool_id))
    added = select(shown.id).join(few, few.c.id == shown.id).where(units.between(1, _LOW))
    return Product.id.in_(added)


def _of_options(product: Any) -> ScalarSelect[Any]:
    units = units_of(ProductOption.pool_id, "optional")
    return (
        select(func.coalesce(func.sum(units.c.units), 0))
        .select_from(ProductOption)
        .join(units, true())
        .where(ProductOption.product_id == product.id)
        .correlate(product)
        .scalar_subquery()
    )


def free_units(pools: Any) -> Select[*tuple[Any, ...]]:
    """Units that can be sold now by pool, of an array of pools; those without any row here have none."""
    slots = select(StockSlot.pool_id.label("pool_id"), StockSlot.available.label("units"))
    sources = (slots.subquery(), *_beside_slots())
    parts = union_all(*(select(part.c.pool_id, part.c.units).where(part.c.pool_id == any_(pools)) for part in sources))
    every = parts.subquery("every")
    return select(every.c.pool_id, func.sum(every.c.units).label("units")).group_by(every.c.pool_id)


def _beside_slots() -> tuple[Subquery, ...]:
    """Units of pools that do not lie in their slots: pool and units, all above nothing, and seldom many."""
    child = aliased(StockPool, name="child")
    closed = (child.settled_at.is_(None), child.closes_at < func.clock_timestamp())
    over = Reservation.expires_at <= func.clock_timestamp()
    held = cast(Reservation.quantity, BigInteger).label("units")
    owner = child.parent_id.label("pool_id")
    returned = (
        select(Reservation.pool_id.label("pool_id"), held).where(over),
        select(owner, StockSlot.available.label("units"))
        .join(StockSlot, StockSlot.pool_id == child.id)
        .where(*closed, StockSlot.available > 0),
        select(owner, held).join(Reservation, Reservation.pool_id == child.id).where(*closed, over),
    )
    return tuple(part.subquery() for part in returned)
