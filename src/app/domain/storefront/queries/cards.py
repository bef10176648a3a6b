"""Products as they stand in a list, written as JSON by the database: what a list costs is mostly the writing."""

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
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.db.prepared import argument
from app.domain.catalog.models import Category, Product, ProductOption
from app.domain.storefront.queries.prices import FINAL_PRICE, TOTAL_DISCOUNT
from app.domain.storefront.queries.stock import units_of

# Where stored pictures are read; an image provider's address stays as it is.
MEDIA = argument("media", Text)


def cards(ids: FromClause, order: tuple[ColumnElement[Any], ...]) -> ScalarSelect[Any]:
    """A JSON array of the products whose ids a subquery has, in an order."""
    own = units_of(Product.pool_id, "own")
    fields = select(
        Product.id,
        Product.name,
        Product.brand,
        cast(Product.price, Text).label("price"),
        Product.currency,
        own.c.units.label("stock"),
        _address(Product.image).label("image"),
        Product.is_available,
        func.trim_scale(Product.discount).label("discount"),
        Category.name.label("category_name"),
        Product.has_variants,
        _variants().label("variants"),
        cast(FINAL_PRICE, Text).label("final_price"),
        func.trim_scale(TOTAL_DISCOUNT).label("total_discount"),
        Product.has_special_promotion,
        func.nullif(Product.special_promotion_name, "").label("special_promotion_name"),
    )
    card = (
        fields.select_from(ids)
        .join(Product, Product.id == ids.c.id)
        .join(Category, Category.id == Product.category_id)
        .join(own, literal(value=True))
        .order_by(*order)
        .subquery("card")
    )
    whole = func.coalesce(func.json_agg(card.table_valued()), text("'[]'"))
    return select(cast(whole, Text)).select_from(card).scalar_subquery()


def _address(name: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((name.startswith("https://"), name), else_=MEDIA + name)


def _variants() -> ColumnElement[Any]:
    units = units_of(ProductOption.pool_id, "optional")
    option = func.json_build_object(
        "name",
        ProductOption.name,
        "stock",
        units.c.units,
        "price_adjustment",
        cast(ProductOption.price_adjustment, Text),
    )
    variant: Select[Any] = (
        select(
            ProductOption.variant_name,
            func.json_agg(aggregate_order_by(option, ProductOption.position)).label("options"),
        )
        .join(units, literal(value=True))
        .where(ProductOption.product_id == Product.id)
        .correlate(Product)
        .group_by(ProductOption.variant_position, ProductOption.variant_name)
        .order_by(ProductOption.variant_position)
    )
    grouped = variant.subquery("variant")
    listed = select(func.json_agg(grouped.table_valued())).select_from(grouped).scalar_subquery()
    return func.coalesce(listed, text("'[]'::json"))
