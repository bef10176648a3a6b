"""The one place that says in SQL what a product costs: the same to the cent as the pricing domain says it.

A percentage is the highest of the product's own, of its offers that are on, and of the discounts by weekday that are
on for its category. Where a page of products is read, each is asked for its offers; where all are looked at, the offers
are read once and joined.
"""

from typing import Any

import msgspec
from sqlalchemy import CTE, ColumnElement, Select, Text, func, or_, select, union

from app.db.prepared import argument
from app.domain.catalog.models import Product
from app.domain.marketing.queries.discounts import offered, offered_to, scheduled
from app.domain.rates.queries import in_pesos

# The shop's, by whose clock discounts by weekday begin and end.
ZONE: Any = argument("zone", Text)


class Discounts(msgspec.Struct, frozen=True):
    """What takes something off in one statement, read once for all of it: by product, and by category."""

    offered: CTE
    scheduled: CTE


def discounts() -> Discounts:
    """For one statement; a statement with two of them would read both."""
    by_product, by_category = offered(), scheduled(ZONE)
    return Discounts(select(by_product).cte("offers"), select(by_category).cte("schedules"))


def percentage_of_one(found: Discounts) -> ColumnElement[Any]:
    """For statements over few products."""
    by_category = (
        select(func.max(found.scheduled.c.discount))
        .where(found.scheduled.c.category_id == Product.category_id)
        .correlate(Product)
        .scalar_subquery()
    )
    return func.greatest(Product.discount, offered_to(Product.id.expression), by_category)


def percentage_of_all(found: Discounts) -> ColumnElement[Any]:
    """For statements that `join_discounts`."""
    return func.greatest(Product.discount, found.offered.c.discount, found.scheduled.c.discount)


def join_discounts(statement: Select[Any], found: Discounts) -> Select[Any]:
    """The statement over products with what is taken off each beside it."""
    joined = statement.outerjoin(found.offered, found.offered.c.product_id == Product.id)
    return joined.outerjoin(found.scheduled, found.scheduled.c.category_id == Product.category_id)


def on_sale(found: Discounts) -> ColumnElement[bool]:
    """With a percentage of any kind, or a special promotion."""
    own = select(Product.id).where(
        Product.deleted_at.is_(None), or_(Product.discount > 0, Product.has_special_promotion)
    )
    below = select(Product.id).join(found.scheduled, found.scheduled.c.category_id == Product.category_id)
    below = below.where(Product.deleted_at.is_(None))
    return Product.id.in_(union(own, select(found.offered.c.product_id), below))


def discounted(price: Any, percentage: ColumnElement[Any]) -> ColumnElement[Any]:
    """A price after a percentage. PostgreSQL's round() takes halves away from zero: to the cent, half up."""
    return func.round(price * (100 - percentage) / 100, 2)


def peso_price(percentage: ColumnElement[Any]) -> ColumnElement[Any]:
    """In pesos at the effective rate, by which lists compare; NULL for dollars without a rate."""
    return discounted(in_pesos(Product.price.expression, Product.currency.expression), percentage)
