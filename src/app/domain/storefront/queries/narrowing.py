"""What lists of products are narrowed by."""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Numeric, Select, Text, func, select

from app.db.prepared import argument
from app.domain.catalog.models import Category, Product
from app.domain.catalog.queries import subtree
from app.domain.storefront.queries.prices import Discounts, on_sale, percentage_of_all, peso_price
from app.domain.storefront.queries.stock import in_stock, low_stock

_CATEGORY, _BRAND = argument("category_name", Text), argument("brand", Text)
_LEAST, _MOST = argument("min_price", Numeric), argument("max_price", Numeric)
SEARCH = argument("search", Text)
# In a select of its own, so that it is computed once and not for each product.
WORDS = select(func.catalogue_query(SEARCH)).scalar_subquery()


# Orders for which every product's price or percentage has to be known.
PRICED = frozenset({"price", "discount"})
# Orders in which an index has the products.
BY_AGE = (None, "created_at", "-created_at")


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Which parameters a list has, without the values of those that are a statement's arguments."""

    everything: bool
    is_available: bool | None = None
    category: bool = False
    search: bool = False
    brand: bool = False
    min_price: bool = False
    max_price: bool = False
    stock_filter: str | None = None
    price_filter: str | None = None
    on_sale: bool | None = None
    # By the product's own percentage, offers not counted.
    discounted: bool = False
    ordering: str | None = None
    facets: bool = False

    @property
    def is_counted(self) -> bool:
        """Whether how many there are is known without looking at them: by category and availability alone; and
        whether an index has them in their order.
        """
        plain = Shape(everything=self.everything, is_available=self.is_available, category=self.category)
        return msgspec.structs.replace(self, ordering=None) == plain and self.ordering in BY_AGE

    @property
    def is_priced(self) -> bool:
        """Whether what all products cost now is looked at, and so their discounts are joined."""
        return self.min_price or self.max_price or (self.ordering or "").removeprefix("-") in PRICED

    @property
    def availability(self) -> bool | None:
        """What everybody but the staff sees is available."""
        return self.is_available if self.everything else True


def tree() -> Select[*tuple[Any, ...]]:
    """The ids of the category of the given name, whatever its case, and of all below it."""
    return subtree(func.lower(Category.name) == func.lower(_CATEGORY))


def conditions(shape: Shape, found: Discounts, *, in_category: bool = True) -> list[ColumnElement[bool]]:
    """What a product has to fulfil."""
    available, price = shape.availability, peso_price(percentage_of_all(found))
    given: list[tuple[bool, Any]] = [
        (True, Product.deleted_at.is_(None)),
        (available is True, Product.is_available),
        (available is False, ~Product.is_available),
        (shape.category and in_category, Product.category_id.in_(tree())),
        (shape.search, Product.search_words.op("@@")(WORDS)),
        (shape.brand, func.lower(Product.brand) == func.lower(_BRAND)),
        (shape.min_price, price >= _LEAST),
        (shape.max_price, price <= _MOST),
        (shape.on_sale is True, on_sale(found)),
        (shape.on_sale is False, ~on_sale(found)),
        (shape.discounted, Product.discount > 0),
    ]
    wanted = [condition for asked, condition in given if asked]
    if shape.stock_filter is not None:
        wanted.append(_stocked(shape.stock_filter))
    if shape.price_filter is not None:
        wanted.append(_priced(shape.price_filter, found))
    return wanted


def _stocked(kind: str) -> ColumnElement[bool]:
    match kind:
        case "in_stock":
            return in_stock()
        case "low_stock":
            return low_stock()
        case _:
            return ~in_stock()


def _priced(kind: str, found: Discounts) -> ColumnElement[bool]:
    match kind:
        case "with_price":
            return Product.price > 0
        case "without_price":
            return Product.price == 0
        case _:
            return on_sale(found)
