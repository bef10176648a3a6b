"""In what order lists of products come: total, whatever is asked for."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Text, UnaryExpression, cast, func, literal_column, select

from app.domain.catalog.models import Product
from app.domain.storefront.queries.narrowing import SEARCH, WORDS, Shape
from app.domain.storefront.queries.prices import Discounts, percentage_of_all, peso_price

ORDERINGS = tuple(sign + name for name in ("price", "name", "created_at", "discount") for sign in ("", "-"))
_PHRASE = cast(select(func.catalogue_fold(SEARCH)).scalar_subquery(), Text)
_SPACE: Any = literal_column("' '")


class Key(msgspec.Struct, frozen=True):
    """Something that products are sorted by."""

    value: Any
    descends: bool = True

    def of(self, column: ColumnElement[Any]) -> UnaryExpression[Any]:
        """A column in this key's direction. What has no price in pesos is neither cheap nor dear: it comes last."""
        return (column.desc() if self.descends else column.asc()).nulls_last()


def keys_of(shape: Shape, found: Discounts) -> Sequence[Key]:
    """By what was asked for, else by the best match of a search, else the newest first."""
    newest = (Key(Product.created_at), Key(Product.id))
    if shape.ordering is not None:
        name = shape.ordering.removeprefix("-")
        descends = shape.ordering != name
        return (Key(_named(name, found), descends), Key(Product.id, descends))
    return (*_closeness(), *newest) if shape.search else newest


def _named(name: str, found: Discounts) -> Any:
    match name:
        case "price":
            return peso_price(percentage_of_all(found))
        case "discount":
            return percentage_of_all(found)
        case "name":
            return Product.search_name
        case _:
            return Product.created_at


def _closeness() -> tuple[Key, ...]:
    """The name itself, names that begin so, names with a word that begins so; then how much of it stands where."""
    return (
        Key(Product.search_name == _PHRASE),
        Key(func.starts_with(Product.search_name, _PHRASE)),
        Key(func.strpos(_SPACE + Product.search_name, _SPACE + _PHRASE) > 0),
        Key(func.ts_rank(Product.search_words, WORDS)),
    )
