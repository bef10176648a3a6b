"""Lists of products: one statement counts them and writes the page, whatever they are narrowed by.

A statement is built once for each combination of parameters and kept; its arguments alone change.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import CTE, BigInteger, ColumnElement, Select, Text, UnaryExpression, cast, func, select, text, true
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.db.prepared import Prepared, argument, prepare
from app.domain.catalog.models import Category, Product, ProductTally
from app.domain.storefront.queries.cards import cards
from app.domain.storefront.queries.narrowing import Shape, conditions, tree
from app.domain.storefront.queries.ordering import keys_of
from app.domain.storefront.queries.prices import Discounts, discounts, join_discounts

ReadStatement = Select[*tuple[Any, ...]]
# How many values of a facet are told, the commonest first.
FACETS = 50
_OFFSET = argument("offset", BigInteger)


@lru_cache(maxsize=1024)
def page(shape: Shape, size: int) -> Prepared:
    """Columns `count`, `results` and `facets`; the latter two are JSON as text, `facets` NULL unless asked for.

    The size is no argument: a planner that knows how few rows are wanted joins them one by one.
    """
    return prepare(_counted_page(shape, size) if shape.is_counted else _found_page(shape, size))


@lru_cache(maxsize=1024)
def count(shape: Shape) -> Prepared:
    """How many there are, for those who ask for the last page."""
    if shape.is_counted:
        return prepare(select(_tally(shape, _below(shape)).label("count")))
    off = discounts()
    return prepare(_over(shape, off, select(func.count().label("count")).select_from(Product)))


def _counted_page(shape: Shape, size: int) -> ReadStatement:
    """Walked from the newest product on, or the oldest; with a category, from that of each of its descendants.

    Not a step for a page beyond the last, whose number anybody may make up.
    """
    off, below = discounts(), _below(shape)
    order_of = _oldest if shape.ordering == "created_at" else _newest
    total = select(_tally(shape, below).label("count")).cte("total")
    count_of_all = select(total.c.count).scalar_subquery()
    rows: ReadStatement = select(Product.id.label("id"), Product.created_at.label("created_at"))
    rows = rows.where(*conditions(shape, off, in_category=False)).order_by(*order_of(Product))
    if below is not None:
        first = rows.where(Product.category_id == below.c.id).limit(size + _OFFSET).lateral("first")
        rows = select(first.c.id, first.c.created_at).select_from(below).join(first, true())
        rows = rows.order_by(*order_of(first.c))
    shown = rows.where(count_of_all > _OFFSET).limit(size).offset(_OFFSET).subquery("shown")
    written = cards(shown, order_of(shown.c), off).label("results")
    return select(count_of_all.label("count"), written, text("NULL AS facets"))


def _newest(of: Any) -> tuple[UnaryExpression[Any], ...]:
    return of.created_at.desc(), of.id.desc()


def _oldest(of: Any) -> tuple[UnaryExpression[Any], ...]:
    return of.created_at.asc(), of.id.asc()


def _found_page(shape: Shape, size: int) -> ReadStatement:
    """All that pass are looked at once, for their number and for the page."""
    off = discounts()
    keys = keys_of(shape, off)
    names = [f"k{place}" for place, _ in enumerate(keys)]
    columns = [key.value.label(name) for key, name in zip(keys, names, strict=True)]
    found = _over(shape, off, select(Product.id.label("id"), *columns).select_from(Product)).cte("found")
    order = [key.of(found.c[name]) for key, name in zip(keys, names, strict=True)]
    shown = select(found).order_by(*order).limit(size).offset(_OFFSET).subquery("shown")
    last = tuple(key.of(shown.c[name]) for key, name in zip(keys, names, strict=True))
    return select(
        select(func.count()).select_from(found).scalar_subquery().label("count"),
        cards(shown, last, off).label("results"),
        _facets(found).label("facets") if shape.facets else text("NULL AS facets"),
    )


def _over(shape: Shape, off: Discounts, statement: ReadStatement) -> ReadStatement:
    """The statement over those products that pass."""
    joined = join_discounts(statement, off) if shape.is_priced else statement
    return joined.where(*conditions(shape, off))


def _below(shape: Shape) -> CTE | None:
    return tree().cte("below") if shape.category else None


def _tally(shape: Shape, below: CTE | None) -> ColumnElement[Any]:
    statement = select(cast(func.coalesce(func.sum(ProductTally.products), 0), BigInteger))
    if shape.availability is not None:
        statement = statement.where(ProductTally.is_available.is_(shape.availability))
    if below is not None:
        statement = statement.where(ProductTally.category_id.in_(select(below.c.id)))
    return statement.scalar_subquery()


def _facets(found: Any) -> ColumnElement[Any]:
    """How many of the found products each brand and each category has."""
    those = select(Product.brand, Product.category_id).join(found, found.c.id == Product.id).cte("those")
    brands = (
        select(those.c.brand.label("name"), func.count().label("count"))
        .where(those.c.brand != "")
        .group_by(those.c.brand)
        .order_by(func.count().desc(), those.c.brand)
        .limit(FACETS)
        .subquery("brand_facet")
    )
    categories = (
        select(Category.id, Category.name, func.count().label("count"))
        .join(those, those.c.category_id == Category.id)
        .group_by(Category.id)
        .order_by(func.count().desc(), Category.name)
        .limit(FACETS)
        .subquery("category_facet")
    )
    told = func.json_build_object("brands", _array(brands), "categories", _array(categories))
    return cast(told, Text)


def _array(rows: Any) -> ColumnElement[Any]:
    ordered = aggregate_order_by(rows.table_valued(), rows.c.count.desc(), rows.c.name)
    return func.coalesce(select(func.json_agg(ordered)).select_from(rows).scalar_subquery(), text("'[]'::json"))
