"""Discounts by weekday, newest first, with what they cover and whether they are on by the shop's clock."""

from typing import Any

from sqlalchemy import ColumnElement, Date, Integer, Select, and_, cast, func, literal_column, or_, select
from sqlalchemy.orm import aliased

from app.domain.catalog.models import Category, ProductTally
from app.domain.marketing.models import ScheduledDiscount

ReadStatement = Select[*tuple[Any, ...]]
NOW = func.statement_timestamp()


def _covered() -> ColumnElement[int]:
    """How many products that were not deleted lie in the discount's category or below."""
    start = select(Category.id.label("root"), Category.id.label("id")).cte("covered", recursive=True)
    child = aliased(Category)
    closure = start.union_all(select(start.c.root, child.id).join_from(start, child, child.parent_id == start.c.id))
    counted = (
        select(closure.c.root, func.sum(ProductTally.products).label("products"))
        .join_from(closure, ProductTally, ProductTally.category_id == closure.c.id)
        .group_by(closure.c.root)
        .subquery()
    )
    number = select(counted.c.products).where(counted.c.root == ScheduledDiscount.category_id).scalar_subquery()
    return cast(func.coalesce(number, 0), Integer)


def scheduled(zone: str) -> ReadStatement:
    """All discounts by weekday; `now` is the statement's own instant."""
    row: ColumnElement[Any] = literal_column("scheduled_discount")
    return (
        select(
            *ScheduledDiscount.__table__.columns,
            Category.name.label("category_name"),
            func.discount_is_on(row, NOW, zone).label("is_on"),
            _covered().label("products"),
            NOW.label("now"),
        )
        .join_from(ScheduledDiscount, Category, Category.id == ScheduledDiscount.category_id)
        .order_by(ScheduledDiscount.created_at.desc(), ScheduledDiscount.id.desc())
    )


def is_of_today(zone: str) -> ColumnElement[bool]:
    """Whether it is active, of the shop's weekday and valid on its date; hours do not matter."""
    today = cast(func.timezone(zone, NOW), Date)
    table = ScheduledDiscount
    return and_(
        table.active,
        table.day_of_week == cast(func.extract("isodow", today), Integer) - 1,
        or_(table.valid_from.is_(None), table.valid_from <= today),
        or_(table.valid_until.is_(None), table.valid_until >= today),
    )
