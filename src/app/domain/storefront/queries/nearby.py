"""Lists that are not paged: what is related to a product, and everything on sale."""

from functools import cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, func, literal_column, select, text, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from app.db.prepared import Prepared, argument, prepare
from app.domain.catalog.models import Product
from app.domain.marketing.queries.discounts import prices_hold_until
from app.domain.storefront.queries.cards import cards, cards_to_fill
from app.domain.storefront.queries.narrowing import Shape, conditions
from app.domain.storefront.queries.prices import ZONE, Discounts, discounts
from app.domain.storefront.queries.stock import free_units

RELATED = 8
# How long what is on sale is kept when no price changes before.
KEPT = text("interval '5 minutes'")
_NEWEST = (Product.created_at.desc(), Product.id.desc())
_POOLS: Any = argument("pools", ARRAY(BigInteger))


@cache
def related(*, everything: bool) -> Prepared:
    """Column `results`, and `known`: whether the product itself is there for the caller.

    Of its category and brand first, then of its category, then of its brand; each walked from its newest.
    """
    itself = aliased(Product, name="itself")
    seen = select(itself.id, itself.category_id, func.lower(itself.brand).label("brand"), itself.created_at).where(
        itself.id == argument("id", BigInteger), itself.deleted_at.is_(None)
    )
    known = (seen if everything else seen.where(itself.is_available)).cte("known")
    same_category = Product.category_id == known.c.category_id
    same_brand = and_(func.lower(Product.brand) == known.c.brand, known.c.brand != "")
    ranks = (and_(same_category, same_brand), same_category, same_brand)
    off = discounts()
    near = union_all(*(_walk(place, rank, known, off) for place, rank in enumerate(ranks))).subquery("near")
    least = func.min(near.c.place).label("place")
    best = select(near.c.id, least, near.c.created_at).group_by(near.c.id, near.c.created_at)
    best = best.order_by(least, near.c.created_at.desc(), near.c.id.desc()).limit(RELATED)
    shown = best.subquery("shown")
    order = (shown.c.place, shown.c.created_at.desc(), shown.c.id.desc())
    there = select(func.count() > 0).select_from(known).scalar_subquery()
    return prepare(select(there.label("known"), cards(shown, order, off).label("results")))


def _walk(place: int, condition: ColumnElement[bool], known: Any, off: Discounts) -> Select[*tuple[Any, ...]]:
    """The newest of a rank. The better ranks' products are among them too, hence room for all of these."""
    rows = (
        select(Product.id, Product.created_at)
        .where(condition, *conditions(Shape(everything=False), off), Product.id != known.c.id)
        .correlate(known)
        .order_by(*_NEWEST)
        .limit(RELATED * (place + 1))
        .lateral(f"rank_{place}")
    )
    return (
        select(literal_column(str(place)).label("place"), rows.c.id, rows.c.created_at)
        .select_from(known)
        .join(rows, text("true"))
    )


@cache
def on_sale(*, everything: bool) -> Prepared:
    """Column `results`: everything on sale with blanks for the stock; `until` when it may be kept."""
    until = func.least(prices_hold_until(ZONE).scalar_subquery(), func.now() + KEPT)
    off = discounts()
    wanted = conditions(Shape(everything=everything, on_sale=True), off)
    rows = select(Product.id, Product.created_at).where(*wanted)
    shown = rows.subquery("shown")
    order = (shown.c.created_at.desc(), shown.c.id.desc())
    return prepare(select(cards_to_fill(shown, order, off).label("results"), until.label("until")))


@cache
def units() -> Prepared:
    """Rows of pool and units, for pools that have any row at all."""
    return prepare(free_units(_POOLS))
