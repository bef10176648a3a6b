"""A product in full, as its detail shows it."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, cast, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.domain.catalog.models import Category, Product, ProductOption
from app.domain.marketing.models import offer_product
from app.domain.marketing.queries.discounts import active_offers
from app.domain.storefront.queries.prices import discounted, discounts, percentage_of_one

ReadStatement = Select[*tuple[Any, ...]]

_STOCK = func.stock_free(Product.pool_id)
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


def product_detail(product_id: int, *, everything: bool) -> ReadStatement:
    """One product in full; unavailable ones for those who see everything. Argument `zone` is the shop's."""
    percentage = percentage_of_one(discounts())
    columns: tuple[Any, ...] = (
        *_LISTED,
        *_DETAILED,
        percentage.label("total_discount"),
        discounted(Product.price, percentage).label("final_price"),
        active_offers(Product.id.expression).label("active_offers"),
    )
    statement = (
        select(*columns)
        .join(Category, Category.id == Product.category_id)
        .where(Product.id == product_id, Product.deleted_at.is_(None))
    )
    return statement if everything else statement.where(Product.is_available)


def offered_products(offer_ids: list[UUID]) -> ReadStatement:
    """The ids of the products of some offers: offer and product, in their order."""
    statement = select(offer_product.c.offer_id, offer_product.c.product_id)
    return statement.where(offer_product.c.offer_id.in_(offer_ids)).order_by(offer_product.c.product_id)
