"""Products as they stand in a list, written as JSON by the database: what a list costs is mostly the writing."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    Text,
    case,
    cast,
    func,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.db.prepared import argument
from app.domain.catalog.models import Category, Product, ProductOption
from app.domain.catalog.rules.pictures import ADDRESS_SCHEMES
from app.domain.storefront.queries.prices import Discounts, discounted, percentage_of_one
from app.domain.storefront.queries.stock import units_of

# Where stored pictures are read; an image provider's address stays as it is.
MEDIA = argument("media", Text)


def cards(ids: FromClause, order: Sequence[ColumnElement[Any]], found: Discounts) -> ScalarSelect[Any]:
    """A JSON array of the products whose ids a subquery has, in an order; as text."""
    own = units_of(Product.pool_id, "own")
    return _written(_card(own.c.units, _variants(), found).join(own, true()), ids, order)


def cards_to_fill(ids: FromClause, order: Sequence[ColumnElement[Any]], found: Discounts) -> ScalarSelect[Any]:
    """The same with `"@7@"` for the units of pool 7, for who keeps the cards longer than stock stands still."""
    return _written(_card(_blank(Product.pool_id), _variants_to_fill(), found), ids, order)


def _card(stock: ColumnElement[Any], variants: ColumnElement[Any], found: Discounts) -> Select[*tuple[Any, ...]]:
    percentage = percentage_of_one(found)
    return select(
        Product.id,
        Product.name,
        Product.brand,
        cast(Product.price, Text).label("price"),
        Product.currency,
        stock.label("stock"),
        _address(Product.image).label("image"),
        Product.is_available,
        func.trim_scale(Product.discount).label("discount"),
        Category.name.label("category_name"),
        Product.has_variants,
        variants.label("variants"),
        cast(discounted(Product.price, percentage), Text).label("final_price"),
        func.trim_scale(percentage).label("total_discount"),
        Product.has_special_promotion,
        func.nullif(Product.special_promotion_name, "").label("special_promotion_name"),
    ).select_from(Product)


def _written(card: Select[*tuple[Any, ...]], ids: FromClause, order: Sequence[ColumnElement[Any]]) -> ScalarSelect[Any]:
    rows = card.join(ids, ids.c.id == Product.id).join(Category, Category.id == Product.category_id)
    listed = rows.order_by(*order).subquery("card")
    whole = func.coalesce(func.json_agg(listed.table_valued()), text("'[]'"))
    return select(cast(whole, Text)).select_from(listed).scalar_subquery()


def _address(name: Any) -> ColumnElement[Any]:
    return case((or_(*(name.startswith(scheme) for scheme in ADDRESS_SCHEMES)), name), else_=MEDIA + name)


def _blank(pool: Any) -> ColumnElement[Any]:
    return func.concat("@", pool, "@")


def _variants() -> ColumnElement[Any]:
    units = units_of(ProductOption.pool_id, "optional")
    return _grouped(_options(units.c.units).join(units, true()))


def _variants_to_fill() -> ColumnElement[Any]:
    return _grouped(_options(_blank(ProductOption.pool_id)))


def _options(stock: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    adjustment = cast(ProductOption.price_adjustment, Text)
    option = func.json_build_object("name", ProductOption.name, "stock", stock, "price_adjustment", adjustment)
    ordered = aggregate_order_by(option, ProductOption.position)
    return select(ProductOption.variant_name, func.json_agg(ordered).label("options")).select_from(ProductOption)


def _grouped(options: Select[*tuple[Any, ...]]) -> ColumnElement[Any]:
    variant = (
        options.where(ProductOption.product_id == Product.id)
        .correlate(Product)
        .group_by(ProductOption.variant_position, ProductOption.variant_name)
        .order_by(ProductOption.variant_position)
        .subquery("variant")
    )
    listed = select(func.json_agg(variant.table_valued())).select_from(variant).scalar_subquery()
    return func.coalesce(listed, text("'[]'::json"))
