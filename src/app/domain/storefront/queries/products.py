"""Products as a shopper sees them: priced, in stock, filtered."""

from typing import Any

from sqlalchemy import ColumnElement, Select, Text, case, cast, func, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.domain.catalog.models import Category, Product, ProductOption
from app.domain.catalog.queries import subtree
from app.domain.storefront.schemas.products import ProductFilters

ReadStatement = Select[*tuple[Any, ...]]

# The one place that says what a product costs. PostgreSQL's round() takes halves away from zero: to the cent, half up.
TOTAL_DISCOUNT = Product.discount
FINAL_PRICE: ColumnElement[Any] = func.round(Product.price * (100 - TOTAL_DISCOUNT) / 100, 2)
ON_SALE: ColumnElement[bool] = or_(TOTAL_DISCOUNT > 0, Product.has_special_promotion)

_STOCK = func.stock_free(Product.pool_id)
_OPTION_STOCK = (
    select(func.coalesce(func.sum(func.stock_free(ProductOption.pool_id)), 0))
    .where(ProductOption.product_id == Product.id)
    .correlate(Product)
    .scalar_subquery()
)
_OPTIONS = (
    select(
        func.jsonb_agg(
            aggregate_order_by(
                func.jsonb_build_array(
                    ProductOption.variant_name,
                    ProductOption.name,
                    func.stock_free(ProductOption.pool_id),
                    cast(ProductOption.price_adjustment, Text),
                ),
                ProductOption.variant_position,
                ProductOption.position,
            )
        )
    )
    .where(ProductOption.product_id == Product.id)
    .correlate(Product)
    .scalar_subquery()
)
_NEWEST = (Product.created_at.desc(), Product.id.desc())
_LISTED = (
    Product.id,
    Product.name,
    Product.brand,
    Product.price,
    Product.currency,
    Product.image,
    Product.is_available,
    Product.discount,
    Product.has_variants,
    Product.has_special_promotion,
    Product.special_promotion_name,
    Category.name.label("category_name"),
    TOTAL_DISCOUNT.label("total_discount"),
    FINAL_PRICE.label("final_price"),
    _STOCK.label("stock"),
    _OPTIONS.label("options"),
)
_DETAILED = (
    Product.description,
    Product.volume,
    Product.dimensions,
    Product.image_2,
    Product.created_at,
    Product.updated_at,
    Category.id.label("category_id"),
    Category.parent_id.label("category_parent"),
    Category.slug.label("category_slug"),
)


def _visible(statement: ReadStatement, *, everything: bool) -> ReadStatement:
    statement = statement.join(Category, Category.id == Product.category_id).where(Product.deleted_at.is_(None))
    return statement if everything else statement.where(Product.is_available)


def product_detail(product_id: int, *, everything: bool) -> ReadStatement:
    """One product in full; unavailable ones for those who see everything."""
    return _visible(select(*_LISTED, *_DETAILED).where(Product.id == product_id), everything=everything)


def product_count(filters: ProductFilters, *, everything: bool, low_stock: int) -> ReadStatement:
    """How many products pass the filters. `low_stock` is the most units that count as few."""
    return _filtered(select(func.count(Product.id)), filters, everything=everything, low_stock=low_stock)


def product_page(
    filters: ProductFilters, limit: int, offset: int, *, everything: bool, low_stock: int
) -> ReadStatement:
    """Some of the products that pass the filters, newest first. Prices and stock are computed for the page alone."""
    found = _filtered(select(Product.id), filters, everything=everything, low_stock=low_stock)
    page = found.order_by(*_NEWEST).limit(limit).offset(offset).subquery()
    listed = select(*_LISTED).join(page, page.c.id == Product.id).join(Category, Category.id == Product.category_id)
    return listed.order_by(*_NEWEST)


def _filtered(statement: ReadStatement, filters: ProductFilters, *, everything: bool, low_stock: int) -> ReadStatement:
    statement = _visible(statement, everything=everything)
    if everything and filters.is_available is not None:
        statement = statement.where(Product.is_available.is_(filters.is_available))
    if filters.category_name is not None:
        named = func.lower(Category.name) == func.lower(filters.category_name)
        statement = statement.where(Product.category_id.in_(subtree(named)))
    if filters.search is not None:
        statement = statement.where(_found(filters.search))
    if filters.stock_filter is not None:
        statement = statement.where(_stocked(filters.stock_filter, low_stock))
    if filters.price_filter is not None:
        statement = statement.where(_priced(filters.price_filter))
    if filters.on_sale is not None:
        statement = statement.where(ON_SALE if filters.on_sale else ~ON_SALE)
    return statement


def _found(search: str) -> ColumnElement[bool]:
    """The text occurs in name, brand or category; neither case nor accents count, and wildcards are plain letters."""
    wanted = func.unaccent(search)
    escaped = func.regexp_replace(wanted, r"([\\%_])", r"\\\1", "g")
    pattern = func.concat("%", escaped, "%")
    return or_(*(func.unaccent(column).ilike(pattern) for column in (Product.name, Product.brand, Category.name)))


def _stocked(kind: str, low_stock: int) -> ColumnElement[bool]:
    units = case((Product.has_variants, _OPTION_STOCK), else_=_STOCK)
    match kind:
        case "in_stock":
            return units >= 1
        case "low_stock":
            return units.between(1, low_stock)
        case _:
            return units == 0


def _priced(kind: str) -> ColumnElement[bool]:
    match kind:
        case "with_price":
            return Product.price > 0
        case "without_price":
            return Product.price == 0
        case _:
            return ON_SALE
