"""Offers and promotions by quantity, newest first; `now` is the statement's own instant."""

from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Select, SQLColumnExpression, Table, and_, func, select, text

from app.domain.catalog.models import Product
from app.domain.marketing.models import (
    BulkPromotion,
    Offer,
    bulk_promotion_category,
    bulk_promotion_product,
    offer_product,
)

ReadStatement = Select[*tuple[Any, ...]]
NOW = func.statement_timestamp()


def _linked(table: Table, key: SQLColumnExpression[Any]) -> ReadStatement:
    """The ids of what is linked. A deleted product keeps its links and is not told: nobody may write it back."""
    own, other = table.c
    linked = select(other).where(own == key)
    if other.name == "product_id":
        linked = linked.join(Product, Product.id == other).where(Product.deleted_at.is_(None))
    return linked


def _ids(table: Table, key: SQLColumnExpression[Any]) -> ColumnElement[Any]:
    """The ids of what is linked, ascending."""
    _, other = table.c
    return func.array(_linked(table, key).order_by(other).scalar_subquery(), type_=ARRAY(BigInteger))


def _number(table: Table, key: SQLColumnExpression[Any]) -> ColumnElement[int]:
    return _linked(table, key).with_only_columns(func.count(), maintain_column_froms=True).scalar_subquery()


def offers(*conditions: ColumnElement[bool]) -> ReadStatement:
    """Offers with their products."""
    columns = (*Offer.__table__.columns, _ids(offer_product, Offer.id).label("products"), NOW.label("now"))
    return select(*columns).where(*conditions).order_by(Offer.created_at.desc(), Offer.id.desc())


def is_offer(status: str) -> ColumnElement[bool]:
    """Whether an offer is pending, active or expired by the clock."""
    by_status = {
        "pending": Offer.start_date > NOW,
        "active": and_(Offer.start_date <= NOW, Offer.end_date >= NOW),
        "expired": Offer.end_date < NOW,
    }
    return by_status[status]


def bulk_promotions() -> ReadStatement:
    """Promotions by quantity with how many products and categories they are for."""
    columns = (
        *BulkPromotion.__table__.columns,
        _number(bulk_promotion_product, BulkPromotion.id).label("product_count"),
        _number(bulk_promotion_category, BulkPromotion.id).label("category_count"),
        NOW.label("now"),
    )
    return select(*columns).order_by(BulkPromotion.created_at.desc(), BulkPromotion.id.desc())


def bulk_promotions_in_full() -> ReadStatement:
    """Promotions by quantity with the ids of what they are for."""
    return bulk_promotions().add_columns(
        _ids(bulk_promotion_product, BulkPromotion.id).label("products"),
        _ids(bulk_promotion_category, BulkPromotion.id).label("categories"),
    )


def running() -> ColumnElement[bool]:
    """Whether a promotion by quantity is on by its flag and the clock."""
    return and_(BulkPromotion.active, BulkPromotion.start_date <= NOW, BulkPromotion.end_date >= NOW)


COUNT_ENDS = text("""
    UPDATE offer SET end_counted_at = clock_timestamp()
     WHERE end_counted_at IS NULL AND end_date < statement_timestamp()
    RETURNING id
""")
