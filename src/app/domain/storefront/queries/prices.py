"""The one place that says in SQL what a product costs: the same to the cent as the pricing domain says it."""

from typing import Any

from sqlalchemy import ColumnElement, func, or_

from app.domain.catalog.models import Product
from app.domain.rates.queries import in_pesos

# PostgreSQL's round() takes halves away from zero: to the cent, half up.
TOTAL_DISCOUNT: Any = Product.discount
ON_SALE: ColumnElement[bool] = or_(TOTAL_DISCOUNT > 0, Product.has_special_promotion)


def discounted(price: Any) -> ColumnElement[Any]:
    """A price after the product's percentage."""
    return func.round(price * (100 - TOTAL_DISCOUNT) / 100, 2)


# In the product's own currency.
FINAL_PRICE = discounted(Product.price)
# In pesos at the effective rate, by which lists compare; NULL for dollars without a rate.
PESO_PRICE = discounted(in_pesos(Product.price.expression, Product.currency.expression))
