"""What an order's lines cost and where their units lie, at the server's prices."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Product, ProductOption
from app.domain.orders.rules import Unsellable, label_of
from app.domain.rates.service import RateService

CENT = Decimal("0.01")


class Wanted(msgspec.Struct, frozen=True):
    """A line as it is asked for. `price` is what the client believes a unit to cost, None when it says nothing."""

    product_id: int
    quantity: int
    variants: Mapping[str, str] | None = None
    label: str = ""
    price: Decimal | None = None


class PricedLine(msgspec.Struct, frozen=True):
    """A line with the server's unit price, and the stocks that it takes `quantity` units of each."""

    product_id: int
    quantity: int
    variants: Mapping[str, str] | None
    label: str
    unit_price: Decimal
    pool_ids: tuple[int, ...]

    @property
    def total(self) -> Decimal:
        return self.unit_price * self.quantity


class Priced(msgspec.Struct, frozen=True):
    """An order's lines and sums; `dollar_rate` is that of its USD lines, None when it has none."""

    lines: Sequence[PricedLine]
    bulk_discount: Decimal = Decimal("0.00")
    coupon_discount: Decimal = Decimal("0.00")
    coupon_id: UUID | None = None
    dollar_rate: Decimal | None = None

    @property
    def subtotal(self) -> Decimal:
        return sum((line.total for line in self.lines), Decimal("0.00"))

    @property
    def total(self) -> Decimal:
        return self.subtotal - self.bulk_discount - self.coupon_discount


class OrderPricer:
    """Reads alone; what it names is settled when the order takes it."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def price(self, lines: Sequence[Wanted]) -> Priced:
        """Raises Unsellable for a product that is unknown or not for sale, or a choice that it does not have."""
        ids = {line.product_id for line in lines}
        products = {row.id: row for row in await self.session.execute(_products(ids))}
        options: dict[int, list[Any]] = {}
        for row in await self.session.execute(_options(ids)):
            options.setdefault(row.product_id, []).append(row)
        rate = await self._rate(products.values())
        priced = [
            _priced(line, products.get(line.product_id), options.get(line.product_id, []), rate) for line in lines
        ]
        return Priced(priced, dollar_rate=rate)

    async def _rate(self, products: Any) -> Decimal | None:
        if all(product.currency == "ARS" for product in products):
            return None
        effective = await RateService(self.session).effective()
        if effective is None:
            raise Unsellable("No hay cotización del dólar", code="rate_missing")
        return effective.value


def _products(ids: Any) -> Any:
    columns = (Product.id, Product.price, Product.currency, Product.discount, Product.has_variants, Product.pool_id)
    return select(*columns).where(Product.id.in_(ids), Product.deleted_at.is_(None), Product.is_available)


def _options(ids: Any) -> Any:
    order = (ProductOption.variant_position, ProductOption.position)
    return select(*ProductOption.__table__.columns).where(ProductOption.product_id.in_(ids)).order_by(*order)


def _priced(line: Wanted, product: Any, options: Sequence[Any], rate: Decimal | None) -> PricedLine:
    if product is None:
        raise Unsellable(f"El producto {line.product_id} no existe o no está disponible", code="unknown_product")
    chosen = _chosen(line, options if product.has_variants else ())
    base = product.price + sum((option.price_adjustment for option in chosen), Decimal(0))
    if product.currency == "USD":
        base = (base * (rate or 0)).quantize(CENT, ROUND_HALF_UP)
    unit = (base * (100 - product.discount) / 100).quantize(CENT, ROUND_HALF_UP)
    variants = {option.variant_name: option.name for option in chosen} or None
    pools = tuple(option.pool_id for option in chosen) or (product.pool_id,)
    return PricedLine(line.product_id, line.quantity, variants, line.label or label_of(variants), unit, pools)


def _chosen(line: Wanted, options: Sequence[Any]) -> list[Any]:
    """An option of each of the product's variants, as the line names them."""
    named = dict(line.variants or {})
    chosen = [option for option in options if named.get(option.variant_name) == option.name]
    missing = {option.variant_name for option in options} - {option.variant_name for option in chosen}
    if missing or len(named) != len(chosen):
        raise Unsellable(f"El producto {line.product_id} no tiene esa variante, o falta elegirla", code="bad_variants")
    return chosen
