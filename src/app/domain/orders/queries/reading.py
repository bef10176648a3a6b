"""Statements that read orders."""

from functools import cache
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Select, any_, bindparam, select
from sqlalchemy.sql.selectable import TextualSelect

from app.db.prepared import plain
from app.domain.catalog.models import Product
from app.domain.orders.models import Order, OrderEvent, OrderItem

ReadStatement = Select[*tuple[Any, ...]]
NEWEST = (Order.created_at.desc(), Order.id.desc())


def orders_of(user_id: int) -> ReadStatement:
    """All orders of a user, newest first."""
    return select(*Order.__table__.columns).where(Order.user_id == user_id).order_by(*NEWEST)


_IDS = bindparam("ids", type_=ARRAY(BigInteger))


@cache
def items() -> TextualSelect:
    """The lines of some orders in their order, each with its product; of a deleted product the row is still there."""
    return plain(
        select(
            *OrderItem.__table__.columns,
            Product.name,
            Product.image,
            Product.volume,
            Product.dimensions,
            Product.currency,
            Product.has_special_promotion,
            Product.special_promotion_name,
        )
        .outerjoin(Product, Product.id == OrderItem.product_id)
        .where(OrderItem.order_id == any_(_IDS))
        .order_by(OrderItem.id)
    )


@cache
def moves() -> TextualSelect:
    """The timelines of some orders, oldest move first."""
    return plain(
        select(OrderEvent.order_id, OrderEvent.at, OrderEvent.status, OrderEvent.by_id, OrderEvent.cause)
        .where(OrderEvent.order_id == any_(_IDS))
        .order_by(OrderEvent.id)
    )
