"""The percentages that are on now, as SQL that statements over products compose into their prices.

A statement over many products joins `offered` and `scheduled`; one over a page of products does as well with `offered`
replaced by `offered_to`, which looks at those products alone. "Now" is the beginning of the transaction.
"""

from typing import Any

from sqlalchemy import BigInteger as Big
from sqlalchemy import (
    ColumnElement,
    Numeric,
    Select,
    SQLColumnExpression,
    Subquery,
    and_,
    column,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.domain.marketing.models import Offer, offer_product

_ON = and_(Offer.start_date <= func.now(), Offer.end_date >= func.now())


def offered() -> Subquery:
    """`(product_id, discount)`: the highest discount of the offers that are on, for each product that has one."""
    return (
        select(offer_product.c.product_id, func.max(Offer.discount, type_=Numeric(5, 2)).label("discount"))
        .join_from(Offer, offer_product, offer_product.c.offer_id == Offer.id)
        .where(_ON)
        .group_by(offer_product.c.product_id)
        .subquery("offered")
    )


def offered_to(product_id: SQLColumnExpression[Any]) -> ColumnElement[Any]:
    """The highest discount of the offers that are on for one product, NULL without any: a scalar expression."""
    return (
        select(func.max(Offer.discount, type_=Numeric(5, 2)))
        .join_from(offer_product, Offer, offer_product.c.offer_id == Offer.id)
        .where(offer_product.c.product_id == product_id, _ON)
        .correlate_except(offer_product, Offer)
        .scalar_subquery()
    )


def scheduled(zone: str) -> Subquery:
    """`(category_id, discount)`: the highest discount by weekday that is on for each category, by the shop's clock.

    Those below a discounted category have rows of their own: join it with a product's category.
    """
    table = func.discounted_categories(func.now(), zone).table_valued(
        column("category_id", Big), column("discount", Numeric(5, 2)), name="scheduled"
    )
    return select(table.c.category_id, table.c.discount).subquery("scheduled")


def active_offers(product_id: SQLColumnExpression[Any]) -> ColumnElement[Any]:
    """The offers that are on for one product as JSON, newest first, `[]` without any: a scalar expression.

    Each has the contract's fields except `products` and `status`: what is on is active.
    """
    fields = ("id", "name", "discount", "start_date", "end_date", "created_at", "updated_at")
    pairs = [part for name in fields for part in (literal(name), getattr(Offer, name))]
    newest = aggregate_order_by(func.jsonb_build_object(*pairs), Offer.created_at.desc(), Offer.id.desc())
    return (
        select(func.coalesce(func.jsonb_agg(newest), func.jsonb_build_array()))
        .join_from(offer_product, Offer, offer_product.c.offer_id == Offer.id)
        .where(offer_product.c.product_id == product_id, _ON)
        .correlate_except(offer_product, Offer)
        .scalar_subquery()
    )


def prices_hold_until(zone: str) -> Select[Any]:
    """Until when no price changes by the clock alone: what was computed in this transaction may be kept so long."""
    return select(func.prices_hold_until(func.now(), zone))
