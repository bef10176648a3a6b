"""Statements that read orders."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Select, any_, bindparam, select

from app.domain.catalog.models import Product
from app.domain.orders.models import Order, OrderEvent, OrderItem

ReadStatement = Select[*tuple[Any, ...]]
NEWEST = (Order.created_at.desc(), Order.id.desc())


def orders_of(user_id: int) -> ReadStatement:
    """All orders of a user, newest first."""
    return select(*Order.__table__.columns).where(Order.user_id == user_id).order_by(*NEWEST)


def _is_one_of(column: Any, ids: Sequence[int]) -> ColumnElement[bool]:
    """As one parameter, however many there are."""
    condition: ColumnElement[bool] = column == any_(bindparam(None, list(ids), ARRAY(BigInteger)))
    return condition


def items_of(order_ids: Sequence[int]) -> ReadStatement:
    """The lines of some orders in their order, each with its product; of a deleted product the row is still there."""
    product = (
        Product.name,
        Product.image,
        Product.volume,
        Product.dimensions,
        Product.currency,
        Product.has_special_promotion,
        Product.special_promotion_name,
    )
    return (
        select(*OrderItem.__table__.columns, *product)
        .outerjoin(Product, Product.id == OrderItem.product_id)
        .where(_is_one_of(OrderItem.order_id, order_ids))
        .order_by(OrderItem.id)
    )


def moves_of(order_ids: Sequence[int]) -> ReadStatement:
    """The timelines of some orders, oldest move first."""
    return (
        select(OrderEvent.order_id, OrderEvent.at, OrderEvent.status, OrderEvent.by_id, OrderEvent.cause)
        .where(_is_one_of(OrderEvent.order_id, order_ids))
        .order_by(OrderEvent.id)
    )
