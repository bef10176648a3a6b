"""Reads products as a shopper, or a member of the staff, sees them."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.rules.pictures import is_address
from app.domain.catalog.schemas import Category, Variant, VariantOption
from app.domain.storefront.queries import products as queries
from app.domain.storefront.schemas.products import ActiveOffer, Number, ProductDetail
from app.errors import NotFound
from app.http.principal import Principal
from app.settings import Settings

MEDIA_PATH = "/media/"


class StorefrontService:
    """For one caller: staff see what is not available too."""

    def __init__(self, session: AsyncSession, settings: Settings, caller: Principal | None) -> None:
        self.session = session
        self.settings = settings
        self.everything = caller is not None and caller.is_admin

    async def detail(self, product_id: int) -> ProductDetail:
        """Raises NotFound, also for a product that this caller may not see."""
        statement = queries.product_detail(product_id, everything=self.everything)
        row = (await self.session.execute(statement, {"zone": self.settings.time_zone})).one_or_none()
        if row is None:
            raise NotFound
        return self._in_full(row, await self._offers(row.active_offers))

    async def _offers(self, found: list[dict[str, Any]]) -> list[ActiveOffer]:
        """The offers with the products that they are for."""
        if not found:
            return []
        products: dict[UUID, list[int]] = {}
        ids = [UUID(offer["id"]) for offer in found]
        for offer_id, product_id in await self.session.execute(queries.offered_products(ids)):
            products.setdefault(offer_id, []).append(product_id)
        return [_shown(offer, products[UUID(offer["id"])]) for offer in found]

    def _in_full(self, row: Row[*tuple[Any, ...]], offers: list[ActiveOffer]) -> ProductDetail:
        variants = variants_of(row.options)
        optional = sum(option.stock for variant in variants for option in variant.options)
        return ProductDetail(
            id=row.id,
            name=row.name,
            brand=row.brand,
            description=row.description,
            category=Category(row.category_id, row.category_name, row.category_parent, row.category_slug),
            category_name=row.category_name,
            price=row.price,
            currency=row.currency,
            discount=number(row.discount),
            final_price=row.final_price,
            total_discount=number(row.total_discount),
            stock=row.stock,
            total_stock=optional if row.has_variants else row.stock,
            has_variants=row.has_variants,
            variants=variants,
            volume=row.volume,
            dimensions=row.dimensions,
            image=self._address(row.image),
            image_2=self._address(row.image_2),
            is_available=row.is_available,
            active_offers=offers,
            has_special_promotion=row.has_special_promotion,
            special_promotion_name=row.special_promotion_name or None,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )

    def _address(self, name: str | None) -> str | None:
        """Where a stored picture is read; an image provider's address stays as it is."""
        if name is None or is_address(name):
            return name
        return f"{self.settings.public_url}{MEDIA_PATH}{name}"


def variants_of(options: list[list[Any]] | None) -> list[Variant]:
    """The variants of `[variant, option, stock, adjustment]` rows, which come in their order."""
    variants: dict[str, Variant] = {}
    for variant_name, name, stock, adjustment in options or ():
        variant = variants.setdefault(variant_name, Variant(variant_name, []))
        variant.options.append(VariantOption(name, stock, Decimal(adjustment)))
    return list(variants.values())


def _shown(offer: dict[str, Any], products: list[int]) -> ActiveOffer:
    return ActiveOffer(
        id=UUID(offer["id"]),
        name=offer["name"],
        discount=number(Decimal(str(offer["discount"]))),
        start_date=_instant(offer["start_date"]),
        end_date=_instant(offer["end_date"]),
        products=products,
        created_at=_instant(offer["created_at"]),
        updated_at=_instant(offer["updated_at"]),
    )


def _instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


def number(value: Decimal) -> Number:
    """A percentage as a JSON number: 10, not 10.00."""
    return int(value) if value == value.to_integral_value() else float(value)
