"""What a shopper sees, on the wire."""

import datetime as dt
from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec

from app.domain.catalog.schemas import Category, Variant
from app.http.pagination import Page

Number = int | float


class ProductList(msgspec.Struct):
    """A product in a list; `stock` is what is free to sell now."""

    id: int
    name: str
    brand: str
    price: Decimal
    currency: str
    stock: int
    image: str | None
    is_available: bool
    discount: Number
    category_name: str
    has_variants: bool
    variants: list[Variant]
    final_price: Decimal
    total_discount: Number
    has_special_promotion: bool
    special_promotion_name: str | None


class ActiveOffer(msgspec.Struct):
    """An offer of a product that is on."""

    id: UUID
    name: str
    discount: Number
    start_date: dt.datetime
    end_date: dt.datetime
    products: list[int]
    created_at: dt.datetime
    updated_at: dt.datetime
    status: Literal["active"] = "active"


class ProductDetail(msgspec.Struct):
    """A product in full; `total_stock` is the sum of its options' stock when it has variants, else its own."""

    id: int
    name: str
    brand: str
    description: str
    category: Category
    category_name: str
    price: Decimal
    currency: str
    discount: Number
    final_price: Decimal
    total_discount: Number
    stock: int
    total_stock: int
    has_variants: bool
    variants: list[Variant]
    volume: str
    dimensions: str
    image: str | None
    image_2: str | None
    is_available: bool
    active_offers: list[ActiveOffer]
    has_special_promotion: bool
    special_promotion_name: str | None
    created_at: dt.datetime
    updated_at: dt.datetime


class CategoryLeaf(msgspec.Struct):
    id: int
    name: str
    product_count: int


class CategoryTree(msgspec.Struct):
    """`product_count` counts the available products of the node and of everything below it."""

    id: int
    name: str
    product_count: int
    children: list[CategoryLeaf]


class ProductFilters(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of products is narrowed and sorted by; None does neither. Prices are compared in pesos."""

    category_name: str | None = None
    search: str | None = None
    is_available: bool | None = None
    stock_filter: str | None = None
    price_filter: str | None = None
    on_sale: bool | None = None
    brand: str | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    # By the product's own percentage, offers not counted.
    discounted: bool = False
    ordering: str | None = None
    facets: bool = False


class BrandFacet(msgspec.Struct):
    name: str
    count: int


class CategoryFacet(msgspec.Struct):
    id: int
    name: str
    count: int


class Facets(msgspec.Struct):
    """How many of the products found each brand and each category has, the commonest first."""

    brands: list[BrandFacet]
    categories: list[CategoryFacet]


class ProductPage(Page[ProductList]):
    """A page of products; `facets` is there when it was asked for."""

    facets: Facets | msgspec.UnsetType = msgspec.UNSET
